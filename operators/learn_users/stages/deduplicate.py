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

One user's say is bounded by the same memory, see `_say`: by event time and by arrival, so that no
times a sender can invent let one user count for many.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.columns.events import ACCEPTED, CONFLICT, DUPLICATE, LATE, Events
from models.columns.users import Users
from models.compiled import Integer, Real, Truth, compiled, kernel
from models.index.lookup import short_of
from models.params.users import UserParams

_ITEM = np.uint32(0xFFFFFF03)
"""Bits of a subject that are of its item, and whether it has a weight, and one below 0."""
_ODD = np.uint64(0x9E3779B97F4A7C15)

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
        n events in processing order; `counts` and `moves` are set.
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
        (events.counts, events.moves),
        (
            users.recent,
            users.recent_content,
            users.recent_subject,
            users.recent_time,
            users.recent_length,
        ),
        (users.floor, users.idle_floor),
        (params.recent_events, params.lateness_ms // 1000, params.count_window_ms // 1000),
        Say(
            item=events.item,
            arrived=np.clip(np.where(events.published < 0, now_ms, events.published), 0, now_ms),
            teaches=~np.isnan(events.value) if params.by_type else events.weight > 0,
            enters=(events.hide > 0) & (events.weight > 0),
            past=users.past,
            past_length=users.past_length,
            said=users.said,
            said_at=users.said_at,
            repeated=users.repeated,
            seen=_empty_table(len(events)),
            limit=float(params.count_limit),
            window=max(params.count_window_ms // 1000, 1),
            by_type=params.by_type,
        ),
    )


class Say(NamedTuple):
    """Bounds of what one user can teach others."""

    item: NDArray[np.uint64]
    arrived: NDArray[np.int64]
    """When each event came to the topic, ms: no later than now, and now where nobody says it."""
    teaches: NDArray[np.bool_]
    """Whether others could learn from it: positive events, and ratings where these are learnt."""
    enters: NDArray[np.bool_]
    """Whether its item enters the user's past."""
    past: NDArray[np.uint32]
    past_length: NDArray[np.int32]
    said: NDArray[np.float32]
    said_at: NDArray[np.uint32]
    repeated: NDArray[np.uint64]
    seen: NDArray[np.uint64]
    """Open-addressing table of what entered pasts in this micro-batch, by user and item; 0: none.
    """
    limit: float
    window: int
    """Seconds."""
    by_type: bool


def _empty_table(events: int) -> NDArray[np.uint64]:
    return np.zeros(1 << max(4, (2 * events).bit_length()), np.uint64)


@compiled
def _fates(  # noqa: PLR0913  # columns
    user: NDArray[np.int32],
    identity: NDArray[np.uint64],
    content: NDArray[np.uint32],
    subject: NDArray[np.uint32],
    second: NDArray[np.int64],
    time: NDArray[np.int64],
    taught: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    recent: Recent,
    floors: tuple[NDArray[np.int64], NDArray[np.int64]],
    limits: tuple[int, int, int],
    say: Say,
) -> NDArray[np.uint8]:
    fate = np.empty(len(user), np.uint8)
    floor, idle_floor = floors
    counts, moves = taught
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
            if weighty:
                counts[e], moves[e] = _say(recent, u, e, subject[e], second[e], window, say)
            _insert(recent, u, identity[e], content[e], subject[e], second[e])
            if length[u] > most:
                _drop(recent, floor, idle_floor, u, lateness)
    return fate


@kernel
def _say(
    recent: Recent,
    u: Integer,
    e: Integer,
    subject: Integer,
    second: Integer,
    window: Integer,
    say: Say,
) -> tuple[Truth, Truth]:
    """Return whether an event teaches the others, and whether it moves the user's own factors.

    The others learn once of a user and an item within the window of event time, whatever the type;
    of ratings once for each type. And in a window of arrival a user may name `limit` new items to
    them (a bucket that leaks), and each item that the user knows, from the past or the recent
    events, once. A known item is a bit of 64, so that two of them may be taken for one.
    The arrival is the record's time in the topic, so that a replay decides alike.
    """
    _, _, about, times, length = recent
    item, same, typed, known = False, False, False, False
    for at in range(length[u]):  # no early exit: the loop is vectorised
        known |= about[u, at] & _ITEM == subject & _ITEM
    for at in range(length[u] if known else 0):
        if about[u, at] & _ITEM == subject & _ITEM:
            of_type = about[u, at] == subject
            apart = np.int64(times[u, at]) - second
            near = -window < apart < window
            typed |= of_type
            item |= near
            same |= of_type & near
    if say.by_type:
        known = typed
    else:
        known |= _in_past(say, u, say.item[e]) | _seen(say, u, e)
    if same if say.by_type or not say.teaches[e] else item:
        return False, not same and not say.by_type
    if not say.teaches[e]:
        return True, True
    arrived = say.arrived[e] // 1000
    passed: Integer = max(arrived - np.int64(say.said_at[u]), 0)
    turned = passed > 0 and arrived // say.window != np.int64(say.said_at[u]) // say.window
    bit = np.uint64(1) << (say.item[e] * _ODD >> np.uint64(58))
    repeated = np.uint64(0) if turned else say.repeated[u]
    left: Real = max(say.said[u] - say.limit * passed / say.window, 0.0)
    if (repeated & bit != 0) if known else (left + 1 > say.limit):
        return False, not say.by_type
    say.repeated[u] = repeated | bit if known else repeated
    say.said[u] = left if known else left + 1
    say.said_at[u] = np.uint32(np.int64(say.said_at[u]) + passed)
    return True, True


@kernel
def _in_past(say: Say, u: Integer, item: Integer) -> Truth:
    """Return whether an item was in a user's past before this micro-batch."""
    short, found = short_of(item), False
    for at in range(say.past_length[u]):  # no early exit: the loop is vectorised
        found |= say.past[u, at] & np.uint32(0xFFFFFFFE) == short
    return found


@kernel
def _seen(say: Say, u: Integer, e: Integer) -> Truth:
    """Return whether an item entered the user's past in this micro-batch; it may from now on."""
    key = (say.item[e] ^ np.uint64(u) * _ODD) | np.uint64(1)
    mask = np.uint64(len(say.seen) - 1)
    at = key * _ODD >> np.uint64(32) & mask
    while say.seen[at] != 0:
        if say.seen[at] == key:
            return True
        at = (at + np.uint64(1)) & mask
    if say.enters[e]:
        say.seen[at] = key
    return False


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
