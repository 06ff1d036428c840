"""Where a log is cut into micro-batches is chance; what is learnt must not depend on it."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.columns.items import ItemRows
from models.params.events import EventPolicy
from tests.builders import (
    DAY,
    HOUR,
    NOW,
    OBJECTIVES,
    USERS,
    Record,
    behaviour,
    cut,
    event,
    fixed,
    in_order,
    learn_users,
    learning,
)
from tests.harness import Clock, UsersSubtask

LOG = behaviour(300, users=12, items=60)


def learnt(
    log: Sequence[Record], sizes: Sequence[int], objective: str = "ranking"
) -> tuple[UsersSubtask, dict[str, float]]:
    """A subtask that has taken the log in micro-batches, and the sum of its metrics."""
    users = UsersSubtask(learn_users(learning=fixed(learning(objective=objective))), Clock())
    totals: dict[str, float] = {}
    for records in cut(log, sizes):
        for name, value in users.take(records).metrics.items():
            totals[name] = totals.get(name, 0) + value
    return users, totals


def replica(users: UsersSubtask) -> ItemRows:
    items = users.function._pipeline._learn.items
    return items.export(np.arange(items.size, dtype=np.int32))


def assert_same_items(found: ItemRows, expected: ItemRows) -> None:
    for name in ItemRows.__slots__:
        assert np.array_equal(getattr(found, name), getattr(expected, name)), name


@pytest.mark.parametrize("objective", OBJECTIVES)
@settings(max_examples=25)
@given(sizes=st.lists(st.integers(1, 80), max_size=30))
def test_users_and_items_are_the_same_to_the_bit(objective: str, sizes: list[int]) -> None:
    whole, _ = learnt(LOG, [], objective)
    parts, _ = learnt(LOG, sizes, objective)
    assert parts.remembered() == whole.remembered()
    assert_same_items(replica(parts), replica(whole))


@pytest.mark.parametrize("hide", [{}, {"view": 0}, {"view": DAY}])
@pytest.mark.parametrize("limit", [20, 4096])
def test_what_two_busy_users_say_and_dislike_does_not_depend_on_it(
    hide: dict[str, int], limit: int
) -> None:
    random, now, log = Random(3), NOW - 30 * HOUR, list[Record]()
    kinds = ("view", "view", "purchase", "dislike", "remove", "favorite")
    for n in range(400):
        now += random.randrange(200_000)
        user, item = random.randrange(2), random.randrange(80)
        sent = event(f"u{user}", f"i{item}", random.choice(kinds), now, event_id=f"{n}")
        log.append(replace(sent, published=now))
    users = replace(USERS, count_limit=limit, timed=bool(hide))
    params = learn_users(
        learning=fixed(learning(users=users)),
        policy=EventPolicy(buckets=1, max_bytes=2_000, hide=hide),
    )
    found = []
    for sizes in ([], [1] * 400, [7] * 60, [50] * 8):
        one = UsersSubtask(params, Clock())
        for records in cut(in_order(log), sizes):
            one.take(records)
        found.append((one.remembered(), replica(one)))
    for remembered, items in found[1:]:
        assert remembered == found[0][0]
        assert_same_items(items, found[0][1])


def test_quality_is_measured_the_same() -> None:
    _, whole = learnt(LOG, [])
    _, parts = learnt(LOG, [1] * len(LOG))
    assert whole["scored"] > 100
    for name in ("accepted", "scored", "hits", "ndcg", "mrr", "popularity_hits"):
        assert parts[name] == pytest.approx(whole[name]), name


@pytest.mark.parametrize("sizes", [[], [1] * 300, [7] * 43])
def test_a_replay_gives_the_same_state(sizes: list[int]) -> None:
    first, _ = learnt(LOG, sizes)
    second, _ = learnt(LOG, sizes)
    assert first.remembered() == second.remembered()
    assert_same_items(replica(first), replica(second))


def test_many_events_of_one_user_are_learnt_one_after_the_other() -> None:
    log = in_order(event("anna", f"i{n % 30}", at=n + 1_700_000_000_000) for n in range(200))
    whole, _ = learnt(log, [])
    parts, _ = learnt(log, [1] * 200)
    assert parts.remembered() == whole.remembered()
