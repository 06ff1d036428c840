"""By what events are known: identity, content and subject, as hashes that stay the same."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import xxhash
from numpy.typing import NDArray

from models.keys import key_of
from operators.events.fields import Event

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


def contents(
    item: NDArray[np.uint64], code: NDArray[np.uint64], value: NDArray[np.float64]
) -> NDArray[np.uint32]:
    """Return the hash of what events say: item, type and value; never 0."""
    bits = np.where(np.isnan(value), 0.0, value + 0.0).view(np.uint64)  # + 0.0: one zero only
    mixed = ((item ^ code * _ODD) * _ODD ^ bits) * _ODD
    return ((mixed >> _SHIFT) | np.uint64(1)).astype(np.uint32)


def subjects(
    item: NDArray[np.uint64], code: NDArray[np.uint64], weight: NDArray[np.float32]
) -> NDArray[np.uint32]:
    """Return the hash of item and type; the lowest bit says whether there is a weight."""
    mixed = (item ^ code * _ODD) * _ODD >> _SHIFT
    weighty = (weight != 0).astype(np.uint64)
    subject: NDArray[np.uint32] = (mixed & np.uint64(0xFFFFFFFE) | weighty).astype(np.uint32)
    return subject


def _identity_of(event: Event) -> int:
    """Return the 64-bit key of an event: of its id, or of its content where it has none."""
    if event.event_id is not None:
        return key_of(event.event_id)
    return key_of(f"{event.item_id}\n{event.event_type}\n{event.timestamp}\n{event.value}")
