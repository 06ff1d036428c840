"""By what events are known: identity, content and subject, as hashes that stay the same."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import xxhash
from numpy.typing import NDArray

from models.compiled import compiled
from models.keys import key_of
from state.events.fields import Event

Identity = Literal["event_id", "event_id+item+type"]
_ODD = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(32)


def identities(
    events: Sequence[Event],
    event_ids: Sequence[str | None],
    kind: Identity,
    item: NDArray[np.uint64],
    code: NDArray[np.uint64],
) -> tuple[list[str], NDArray[np.uint64]]:
    """Return event ids and their keys; what has no id is identified by its content.

    Parameters
    ----------
    kind : Identity
        Whether an id stands for one event, or for one with each item and type.
    item, code : uint64[n]
        Keys of item and event type.
    """
    digest = xxhash.xxh3_64_intdigest  # what key_of does, without a call an event
    if None not in event_ids:
        ids: list[str] = list(event_ids)  # type: ignore[arg-type]
        keys = np.array([digest(event_id.encode()) for event_id in ids], np.uint64)
    else:
        found = [_identity_of(event) for event in events]
        ids = [
            f"{key:016x}" if event.event_id is None else event.event_id
            for event, key in zip(events, found, strict=True)
        ]
        keys = np.array(found, np.uint64)
    if kind == "event_id+item+type":
        keys ^= (item ^ code * _ODD) * _ODD
    return ids, keys


@compiled
def contents(
    item: NDArray[np.uint64],
    code: NDArray[np.uint64],
    value: NDArray[np.float64],
    weight: NDArray[np.float32],
    negative: NDArray[np.bool_],
) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Return two hashes of each event: of what it says, and of what it is about.

    The first is of item, type and value, and never 0; the second has 24 bits of the item, 6 of the
    type, one that says whether the event is negative, and in the lowest whether there is a weight.
    """
    content, subject = np.empty(len(item), np.uint32), np.empty(len(item), np.uint32)
    bits = value.view(np.uint64)
    for e in range(len(item)):
        about = (item[e] ^ code[e] * _ODD) * _ODD
        # nothing and both zeros are the same
        said = np.uint64(0) if np.isnan(value[e]) or value[e] == 0 else bits[e]
        content[e] = np.uint32((((about ^ said) * _ODD) >> _SHIFT) | np.uint64(1))
        kind = np.uint64(1) if weight[e] != 0 else np.uint64(0)
        of_item = (item[e] * _ODD >> _SHIFT) & np.uint64(0xFFFFFF00)
        of_type = (code[e] * _ODD >> _SHIFT) & np.uint64(0xFC)
        sign = np.uint64(2) if negative[e] else np.uint64(0)
        subject[e] = np.uint32(of_item | of_type | sign | kind)
    return content, subject


def _identity_of(event: Event) -> int:
    """Return the 64-bit key of an event: of its id, or of its content where it has none."""
    if event.event_id is not None:
        return key_of(event.event_id)
    return key_of(f"{event.item_id}\n{event.event_type}\n{event.timestamp}\n{event.value}")
