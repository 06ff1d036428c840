"""A user's past: what is in it stays hidden, and strong entries stay while weak ones leave."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.arrays.users import UserArrays
from models.columns.users import Users
from models.compiled import compiled
from models.users.past import ALWAYS, FOREVER, is_past, note_past
from tests.columns import new_users

ROOM = 6


@compiled
def _note(users: UserArrays, keys: np.ndarray, strong: np.ndarray) -> None:
    for n in range(len(keys)):
        note_past(users, 0, keys[n], strong[n], 0, ALWAYS)


@compiled
def _note_for(users: UserArrays, key: int, time: int, hide: int) -> None:
    note_past(users, 0, np.uint64(key), False, time, hide)


@compiled
def _asked(users: UserArrays, keys: np.ndarray, time: int) -> np.ndarray:
    found = np.zeros(len(keys), np.bool_)
    for n in range(len(keys)):
        found[n] = is_past(users, 0, keys[n], time)
    return found


def someone(room: int = ROOM) -> Users:
    users = new_users(2)
    users.past = np.zeros((2, room), np.uint32)
    return users


def note(users: Users, *entries: tuple[int, bool]) -> None:
    keys = np.array([key for key, _ in entries], np.uint64)
    _note(UserArrays.of(users), keys, np.array([strong for _, strong in entries], np.bool_))


def past(users: Users, *keys: int, time: int = 0) -> list[bool]:
    return _asked(UserArrays.of(users), np.array(keys, np.uint64), time).tolist()


def timed(room: int = ROOM) -> Users:
    users = someone(room)
    users.past_until = np.full((2, room), FOREVER, np.uint32)
    return users


def note_for(users: Users, key: int, time: int, hide: int) -> None:
    _note_for(UserArrays.of(users), key, time, hide)


def test_a_weak_entry_leaves_before_an_older_strong_one() -> None:
    users = someone()
    note(users, (2, True), (4, False), (6, True), (8, False), (10, True), (12, True), (14, False))
    assert past(users, 2, 4, 6, 8, 10, 12, 14) == [True, False, True, True, True, True, True]
    note(users, (16, False))
    assert past(users, 2, 6, 8, 10, 12, 14, 16) == [True, True, False, True, True, True, True]


def test_the_oldest_leaves_where_all_are_strong() -> None:
    users = someone()
    note(users, *((2 * n, True) for n in range(1, ROOM + 2)))
    assert past(users, *(2 * n for n in range(1, ROOM + 2))) == [False] + [True] * ROOM


def test_an_item_that_is_bought_later_becomes_strong() -> None:
    users = someone()
    note(users, (2, False), (4, False), (2, True))
    assert users.past_length.tolist() == [2, 0]
    note(users, *((2 * n, False) for n in range(3, ROOM + 2)))
    assert past(users, 2, 4) == [True, False]


def test_an_item_that_was_bought_stays_strong() -> None:
    users = someone()
    note(users, (2, True), (2, False), *((2 * n, False) for n in range(2, ROOM + 3)))
    assert past(users, 2) == [True]


def test_keys_of_the_same_31_bits_are_taken_for_each_other() -> None:
    users = someone()
    note(users, (0x1_0000_0010, False))
    assert past(users, 0x10, 0x7_0000_0011, 0x12, 0x30) == [True, True, False, False]


def test_other_users_have_another_past() -> None:
    users = someone()
    note(users, (2, True))
    assert users.past_length.tolist() == [1, 0]
    assert not users.past[1].any()


def test_nothing_is_past_at_first() -> None:
    assert past(someone(), 0, 1, 2**64 - 1) == [False] * 3


@pytest.mark.parametrize("room", [1, 2, ROOM])
@given(
    entries=st.lists(
        st.tuples(st.integers(0, 14).map(lambda n: n << 33 | n << 1), st.booleans()), max_size=40
    )
)
def test_an_item_is_past_until_it_is_pushed_out(room: int, entries: list[tuple[int, bool]]) -> None:
    users = someone(room)
    held: dict[int, bool] = {}
    for key, strong in entries:
        note(users, (key, strong))
        if key not in held and len(held) == room:
            del held[next((k for k, bought in held.items() if not bought), next(iter(held)))]
        held[key] = held.get(key, False) or strong
        everything = [n << 33 | n << 1 for n in range(15)]
        assert past(users, *everything) == [one in held for one in everything]
    assert users.past_length[0] == len(held)


MINUTE, DAY = 60_000, 86_400_000
NOW = 1_700_000_000_000


def test_an_item_hidden_for_a_while_comes_back_after_it() -> None:
    users = timed()
    note_for(users, 2, NOW, DAY)
    for key, hide in ((4, ALWAYS), (6, 0)):
        note_for(users, key, NOW, hide)
    assert past(users, 2, 4, 6, time=NOW) == [True, True, False]
    assert past(users, 2, 4, 6, time=NOW + DAY - MINUTE) == [True, True, False]
    assert past(users, 2, 4, 6, time=NOW + DAY + MINUTE) == [False, True, False]


def test_what_is_hidden_longer_stays_hidden() -> None:
    users = timed()
    note_for(users, 2, NOW, 2 * DAY)
    note_for(users, 2, NOW + MINUTE, DAY)
    note_for(users, 4, NOW, ALWAYS)
    note_for(users, 4, NOW, MINUTE)
    assert past(users, 2, 4, time=NOW + DAY + 2 * MINUTE) == [True, True]
    note_for(users, 2, NOW + DAY, 2 * DAY)
    assert past(users, 2, time=NOW + 3 * DAY - MINUTE) == [True]


def test_what_is_over_leaves_first() -> None:
    users = timed(3)
    note_for(users, 2, NOW, ALWAYS)
    note_for(users, 4, NOW, MINUTE)
    note_for(users, 6, NOW, ALWAYS)
    note_for(users, 8, NOW + DAY, DAY)
    assert past(users, 2, 4, 6, 8, time=NOW + DAY) == [True, False, True, True]
    assert past(users, 8, time=NOW + 3 * DAY) == [False]


@given(
    entries=st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 5), st.integers(0, 9)), max_size=30
    )
)
def test_an_item_is_hidden_until_its_latest_time(entries: list[tuple[int, int, int]]) -> None:
    users, until = timed(10), dict.fromkeys(range(10), 0)
    for item, at, hide in sorted(entries, key=lambda entry: entry[1]):
        time = NOW - NOW % MINUTE + at * MINUTE
        note_for(users, item << 1, time, hide * MINUTE)
        until[item] = max(until[item], time + hide * MINUTE if hide else 0)
        everything = [n << 1 for n in range(10)]
        assert past(users, *everything, time=time) == [until[n] > time for n in range(10)]
