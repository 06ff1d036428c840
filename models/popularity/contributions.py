"""Which events of users count for items, so that no window counts a user more than m times.

The job counts events by the time at which they are processed, T, and no window is longer than W.
An event counts only where its own time e is from T - L to T, so that the times of two events that
one window counts are less than W + L apart. The user's record holds the items and times of recent
events (`models.columns.users`). An event counts where the record holds none of the same item
that is so near, and fewer than m different items so near: what counted is among these. So the last
of more than m events that one window counts would have been refused, whatever was sent and
however it was cut into micro-batches.

A record that is full forgets. Each time it does it raises the user's `floor`: whatever it has
forgotten is no newer than that and the allowed lateness together (see
`operators.learn_users.stages.deduplicate`). An event counts only where all that is near is newer.

Items are compared by the 24 bits that records hold of them: of two that share them one does not
count.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.columns.events import Events
from models.columns.users import Users
from models.compiled import Integer, Truth, compiled, kernel

_ITEM = np.uint32(0xFFFFFF00)
"""Bits of a subject that are of its item."""
_SIGN = np.uint32(3)
_POSITIVE = np.uint32(1)
"""Of a subject: there is a weight, and it is not below 0."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bound:
    """How much of a user counts."""

    items: int
    """Most distinct items of a user in a window (m)."""
    window_ms: int
    """W"""
    lateness_ms: int
    """L: what is older against the time of processing does not count."""
    recent_lateness_ms: int
    """`UserParams.lateness_ms`, by which records forget."""


class Before(NamedTuple):
    """What the records of U users held before a micro-batch; R recent events."""

    subject: NDArray[np.uint32]
    """(U, R)"""
    second: NDArray[np.uint32]
    """(U, R)"""
    length: NDArray[np.int32]
    """(U,)"""
    floor: NDArray[np.int64]
    """(U,) ms; -1: nothing was forgotten."""

    @classmethod
    def of(cls, users: Users) -> "Before":
        """Return a copy, which stays as it is while events are taken."""
        return cls(
            users.recent_subject.copy(),
            users.recent_time.copy(),
            users.recent_length.copy(),
            users.floor.copy(),
        )


def counted(before: Before, events: Events, bound: Bound, now_ms: int) -> NDArray[np.bool_]:
    """Return which events of a micro-batch count for their items.

    Parameters
    ----------
    before : Before
        Of the users that `events.user` means, before the micro-batch.
    events : Events
        n accepted events in processing order; none is newer than `now_ms`.
    now_ms : int
        Time of processing, at which windows count them.

    Returns
    -------
    bool[n]
    """
    fresh = (events.time >= now_ms - bound.lateness_ms) & (events.time <= now_ms)
    return _counted(
        before,
        events.user,
        events.subject,
        events.time // 1000,
        fresh & (events.weight > 0) & events.counts,
        bound.items,
        -(-(bound.window_ms + bound.lateness_ms) // 1000) + 1,
        bound.recent_lateness_ms // 1000 + 1,
    )


@compiled
def _counted(
    before: Before,
    user: NDArray[np.int32],
    subject: NDArray[np.uint32],
    second: NDArray[np.int64],
    wanted: NDArray[np.bool_],
    most: int,
    near: int,
    lateness: int,
) -> NDArray[np.bool_]:
    counts = np.zeros(len(user), np.bool_)
    items = np.empty((len(before.length), most), np.uint32)
    held = np.zeros(len(before.length), np.int32)
    found = np.empty(most, np.uint32)
    for e in range(len(user)):
        u = user[e]
        if not wanted[e] or held[u] == most:
            continue
        if before.floor[u] >= 0 and second[e] - near <= before.floor[u] // 1000 + lateness:
            continue
        found[: held[u]] = items[u, : held[u]]
        item = subject[e] & _ITEM
        if _has_room(before, u, item, second[e], near, found, held[u]):
            items[u, held[u]] = item
            held[u] += 1
            counts[e] = True
    return counts


@kernel
def _has_room(
    before: Before,
    u: Integer,
    item: Integer,
    second: Integer,
    near: Integer,
    found: NDArray[np.uint32],
    many: Integer,
) -> Truth:
    """Return whether an item is not among the user's near ones, and these are not enough yet."""
    for n in range(many):
        if found[n] == item:
            return False
    for at in range(before.length[u]):
        if before.subject[u, at] & _SIGN != _POSITIVE:
            continue
        if abs(np.int64(before.second[u, at]) - second) > near:
            continue
        other = before.subject[u, at] & _ITEM
        if other == item:
            return False
        known = False
        for n in range(many):
            known |= found[n] == other
        if not known:
            found[many] = other
            many += 1
            if many == len(found):
                return False
    return True
