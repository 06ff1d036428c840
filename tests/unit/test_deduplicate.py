"""Each event is accepted once, and only what cannot be proved new is late."""

import random
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.columns.events import ACCEPTED, CONFLICT, DUPLICATE, LATE, Events
from models.columns.users import Users
from models.params.users import UserParams
from operators.learn_users.stages.deduplicate import deduplicate
from state.users.state import UserState

CAPACITY = 4
LATENESS, WINDOW = 10, 5
"""Seconds."""
PARAMS = UserParams(
    recent_events=CAPACITY, lateness_ms=1000 * LATENESS, count_window_ms=1000 * WINDOW
)
STATE = UserState(PARAMS, 1, seed=1)
NOW = 10**12


@dataclass(frozen=True)
class Sent:
    """An event of a user: who it is, when (s), what it says and about what."""

    identity: int
    time: int
    user: int = 0
    content: int = 1
    subject: int | None = None
    weighty: bool = True
    item: int = 0
    published: int = 0
    weight: float = 1
    rates: bool = True


def new_users(count: int, state: UserState = STATE) -> Users:
    return state.decode([None] * count, [f"u{i}" for i in range(count)])


def events(sent: list[Sent]) -> Events:
    def column(name: str, kind: Any) -> Any:
        return np.array([getattr(one, name) for one in sent], kind)

    n = len(sent)
    subject = [one.identity if one.subject is None else one.subject for one in sent]
    negative = column("weight", np.float32) < 0
    weighty = column("weighty", np.uint32)
    return Events(
        user=column("user", np.int32),
        item=column("item", np.uint64),
        identity=column("identity", np.uint64),
        content=column("content", np.uint32),
        subject=np.array(subject, np.uint32) << np.uint32(2) | negative << np.uint32(1) | weighty,
        weight=weighty * column("weight", np.float32),
        value=np.where(column("rates", np.bool_), np.float32(1), np.float32(np.nan)),
        time=1000 * column("time", np.int64),
        published=1000 * column("published", np.int64),
        coordinate=np.arange(n, dtype=np.int64),
        hide=np.ones(n, np.int64) * (column("item", np.int64) > 0),
        counts=np.ones(n, np.bool_),
        moves=np.ones(n, np.bool_),
    )


def fates(
    users: Users, sent: list[Sent], *, params: UserParams = PARAMS, now: int = NOW
) -> list[int]:
    return deduplicate(users, events(sent), params, now).tolist()


def test_a_repeated_event_is_a_duplicate_even_inside_one_micro_batch() -> None:
    users = new_users(1)
    sent = [Sent(7, 100), Sent(7, 100), Sent(8, 100)]
    assert fates(users, sent) == [ACCEPTED, DUPLICATE, ACCEPTED]
    assert fates(users, [Sent(7, 100), Sent(8, 999)]) == [DUPLICATE, DUPLICATE]


def test_the_same_identity_of_another_user_is_another_event() -> None:
    assert fates(new_users(2), [Sent(7, 100), Sent(7, 100, user=1)]) == [ACCEPTED, ACCEPTED]


def test_the_same_identity_with_another_content_is_a_conflict() -> None:
    users = new_users(1)
    sent = [Sent(7, 100), Sent(7, 100, content=2), Sent(7, 100)]
    assert fates(users, sent) == [ACCEPTED, CONFLICT, DUPLICATE]


def test_events_of_one_time_are_all_accepted() -> None:
    users = new_users(1)
    assert fates(users, [Sent(n, 100) for n in range(200)]) == [ACCEPTED] * 200
    newest = [Sent(n, 100) for n in range(200 - CAPACITY, 200)]
    assert fates(users, newest) == [DUPLICATE] * CAPACITY


def test_a_fast_clock_makes_no_punctual_event_late() -> None:
    users = new_users(1)
    now = 1_000_000
    fast = [Sent(n, now + 300) for n in range(65)]
    punctual = [Sent(100 + n, now - 3 + n % 3) for n in range(50)]
    assert fates(users, fast + punctual, now=1000 * now) == [ACCEPTED] * 115


def test_events_without_weight_make_none_with_weight_late() -> None:
    users = new_users(1)
    seen = [Sent(n, 10_000 + n, weighty=False) for n in range(70)]
    assert fates(users, [*seen, Sent(999, 10_000 - 3600)]) == [ACCEPTED] * 71
    assert users.floor.tolist() == [-1]


def test_only_what_is_older_than_what_was_forgotten_and_than_the_lateness_is_late() -> None:
    users = new_users(1)
    filled = [Sent(n, 100 * n) for n in range(1, CAPACITY + 2)]
    assert fates(users, filled) == [ACCEPTED] * (CAPACITY + 1)
    assert users.floor.tolist() == [100_000]
    sent = [Sent(1, 99), Sent(90, 100), Sent(91, 101)]
    assert fates(users, sent) == [LATE, ACCEPTED, ACCEPTED]
    assert fates(users, [Sent(92, 500 - LATENESS)]) == [ACCEPTED]


