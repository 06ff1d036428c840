"""Second stage: accepts each event once, and says of every other one why it was not accepted.

A user's record holds the identities of the R newest accepted events by event time. What is found
there is a duplicate if it says the same, and a conflict if it does not. What is not found is new,
unless it is older than what has left: then nothing can be proved, and it is late. Three things keep
that from an event that nobody has sent twice:

- no event pushes out the identity of a newer one, and one that shares its time is not late;
- a clock that is fast counts as right: an event happened no later than it arrived;
- nothing is late that is not older than the newest event by more than `lateness_ms`, and what has
  no weight (impressions) leaves first, but for the newest fourth, and makes late only its like.

So repeats are found among the newest R events of a user, whatever came in between, and distinct
events are lost to lateness only beyond both R events and `lateness_ms`. A user takes 20 R bytes
however long the stream is.

One user's say is bounded by the same memory: an event counts if the user has no other one with a
weight for the same item and event type within `count_window_ms`.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.columns import ACCEPTED, CONFLICT, DUPLICATE, LATE, Events, Users
from models.compiled import Integer, Truth, compiled, kernel
from models.params import UserParams

Recent: TypeAlias = tuple[
    NDArray[np.uint64],
    NDArray[np.uint32],
    NDArray[np.uint32],
    NDArray[np.uint32],
    NDArray[np.int32],
]
"""Identities, contents, subjects, seconds and lengths of users' recent events."""


def deduplicate(users: Users, events: Events, params: UserParams, now_ms: int) -> NDArray[np.uint8]:
    """Decide the fate of each event and remember the accepted ones.

    Events are taken one after the other, so that a repetition inside the micro-batch is found as
    well.

    Parameters
    ----------
    users : Users
        `recent…`, `floor` and `idle_floor` are updated in place; the lists have room for as many
        of the events as `params` lets them keep.
    events : Events
        n events in processing order; `counts` is set.
    params : UserParams
    now_ms : int
        Processing time.

    Returns
    -------
    uint8[n]
        ACCEPTED, DUPLICATE, LATE or CONFLICT.
    """
    return _fates(
        events.user,
        events.identity,
        events.content,
        events.subject,
        np.minimum(events.time, now_ms) // 1000,
        events.time,
        events.counts,
        (
            users.recent,
            users.recent_content,
            users.recent_subject,
            users.recent_time,
            users.recent_length,
        ),
        (users.floor, users.idle_floor),
        (params.recent_events, params.lateness_ms // 1000, params.count_window_ms // 1000),
    )


@compiled
def _fates(  # noqa: PLR0913  # columns
    user: NDArray[np.int32],
    identity: NDArray[np.uint64],
    content: NDArray[np.uint32],
    subject: NDArray[np.uint32],
    second: NDArray[np.int64],
    time: NDArray[np.int64],
    counts: NDArray[np.bool_],
    recent: Recent,
    floors: tuple[NDArray[np.int64], NDArray[np.int64]],
    limits: tuple[int, int, int],
) -> NDArray[np.uint8]:
    fate = np.empty(len(user), np.uint8)
    floor, idle_floor = floors
    known, said, _, _, length = recent
    most, lateness, window = limits
    for e in range(len(user)):
        u = user[e]
        weighty = subject[e] & np.uint32(1) != 0
        at = _place_of(known, length, u, identity[e])
        if at >= 0:
            same = said[u, at] == content[e] or said[u, at] == 0
            fate[e] = DUPLICATE if same else CONFLICT
        elif time[e] < (floor[u] if weighty else idle_floor[u]):
            fate[e] = LATE
        else:
            fate[e] = ACCEPTED
            counts[e] = not weighty or not _counted(recent, u, subject[e], second[e], window)
            _insert(recent, u, identity[e], content[e], subject[e], second[e])
            if length[u] > most:
                _drop(recent, floor, idle_floor, u, lateness)
    return fate


@kernel
def _place_of(
    known: NDArray[np.uint64], length: NDArray[np.int32], u: Integer, wanted: Integer
) -> Integer:
    """Return where an identity stands, -1 where it does not."""
    found = False
    for at in range(length[u]):  # no early exit: the loop is vectorised
        found |= known[u, at] == wanted
    if found:
        for at in range(length[u]):
            if known[u, at] == wanted:
                return at
    return -1


@kernel
def _counted(
    recent: Recent,
    u: Integer,
    subject: Integer,
    second: Integer,
    window: Integer,
) -> Truth:
    """Return whether the user has an event about the subject close to a time."""
    _, _, about, times, length = recent
    found = False
    for at in range(length[u]):  # no early exit: the loop is vectorised
        found |= about[u, at] == subject
    if found:
        for at in range(length[u]):
            apart = np.int64(times[u, at]) - second
            if about[u, at] == subject and -window < apart < window:
                return True
    return False


@kernel
def _insert(
    recent: Recent,
    u: Integer,
    identity: Integer,
    content: Integer,
    subject: Integer,
    second: Integer,
) -> None:
    """Put an event behind all that are not newer."""
    known, said, about, times, length = recent
    at = length[u]
    when = np.uint32(max(second, 0))
    while at > 0 and times[u, at - 1] > when:
        known[u, at], said[u, at] = known[u, at - 1], said[u, at - 1]
        about[u, at], times[u, at] = about[u, at - 1], times[u, at - 1]
        at -= 1
    known[u, at], said[u, at], about[u, at], times[u, at] = identity, content, subject, when
    length[u] += 1


@kernel
def _drop(
    recent: Recent,
    floor: NDArray[np.int64],
    idle_floor: NDArray[np.int64],
    u: Integer,
    lateness: Integer,
) -> None:
    """Forget the oldest event without weight, else the oldest, and raise the floor of its kind."""
    known, said, about, times, length = recent
    last = length[u] - 1
    out, old = 0, last - last // 4
    while out < old and about[u, out] & np.uint32(1) != 0:
        out += 1
    if out == old:
        out = 0
    newest = np.int64(times[u, last])
    raised = 1000 * min(np.int64(times[u, out]), max(newest - lateness, 0))
    if about[u, out] & np.uint32(1) != 0:
        floor[u] = max(floor[u], raised)
    else:
        idle_floor[u] = max(idle_floor[u], raised)
    # a loop each: together they would not be vectorised
    for at in range(out, last):
        known[u, at] = known[u, at + 1]
    for at in range(out, last):
        said[u, at] = said[u, at + 1]
    for at in range(out, last):
        about[u, at] = about[u, at + 1]
    for at in range(out, last):
        times[u, at] = times[u, at + 1]
    length[u] = last
