"""Sessions: runs of events without a long gap in event time."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.columns.events import Events
from models.columns.users import Users
from models.params.users import UserParams
from operators.learn_users.stages.sessionize import sessionize
from state.users.state import UserState

GAP = 10
STATE = UserState(UserParams(), 1, seed=1)


def new_users(count: int) -> Users:
    return STATE.decode([None] * count, [f"u{i}" for i in range(count)])


def events(records: list[tuple[int, int]]) -> Events:
    n = len(records)
    return Events(
        user=np.array([user for user, _ in records], np.int32),
        item=np.zeros(n, np.uint64),
        identity=np.arange(n, dtype=np.uint64),
        content=np.ones(n, np.uint32),
        subject=np.ones(n, np.uint32),
        weight=np.ones(n, np.float32),
        value=np.ones(n, np.float32),
        time=np.array([time for _, time in records], np.int64),
        published=np.zeros(n, np.int64),
        coordinate=np.arange(n, dtype=np.int64),
        hide=np.zeros(n, np.int64),
        counts=np.ones(n, np.bool_),
        moves=np.ones(n, np.bool_),
    )


def test_only_a_gap_longer_than_allowed_starts_a_session() -> None:
    users = new_users(1)
    starts = sessionize(users, events([(0, 100), (0, 110), (0, 121)]), GAP)
    assert starts.tolist() == [True, False, True]
    assert users.session_start.tolist() == [121]
    assert users.session_last.tolist() == [121]
    assert users.session_events.tolist() == [1]


def test_an_older_event_belongs_to_the_current_session_and_does_not_stretch_it() -> None:
    users = new_users(1)
    starts = sessionize(users, events([(0, 100), (0, 3), (0, 110), (0, 111)]), GAP)
    assert starts.tolist() == [True, False, False, False]
    assert users.session_start.tolist() == [100]
    assert users.session_last.tolist() == [111]
    assert users.session_events.tolist() == [4]


def test_a_session_that_began_at_time_zero_goes_on() -> None:
    assert sessionize(new_users(1), events([(0, 0), (0, 5)]), GAP).tolist() == [True, False]


def reference(records: list[tuple[int, int]]) -> list[tuple[bool, int, int, int]]:
    """For each event: whether it starts a session; start, last and events of the session."""
    sessions: dict[int, tuple[int, int, int]] = {}
    result = []
    for user, time in records:
        known = sessions.get(user)
        fresh = known is None or time > known[1] + GAP
        start, last, count = (time, time, 0) if known is None or fresh else known
        sessions[user] = (start, max(last, time), count + 1)
        result.append((fresh, *sessions[user]))
    return result


RECORDS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 60)), max_size=30)


@given(records=RECORDS, cut=st.integers(0, 30))
def test_sessions_are_those_of_the_rule_however_the_stream_is_cut(
    records: list[tuple[int, int]], cut: int
) -> None:
    users = new_users(3)
    starts = sessionize(users, events(records[:cut]), GAP).tolist()
    stored = STATE.decode(STATE.encode(users), ["u0", "u1", "u2"])
    starts += sessionize(stored, events(records[cut:]), GAP).tolist()
    expected = reference(records)
    assert starts == [fresh for fresh, *_ in expected]
    for u in range(3):
        mine = [row for (user, _), row in zip(records, expected, strict=True) if user == u]
        found = (stored.session_start[u], stored.session_last[u], stored.session_events[u])
        assert found == (mine[-1][1:] if mine else (-1, -1, 0))
