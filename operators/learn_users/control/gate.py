"""Keeps events of forgotten users out of a micro-batch, and those of blocked ones from teaching."""

from collections.abc import Collection
from itertools import compress

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.columns.events import Events
from models.keys import key_of
from models.params.events import EventPolicy
from operators.learn_users.micro_batch import MicroBatch
from operators.learn_users.stages.decode import Decoded
from state.events.codes import Ignored

FORGOTTEN = "(forgotten)"
"""What records of forgotten users are counted as, among those that are ignored."""


def without(
    decoded: Decoded, batch: MicroBatch, forgotten: Collection[int], policy: EventPolicy
) -> Decoded:
    """Return what was decoded without the users that are forgotten.

    Their records are counted as ignored, and are no dead letters either: these would keep them.

    Parameters
    ----------
    forgotten
        Keys of users.
    """
    gone = np.array([key_of(user) in forgotten for user in decoded.users], np.bool_)
    theirs = {
        one.position
        for one in decoded.rejected
        if (user := _user_of(batch.keys[one.position], policy)) and key_of(user) in forgotten
    }
    if not gone.any() and not theirs:
        return decoded
    events = decoded.events
    kept = ~gone[events.user] if len(events) else np.ones(0, np.bool_)
    theirs |= set(decoded.record[~kept].tolist())
    rest = events.take(kept)
    rest.user = (np.cumsum(~gone) - 1)[rest.user].astype(np.int32)
    known = {one.position for one in decoded.ignored}
    return Decoded(
        users=list(compress(decoded.users, ~gone)),
        events=rest,
        single=decoded.single,
        record=decoded.record[kept],
        item_ids=list(compress(decoded.item_ids, kept)),
        event_ids=list(compress(decoded.event_ids, kept)),
        sources=list(compress(decoded.sources, kept)),
        code=decoded.code[kept],
        amount=decoded.amount[kept],
        rejected=[one for one in decoded.rejected if one.position not in theirs],
        ignored=[*decoded.ignored, *(Ignored(at, FORGOTTEN) for at in sorted(theirs - known))],
        line=None if decoded.line is None else decoded.line[kept],
        without_item=decoded.without_item,
    )


def mute(events: Events, users: list[str], blocked: Collection[int]) -> None:
    """Let events of blocked users count for nobody else."""
    said = np.array([key_of(user) not in blocked for user in users], np.bool_)
    heard: NDArray[np.bool_] = said[events.user]
    events.counts &= heard
    events.moves &= heard


def _user_of(key: bytes | None, policy: EventPolicy) -> str:
    """Return the user that a record's key names; "" where it names none."""
    if key is None or not policy.keyed:
        return ""
    try:
        return msgspec.json.decode(key, type=str) if policy.keyed == "json" else key.decode()
    except ValueError:  # DecodeError and UnicodeDecodeError are
        return ""