def test_the_lists_hold_the_newest_events_by_time() -> None:
    users = new_users(1)
    fates(users, [Sent(i, time) for i, time in ((1, 50), (2, 10), (2, 10), (3, 30), (4, 20))])
    assert users.recent[0, :CAPACITY].tolist() == [2, 4, 3, 1]
    assert users.recent_time[0, :CAPACITY].tolist() == [10, 20, 30, 50]
    fates(users, [Sent(5, 40)])
    assert users.recent[0, :CAPACITY].tolist() == [4, 3, 5, 1]


def about(item: int, kind: int) -> int:
    """Return the subject of an item and a type, but for the bit that says whether it has weight."""
    return item << 6 | kind


def taught(users: Users, *sent: Sent, params: UserParams = PARAMS) -> list[tuple[bool, bool]]:
    """Return what became of events that are all accepted: counts, and moves."""
    batch = events(list(sent))
    assert set(deduplicate(users, batch, params, NOW).tolist()) == {ACCEPTED}
    return list(zip(batch.counts.tolist(), batch.moves.tolist(), strict=True))


def test_a_user_counts_once_for_an_item_and_window_and_moves_once_for_each_type() -> None:
    users = new_users(2)
    assert taught(
        users,
        Sent(1, 100, subject=about(7, 1)),
        Sent(2, 101, subject=about(7, 1)),
        Sent(3, 101, subject=about(7, 2)),
        Sent(4, 101, subject=about(8, 1)),
        Sent(5, 101, subject=about(7, 1), user=1),
        Sent(6, 100 + WINDOW, subject=about(7, 1)),
    ) == [(True, True), (False, False), (False, True), (True, True), (True, True), (False, False)]
    assert taught(users, Sent(7, 101 + 2 * WINDOW, subject=about(7, 1))) == [(True, True)]


def test_a_rating_counts_beside_a_view() -> None:
    params = replace(PARAMS, by_type=True)
    sent = [Sent(n, 100 + n, subject=about(7, kind)) for n, kind in enumerate((1, 2, 2))]
    assert taught(new_users(1), *sent, params=params) == [(True,) * 2, (True,) * 2, (False,) * 2]


def test_what_has_no_weight_stands_before_nothing() -> None:
    sent = [Sent(1, 100, subject=about(7, 1), weighty=False), Sent(2, 100, subject=about(7, 2))]
    assert taught(new_users(1), *sent)[1] == (True, True)


def test_no_event_times_let_an_item_count_more_than_twice_a_window_of_arrival() -> None:
    """It is new, and then known; another window of arrival lets it count once more."""
    params = replace(PARAMS, recent_events=1000)
    users = new_users(1, UserState(params, 1, seed=1))
    sent = [Sent(n, 100 + 10 * WINDOW * n, subject=about(7, 1)) for n in range(20)]
    counts = [counts for counts, _ in taught(users, *sent, params=params)]
    assert counts == [True] * 2 + [False] * 18
    for number, arrived, expected in ((99, 0, False), (100, WINDOW, True), (101, WINDOW, False)):
        again = replace(sent[0], identity=number, time=number * 10**4, published=arrived)
        assert taught(users, again, params=params) == [(expected, True)]


def test_known_items_do_not_stand_before_new_ones() -> None:
    params = replace(PARAMS, count_limit=30, recent_events=1000)
    users = new_users(1, UserState(params, 1, seed=1))
    bought = [Sent(n, 100, item=2 + 2 * n, subject=about(n, 1)) for n in range(4)]
    order = [
        Sent(10 + n, 10**4, item=2 + 2 * n, subject=about(n, 1), published=WINDOW)
        for n in range(30)
    ]
    assert [counts for counts, _ in taught(users, *bought, *order, params=params)] == [True] * 34


def test_what_is_disliked_takes_nothing_of_what_a_user_may_say() -> None:
    params = replace(PARAMS, count_limit=30, recent_events=1000)
    users = new_users(1, UserState(params, 1, seed=1))
    removed = [Sent(n, 100, subject=about(n, 1), weight=-1) for n in range(40)]
    viewed = [Sent(100 + n, 101, subject=about(n, 2)) for n in range(30)]
    taught(users, *removed, params=params)
    assert [counts for counts, _ in taught(users, *viewed, params=params)] == [True] * 30


def test_ratings_count_whatever_was_viewed_before() -> None:
    params = replace(PARAMS, count_limit=60, recent_events=1000, by_type=True)
    users = new_users(1, UserState(params, 1, seed=1))
    sent = [
        Sent(2 * n + kind, 100 + n, item=2 + 2 * n, subject=about(n, kind), rates=kind == 1)
        for n in range(40)
        for kind in (0, 1)
    ]
    found = taught(users, *sent, params=params)
    assert found[1::2] == [(True, True)] * 40


