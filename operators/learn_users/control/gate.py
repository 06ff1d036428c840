"""Keeps events out of a micro-batch that are not to be learnt, and those of bots from teaching."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
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
from state.keyed.gates import Gates

_FOREVER, _NEVER = np.iinfo(np.int64).max, -(1 << 62)
FORGOTTEN = "(forgotten)"
NO_CONSENT = "(no consent)"
"""What records of forgotten users, and those that say no, are counted as, among the ignored."""


def without(
    decoded: Decoded,
    batch: MicroBatch,
    gates: Gates,
    policy: EventPolicy,
    keys_of: Callable[[str], Iterable[int]],
) -> Decoded:
    """Return what was decoded without what is forgotten.

    These records are counted as ignored, and are no dead letters either: these would keep them.

    Parameters
    ----------
    keys_of : function
        Returns the keys of a user by the id.
    """
    keys = [key_of(user) for user in decoded.users]
    until = np.array([_until(key, gates) for key in keys], np.int64)
    theirs = {
        one.position
        for one in decoded.rejected
        if batch.published[one.position] <= _until_of(batch, one.position, gates, policy, keys_of)
    }
    events = decoded.events
    if len(events):
        theirs |= set(decoded.record[events.published <= until[events.user]].tolist())
    return left_out(decoded, theirs, FORGOTTEN) if theirs else decoded


def left_out(decoded: Decoded, records: set[int], name: str) -> Decoded:
    """Return what was decoded without some records, which are counted as ignored by a name."""
    known = {one.position for one in decoded.ignored}
    rest = chosen(decoded, ~_are_of(decoded, records))
    rest.rejected = [one for one in decoded.rejected if one.position not in records]
    new = [Ignored(at, name) for at in sorted(records - known)]
    rest.ignored = [*decoded.ignored, *new]
    return rest


def answered_only(decoded: Decoded, records: set[int]) -> Decoded:
    """Return the events of some records, and nothing of the others."""
    known = {one.position for one in decoded.ignored}
    rest = chosen(decoded, _are_of(decoded, records - known))
    rest.rejected, rest.ignored = [], []
    return rest


def chosen(decoded: Decoded, kept: NDArray[np.bool_]) -> Decoded:
    """Return what was decoded with some of its events and their users."""
    events = decoded.events.take(kept)
    there = np.zeros(len(decoded.users), np.bool_)
    there[events.user] = True
    events.user = (np.cumsum(there) - 1)[events.user].astype(np.int32)
    return replace(
        decoded,
        users=list(compress(decoded.users, there)),
        events=events,
        record=decoded.record[kept],
        item_ids=list(compress(decoded.item_ids, kept)),
        event_ids=list(compress(decoded.event_ids, kept)),
        sources=list(compress(decoded.sources, kept)),
        code=decoded.code[kept],
        amount=decoded.amount[kept],
        line=None if decoded.line is None else decoded.line[kept],
    )


def _are_of(decoded: Decoded, records: set[int]) -> NDArray[np.bool_]:
    return np.isin(decoded.record, np.array(sorted(records), np.intp))


def _until(key: int, gates: Gates) -> int:
    """Return when the last record of a user was written that is not taken, ms; -1 for none."""
    if key in gates.forgotten:
        return _FOREVER
    return gates.lifted[key][0] if key in gates.lifted else _NEVER


def _until_of(
    batch: MicroBatch,
    position: int,
    gates: Gates,
    policy: EventPolicy,
    keys_of: Callable[[str], Iterable[int]],
) -> int:
    """Return the same of the user of a refused record; -1 where nobody can tell whose it is."""
    key, value = batch.keys[position], batch.values[position]
    users = {_user_in_key(key, policy), *_users_in(value, policy)} - {""}
    keys = (key for user in users for key in keys_of(user))
    return max((_until(key, gates) for key in keys), default=_NEVER)


def mute(
    events: Events, users: list[str], blocked: Collection[int], *, all_of_them: bool = False
) -> None:
    """Let events of blocked users, or of all of them, count for nobody else."""
    teach = [not all_of_them and key_of(user) not in blocked for user in users]
    said = np.array(teach, np.bool_)
    heard: NDArray[np.bool_] = said[events.user]
    events.counts &= heard
    events.moves &= heard


def _user_in_key(key: bytes | None, policy: EventPolicy) -> str:
    """Return the user that a record's key names; "" where it names none."""
    if key is None or not policy.keyed:
        return ""
    try:
        return msgspec.json.decode(key, type=str) if policy.keyed == "json" else key.decode()
    except (ValueError, RecursionError):  # DecodeError and UnicodeDecodeError are the former
        return ""


def _users_in(value: bytes | None, policy: EventPolicy) -> Iterator[str]:
    """Yield the users that a refused value names, as far as it is JSON."""
    try:
        tree = msgspec.json.decode(value or b"")
    except (ValueError, RecursionError):
        return
    for path in dict(policy.fields).get("user_id", ("user_id",)):
        found = tree
        for step in path.split("."):
            found = found.get(step) if isinstance(found, dict) else None
        if isinstance(found, str | int):
            yield str(found)
