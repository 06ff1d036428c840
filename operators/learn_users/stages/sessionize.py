"""Third stage: follows each user's session, a run of events without a long gap in event time."""

import numpy as np
from numpy.typing import NDArray

from models.columns.events import Events
from models.columns.users import Users
from models.compiled import compiled


def sessionize(users: Users, events: Events, gap_ms: int) -> NDArray[np.bool_]:
    """Put accepted events into sessions.

    An event that is more than `gap_ms` newer than the session's newest one starts a new session.
    One that is older, because it came out of order, belongs to the current session: sessions
    that have ended are not kept, so it cannot be put into an earlier one.

    Parameters
    ----------
    users : Users
        `session_start`, `session_last` and `session_events` are updated in place.
    events : Events
        n accepted events in processing order.
    gap_ms : int

    Returns
    -------
    bool[n]
        Whether the event starts a session.
    """
    return _starts(
        events.user,
        events.time,
        gap_ms,
        users.session_start,
        users.session_last,
        users.session_events,
    )


@compiled
def _starts(
    user: NDArray[np.int32],
    time: NDArray[np.int64],
    gap_ms: int,
    session_start: NDArray[np.int64],
    session_last: NDArray[np.int64],
    session_events: NDArray[np.int32],
) -> NDArray[np.bool_]:
    starts = np.zeros(len(user), np.bool_)
    for e in range(len(user)):
        u = user[e]
        if session_last[u] < 0 or time[e] - session_last[u] > gap_ms:
            starts[e] = True
            session_start[u] = time[e]
            session_last[u] = time[e]
            session_events[u] = 0
        session_last[u] = max(session_last[u], time[e])
        session_events[u] += 1
    return starts
