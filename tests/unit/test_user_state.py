"""Stored users: what was remembered comes back, cut where the configuration became smaller."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.columns.events import DUPLICATE, LATE, Events
from models.columns.users import Users
from models.params.users import UserParams
from operators.learn_users.stages.deduplicate import deduplicate
from state.codec.sealed import CorruptError, IncompatibleError, StateError, seal
from state.users.state import MAGIC, VERSION, UserState

GOLDEN = Path(__file__).parent.parent / "golden" / "state"
FACTORS = 4
PARAMS = UserParams(history=5, past=7, recent_events=6, exclusions=3, deep_state=2)
STATE = UserState(PARAMS, FACTORS, seed=1)


def remembered(lengths: list[tuple[int, int, int]], seed: int = 0) -> Users:
    """Users with so many history items, exclusions and recent events; random otherwise."""
    random = np.random.default_rng(seed)
    users = STATE.decode([None] * len(lengths), [f"u{i}" for i in range(len(lengths))])
    for field in fields(users):
        column = getattr(users, field.name)
        if field.name != "key" and not field.name.endswith("_length"):
            column[...] = random.integers(0, 200, column.shape)
    for u, (history, excluded, recent) in enumerate(lengths):
        users.history_length[u], users.history[u, history:] = history, 0
        users.history_gap[u, history:] = 0
        users.past_length[u], users.past[u, history + 1 :] = history + 1, 0
        users.deep_version[u] = history
        users.deep[u] *= history > 0
        users.excluded_length[u], users.excluded[u, excluded:] = excluded, 0
        users.recent_length[u], users.recent[u, recent:] = recent, 0
        for name in ("recent_content", "recent_subject", "recent_time"):
            getattr(users, name)[u, recent:] = 0
    return users


def assert_same(found: Users, expected: Users) -> None:
    for field in fields(expected):
        a, b = getattr(found, field.name), getattr(expected, field.name)
        assert a.dtype == b.dtype, field.name
        assert np.array_equal(a, b), field.name


@given(
    lengths=st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(0, 6)), max_size=6
    ),
    seed=st.integers(0, 9),
)
def test_what_is_remembered_comes_back(lengths: list[tuple[int, int, int]], seed: int) -> None:
    users = remembered(lengths, seed)
    values = STATE.encode(users)
    ids = [f"u{i}" for i in range(len(lengths))]
    assert_same(STATE.decode(values, ids), users)
    assert STATE.encode(STATE.decode(values, ids)) == values


def test_a_value_takes_only_what_the_lists_hold() -> None:
    empty, full = STATE.encode(remembered([(0, 0, 0), (5, 3, 6)]))
    assert len(empty) == 152 + 4 * (FACTORS + 1)
    assert len(full) == len(empty) + 9 * 5 + 8 * 3 + 20 * 6 + 4 * (5 + 2)


def test_a_new_user_has_factors_of_its_own_and_nothing_else() -> None:
    users = STATE.decode([None, None], ["ann", "bob"])
    assert not np.array_equal(users.factors[0], users.factors[1])
    assert np.array_equal(users.factors[1:], STATE.decode([None], ["bob"]).factors)
    assert 0 < np.abs(users.factors).max() < 0.3
    assert users.floor.tolist() == users.session_last.tolist() == [-1, -1]
    assert not users.events.any()
    assert not users.recent_length.any()


def test_new_and_known_users_may_be_mixed() -> None:
    known = remembered([(2, 1, 3), (5, 3, 6)])
    first, second = STATE.encode(known)
    users = STATE.decode([None, first, None, second], ["a", "u0", "c", "u1"])
    assert_same(users.take(np.array([1, 3])), known)
    assert_same(users.take(np.array([0, 2])), STATE.decode([None, None], ["a", "c"]))


def test_lists_are_cut_to_their_newest_entries() -> None:
    users = remembered([(5, 3, 6), (1, 0, 2)])
    small = UserState(UserParams(history=2, recent_events=3, exclusions=1), FACTORS, seed=1)
    cut = small.decode(STATE.encode(users), ["a", "b"])
    assert cut.history[0].tolist() == users.history[0, 3:].tolist()
    assert cut.excluded[0].tolist() == users.excluded[0, 2:].tolist()
    assert cut.recent[0, :3].tolist() == users.recent[0, 3:6].tolist()
    assert cut.recent_time[0, :3].tolist() == users.recent_time[0, 3:6].tolist()
    assert cut.history_length.tolist() == [2, 1]
    assert cut.excluded_length.tolist() == [1, 0]
    assert cut.recent_length.tolist() == [3, 2]
    assert cut.history[1].tolist() == users.history[1, :2].tolist()


@pytest.mark.parametrize("timed", [False, True])
@pytest.mark.parametrize(("held", "columns"), [(0, 64), (61, 64), (62, 128), (190, 200)])
def test_the_past_has_room_for_what_is_to_come_and_little_more(
    *, timed: bool, held: int, columns: int
) -> None:
    state = UserState(UserParams(past=200, timed=timed), FACTORS, seed=1)
    users = state.decode([None, None], ["a", "b"])
    users.past[0, :held] = np.arange(held) * 2 + 2
    users.past_length[0] = held
    values = state.encode(users)
    found = state.decode(values, ["a", "b"], 3)
    assert found.past.shape == (2, columns)
    assert found.past_until.shape == (2, columns if timed else 0)
    assert found.past_length.tolist() == [held, 0]
    assert state.encode(found) == values


def test_a_past_is_as_long_as_may_be_where_an_old_value_does_not_tell() -> None:
    old = bytes.fromhex((GOLDEN / "users-v2.hex").read_text().split()[0])
    state = UserState(UserParams(deep_state=0), 2, seed=1)
    assert state.decode([old], ["a"], 3).past.shape[1] == UserParams().past


def test_longer_lists_in_the_configuration_keep_what_there_is() -> None:
    users = remembered([(5, 3, 6)])
    wide = UserState(
        UserParams(history=9, past=9, recent_events=9, exclusions=9, deep_state=2), FACTORS, seed=1
    )
    grown = wide.decode(STATE.encode(users), ["a"])
    assert grown.history[0].tolist() == [*users.history[0].tolist(), 0, 0, 0, 0]
    assert STATE.encode(STATE.decode(wide.encode(grown), ["a"])) == STATE.encode(users)


@settings(max_examples=50)
@given(
    times=st.lists(st.integers(10, 20), min_size=1, max_size=6),
    kept=st.integers(1, 6),
    floor=st.integers(-1, 20),
)
def test_no_event_can_pass_as_new_after_a_cut(times: list[int], kept: int, floor: int) -> None:
    users = remembered([(0, 0, len(times))])
    users.recent[0, : len(times)] = range(100, 100 + len(times))
    users.recent_content[0, : len(times)] = 1
    users.recent_time[0, : len(times)] = sorted(times)
    times = sorted(times)
    users.floor[0] = floor
    small_params = UserParams(history=5, recent_events=kept, exclusions=3)
    small = UserState(small_params, FACTORS, seed=1)
    cut = small.decode(STATE.encode(users), ["a"])
    n = len(times)
    events = Events(
        user=np.zeros(n, np.int32),
        item=np.zeros(n, np.uint64),
        identity=np.arange(100, 100 + n, dtype=np.uint64),
        content=np.ones(n, np.uint32),
        subject=np.ones(n, np.uint32),
        weight=np.ones(n, np.float32),
        value=np.ones(n, np.float32),
        time=1000 * np.array(times, np.int64),
        published=np.zeros(n, np.int64),
        coordinate=np.arange(n, dtype=np.int64),
        hide=np.zeros(n, np.int64),
        counts=np.ones(n, np.bool_),
        moves=np.ones(n, np.bool_),
    )
    assert set(deduplicate(cut, events, small_params, 10**12).tolist()) <= {DUPLICATE, LATE}


def test_another_number_of_factors_is_refused() -> None:
    values = STATE.encode(remembered([(0, 0, 0)]))
    other = UserState(PARAMS, FACTORS + 1, seed=1)
    with pytest.raises(
        IncompatibleError, match=r"expected 5 factors, got 4; set the model's factors"
    ):
        other.decode(values, ["a"])


@given(payload=st.binary(max_size=200))
def test_a_payload_that_makes_no_sense_is_refused(payload: bytes) -> None:
    with pytest.raises((CorruptError, IncompatibleError)):
        STATE.decode([seal(MAGIC, VERSION, payload)], ["a"])


def test_errors_name_no_user_id() -> None:
    good, damaged = STATE.encode(remembered([(1, 1, 1), (2, 2, 2)]))
    with pytest.raises(StateError, match=r"user with key [0-9a-f]{16}") as error:
        STATE.decode([good, None, damaged[:-1]], ["ann", "bob", "secret-id"])
    assert "secret-id" not in str(error.value)


FILTERED = UserState(PARAMS, FACTORS, seed=1, variances=FACTORS + 1, rated=4)


def filtered(*lengths: int) -> Users:
    """Users of a model with variances who rated so many items; random otherwise."""
    random = np.random.default_rng(3)
    users = FILTERED.decode([None] * len(lengths), [f"u{i}" for i in range(len(lengths))])
    for column in (users.variance, users.mood, users.rated, users.rated_residual):
        column[...] = random.integers(1, 200, column.shape)
    for u, rated in enumerate(lengths):
        users.rated_length[u] = rated
        users.rated[u, rated:], users.rated_residual[u, rated:] = 0, 0
    return users


def test_what_a_filter_knows_comes_back_and_takes_only_what_there_is() -> None:
    users = filtered(4, 0, 2)
    values = FILTERED.encode(users)
    assert_same(FILTERED.decode(values, ["u0", "u1", "u2"]), users)
    assert len(values[0]) - len(values[1]) == 4 * 12
    (plain,) = STATE.encode(remembered([(0, 0, 0)]))
    assert len(values[1]) - 4 * (FACTORS + 1) - 8 * 3 <= len(plain)


def test_rated_items_are_cut_to_the_newest() -> None:
    users = filtered(4, 1)
    small = UserState(PARAMS, FACTORS, seed=1, variances=FACTORS + 1, rated=2)
    cut = small.decode(FILTERED.encode(users), ["u0", "u1"])
    assert cut.rated.tolist() == [users.rated[0, 2:].tolist(), [users.rated[1, 0], 0]]
    assert cut.rated_residual[0].tolist() == users.rated_residual[0, 2:].tolist()
    assert cut.rated_length.tolist() == [2, 1]
