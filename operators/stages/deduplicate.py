"""Second stage: accepts each event once, and says of every other one why it was not accepted.

A user's record holds the identities of the last R accepted events and a floor, the newest event
time that ever left them. An event with a time above the floor, had it been accepted before, would
still be among the R: so not finding it there proves that it is new. At or below the floor nothing
can be proved, and the event is late. There is no time window and no false duplicate, and a user
takes 16 R bytes however long the stream is.
"""

import numpy as np
from numpy.typing import NDArray

from models.columns import ACCEPTED, DUPLICATE, LATE, Events, Users
from models.compiled import compiled


def deduplicate(users: Users, events: Events) -> NDArray[np.uint8]:
    """Decide the fate of each event and remember the accepted ones.

    Events are taken one after the other, so that a repetition inside the micro-batch is found as
    well.

    Parameters
    ----------
    users : Users
        `recent`, `recent_time`, `recent_length` and `floor` are updated in place.
    events : Events
        n events in processing order.

    Returns
    -------
    uint8[n]
        ACCEPTED, DUPLICATE or LATE.
    """
    return _fates(
        events.user,
        events.identity,
        events.time,
        users.recent,
        users.recent_time,
        users.recent_length,
        users.floor,
    )


@compiled
def _fates(
    user: NDArray[np.int32],
    identity: NDArray[np.uint64],
    time: NDArray[np.int64],
    recent: NDArray[np.uint64],
    recent_time: NDArray[np.int64],
    recent_length: NDArray[np.int32],
    floor: NDArray[np.int64],
) -> NDArray[np.uint8]:
    fate = np.empty(len(user), np.uint8)
    for e in range(len(user)):
        u = user[e]
        if _holds(recent[u, : recent_length[u]], identity[e]):
            fate[e] = DUPLICATE
        elif time[e] <= floor[u]:
            fate[e] = LATE
        else:
            fate[e] = ACCEPTED
            if recent_length[u] == recent.shape[1]:
                _drop_oldest(u, recent, recent_time, recent_length, floor)
            recent[u, recent_length[u]] = identity[e]
            recent_time[u, recent_length[u]] = time[e]
            recent_length[u] += 1
    return fate


@compiled
def _holds(identities: NDArray[np.uint64], wanted: np.uint64) -> bool:
    """Return whether one of the identities is the wanted one."""
    found = False
    for identity in identities:  # no early exit: the loop is vectorised
        found |= identity == wanted
    return found


@compiled
def _drop_oldest(
    u: int,
    recent: NDArray[np.uint64],
    recent_time: NDArray[np.int64],
    recent_length: NDArray[np.int32],
    floor: NDArray[np.int64],
) -> None:
    """Forget the event that was accepted first, and raise the floor to its time."""
    floor[u] = max(floor[u], recent_time[u, 0])
    last = recent_length[u] - 1
    for i in range(last):
        recent[u, i] = recent[u, i + 1]
        recent_time[u, i] = recent_time[u, i + 1]
    recent_length[u] = last
