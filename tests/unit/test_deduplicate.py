"""Each event is accepted once, and only what cannot be proved new is late."""

from dataclasses import dataclass, field

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.columns import ACCEPTED, DUPLICATE, LATE, Events, Users
from models.params import UserParams
from operators.stages.deduplicate import deduplicate
from state.user_state import UserState

CAPACITY = 3
STATE = UserState(UserParams(recent_events=CAPACITY), 1, seed=1)

Record = tuple[int, int, int]
"""User, identity, time."""


def new_users(count: int) -> Users:
    return STATE.decode([None] * count, [f"u{i}" for i in range(count)])


def events(records: list[Record]) -> Events:
    n = len(records)
    user, identity, time = zip(*records, strict=True) if records else ((), (), ())
    return Events(
        user=np.array(user, np.int32),
        item=np.zeros(n, np.uint64),
        identity=np.array(identity, np.uint64),
        weight=np.ones(n, np.float32),
        value=np.ones(n, np.float32),
        time=np.array(time, np.int64),
        published=np.zeros(n, np.int64),
        coordinate=np.arange(n, dtype=np.int64),
        hide=np.zeros(n, np.int64),
    )


def fates(users: Users, records: list[Record]) -> list[int]:
    return deduplicate(users, events(records)).tolist()


def test_a_repeated_event_is_a_duplicate_even_inside_one_micro_batch() -> None:
    users = new_users(1)
    assert fates(users, [(0, 7, 100), (0, 7, 100), (0, 8, 100)]) == [ACCEPTED, DUPLICATE, ACCEPTED]
    assert fates(users, [(0, 7, 100), (0, 8, 999)]) == [DUPLICATE, DUPLICATE]


def test_the_same_identity_of_another_user_is_another_event() -> None:
    assert fates(new_users(2), [(0, 7, 100), (1, 7, 100)]) == [ACCEPTED, ACCEPTED]


def test_an_event_not_newer_than_what_was_forgotten_is_late() -> None:
    users = new_users(1)
    filled = [(0, identity, 10 * identity) for identity in range(1, CAPACITY + 2)]
    assert fates(users, filled) == [ACCEPTED] * (CAPACITY + 1)
    assert users.floor.tolist() == [10]
    assert fates(users, [(0, 1, 10), (0, 99, 10), (0, 98, 11)]) == [LATE, LATE, ACCEPTED]


def test_an_event_out_of_order_is_accepted_while_it_can_be_proved_new() -> None:
    assert fates(new_users(1), [(0, 1, 500), (0, 2, 3)]) == [ACCEPTED, ACCEPTED]


def test_the_floor_never_falls() -> None:
    users = new_users(1)
    fates(users, [(0, 1, 900), *((0, i, 1_000 - i) for i in range(2, 9))])
    assert users.floor.tolist() == [998]


def test_the_lists_hold_the_last_accepted_events_oldest_first() -> None:
    users = new_users(1)
    fates(users, [(0, i, i) for i in (1, 2, 2, 3, 4, 5)])
    assert users.recent.tolist() == [[3, 4, 5]]
    assert users.recent_time.tolist() == [[3, 4, 5]]
    assert users.recent_length.tolist() == [CAPACITY]


@dataclass
class Reference:
    """The rule in plain Python."""

    ring: list[tuple[int, int]] = field(default_factory=list)
    floor: int = -1

    def fate(self, identity: int, time: int) -> int:
        if identity in [known for known, _ in self.ring]:
            return DUPLICATE
        if time <= self.floor:
            return LATE
        self.ring.append((identity, time))
        if len(self.ring) > CAPACITY:
            self.floor = max(self.floor, self.ring.pop(0)[1])
        return ACCEPTED


RECORDS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 12), st.integers(0, 20)), max_size=40
)


@given(records=RECORDS, cut=st.integers(0, 40))
def test_the_fates_are_those_of_the_rule_however_the_stream_is_cut(
    records: list[Record], cut: int
) -> None:
    references = [Reference() for _ in range(3)]
    expected = [references[user].fate(identity, time) for user, identity, time in records]
    users = new_users(3)
    found = fates(users, records[:cut])
    stored = STATE.decode(STATE.encode(users), ["u0", "u1", "u2"])
    assert found + fates(stored, records[cut:]) == expected
    assert stored.floor.tolist() == [reference.floor for reference in references]
    for u, reference in enumerate(references):
        length = int(stored.recent_length[u])
        assert stored.recent[u, :length].tolist() == [known for known, _ in reference.ring]


@given(
    times=st.lists(st.integers(0, 20), min_size=1, max_size=12),
    deliveries=st.lists(st.integers(0, 11), max_size=60),
)
def test_no_event_is_ever_accepted_twice(times: list[int], deliveries: list[int]) -> None:
    sent = [(0, e % len(times), times[e % len(times)]) for e in deliveries]
    found = fates(new_users(1), sent)
    accepted = [record for record, fate in zip(sent, found, strict=True) if fate == ACCEPTED]
    assert len(accepted) == len(set(accepted))


@given(count=st.integers(0, 30))
def test_in_order_and_without_repetition_every_event_is_accepted(count: int) -> None:
    assert fates(new_users(1), [(0, i, i) for i in range(count)]) == [ACCEPTED] * count