def test_items_in_turn_are_known_from_the_past_and_from_the_micro_batch() -> None:
    params = replace(PARAMS, count_limit=40, past=8)
    state = UserState(params, 1, seed=1)
    turns = [Sent(n, 100 + n, item=2 + 2 * (n % 6), subject=about(n % 6, 1)) for n in range(30)]
    users = new_users(1, state)
    once = [counts for counts, _ in taught(users, *turns, params=params)]
    assert 6 < sum(once) <= 6 + 6
    users = new_users(1, state)
    for sent in turns:
        (found,) = taught(users, sent, params=params)
        assert found[0] == once[sent.identity], "however the log is cut"
        users.past[0, sent.identity % 6] = sent.item
        users.past_length[0] = min(sent.identity + 1, 6)


def test_new_items_count_up_to_the_limit_and_an_unknown_or_fast_arrival_is_now() -> None:
    for published in (0, -1, 10**7):
        params = replace(PARAMS, count_limit=40)
        users = new_users(1)
        sent = [
            Sent(n, 100 + n, item=2 + 2 * n, subject=about(n, 1), published=published)
            for n in range(100)
        ]
        counts = [counts for counts, _ in taught(users, *sent, params=params)]
        assert counts == [True] * 40 + [False] * 60
        assert users.said_at[0] <= NOW // 1000


@dataclass
class Reference:
    """The rule in plain Python."""

    ring: list[Sent] = field(default_factory=list)
    floor: dict[bool, int] = field(default_factory=lambda: {True: -1, False: -1})

    def fate(self, sent: Sent) -> int:
        for known in self.ring:
            if known.identity == sent.identity:
                return DUPLICATE if known.content == sent.content else CONFLICT
        if 1000 * sent.time < self.floor[sent.weighty]:
            return LATE
        place = sum(known.time <= sent.time for known in self.ring)
        self.ring.insert(place, sent)
        if len(self.ring) > CAPACITY:
            last = len(self.ring) - 1
            idle = [n for n in range(last - last // 4) if not self.ring[n].weighty]
            out = self.ring.pop(idle[0] if idle else 0)
            raised = 1000 * min(out.time, max(self.ring[-1].time - LATENESS, 0))
            self.floor[out.weighty] = max(self.floor[out.weighty], raised)
        return ACCEPTED


SENT = st.builds(
    Sent,
    identity=st.integers(0, 12),
    time=st.integers(0, 40),
    user=st.integers(0, 2),
    content=st.integers(1, 2),
    weighty=st.booleans(),
)


@given(sent=st.lists(SENT, max_size=40), cut=st.integers(0, 40))
def test_the_fates_are_those_of_the_rule_however_the_stream_is_cut(
    sent: list[Sent], cut: int
) -> None:
    references = [Reference() for _ in range(3)]
    expected = [references[one.user].fate(one) for one in sent]
    users = new_users(3)
    found = fates(users, sent[:cut])
    most = max((sum(one.user == u for one in sent[cut:]) for u in range(3)), default=0)
    stored = STATE.decode(STATE.encode(users), ["u0", "u1", "u2"], most)
    assert found + fates(stored, sent[cut:]) == expected
    for u, reference in enumerate(references):
        length = int(stored.recent_length[u])
        assert stored.recent[u, :length].tolist() == [one.identity for one in reference.ring]
        assert stored.floor[u] == reference.floor[True]
        assert stored.idle_floor[u] == reference.floor[False]


@given(
    seed=st.integers(0, 10**6),
    burst=st.integers(1, 60),
    ahead=st.integers(0, 300),
    impressions=st.integers(0, 60),
)
def test_no_distinct_event_inside_the_horizon_is_lost(
    seed: int, burst: int, ahead: int, impressions: int
) -> None:
    chance = random.Random(seed)
    now = 10_000_000
    params = UserParams(recent_events=16, lateness_ms=3_600_000)
    state = UserState(params, 1, seed=1)
    users = new_users(1, state)
    sent = [Sent(n, now + ahead) for n in range(burst)]
    sent += [Sent(1000 + n, now - n, weighty=False) for n in range(impressions)]
    sent += [Sent(2000 + n, now - chance.randrange(3_600)) for n in range(burst)]
    chance.shuffle(sent)
    found: list[int] = []
    while sent:
        size = chance.randint(1, 20)
        found += fates(users, sent[:size], params=params, now=1000 * now)
        users = state.decode(state.encode(users), ["u0"])
        sent = sent[size:]
    assert set(found) == {ACCEPTED}


@given(
    times=st.lists(st.integers(0, 1_000), min_size=1, max_size=CAPACITY),
    deliveries=st.lists(st.integers(0, 3), max_size=60),
)
def test_no_event_inside_the_horizon_is_ever_accepted_twice(
    times: list[int], deliveries: list[int]
) -> None:
    sent = [Sent(e % len(times), times[e % len(times)]) for e in deliveries]
    found = fates(new_users(1), sent)
    accepted = [one for one, fate in zip(sent, found, strict=True) if fate == ACCEPTED]
    assert len(accepted) == len(set(accepted))
