"""What a restarted worker learns while it knows little of items, and what it tells of that."""

from dataclasses import replace

import numpy as np
import pytest

from models.arrays.items import RECENT
from models.columns.accepted import AcceptedBatch
from models.items.table import Items
from operators.learn_users.stages import learn
from state.topics import accepted
from tests.builders import (
    DAY,
    NOW,
    behaviour,
    cut,
    event,
    in_order,
    learn_items,
    learn_users,
    learning,
)
from tests.harness import Clock, ItemsSubtask, UsersSubtask

LOG = behaviour(5_000, users=150, items=200)
MODEL = learning(objective="full")
Chunks = list[tuple[bytes, bytes]]


def worker(restored: UsersSubtask | None = None) -> UsersSubtask:
    state = restored.savepoint() if restored else None
    return UsersSubtask(learn_users(learning=MODEL), Clock(), state)


def catalogue(restored: ItemsSubtask | None = None) -> ItemsSubtask:
    state = restored.savepoint() if restored else None
    return ItemsSubtask(learn_items(learning=MODEL, keys=(7,)), Clock(), state)


def run(users: UsersSubtask, items: ItemsSubtask | None, begin: int, end: int) -> None:
    for records in cut(LOG[begin:end], [100] * 100):
        messages = users.take(records).messages
        if items is not None and messages:
            items.take(*messages)


def receive(users: UsersSubtask, chunks: Chunks) -> None:
    for name, value in chunks:
        users.hear_as("model_updates", name, value)


def replica(users: UsersSubtask) -> Items:
    return users.function._pipeline.items


def authoritative(items: ItemsSubtask) -> Items:
    return items.function._catalogue._items


@pytest.fixture(scope="module")
def job() -> tuple[UsersSubtask, ItemsSubtask]:
    """Both sides of a job after 3,000 events."""
    users, items = worker(), catalogue()
    run(users, items, 0, 3_000)
    return users, items


def drawn(items: Items) -> dict[int, float]:
    """Share of each item among the entries that negatives are drawn from."""
    ring = items.arrays.recent
    held = ring[: min(int(items.arrays.counters[RECENT]), len(ring))]
    assert len(held)
    rows, count = np.unique(held, return_counts=True)
    return dict(zip(items.keys[rows].tolist(), (count / len(held)).tolist(), strict=True))


def apart(one: dict[int, float], other: dict[int, float]) -> float:
    """Total variation of two shares, from 0 to 1."""
    return sum(abs(one.get(k, 0) - other.get(k, 0)) for k in one.keys() | other.keys()) / 2


@pytest.mark.parametrize("before", [0, 100, 400])
def test_negatives_are_drawn_by_popularity_after_a_restart(
    job: tuple[UsersSubtask, ItemsSubtask], before: int
) -> None:
    """Whatever comes first, chunks or events."""
    users, items = job
    after, published = worker(users), catalogue(items).publish(60_000)
    run(after, None, 3_000, 3_000 + before)
    receive(after, published)
    run(after, None, 3_000 + before, 3_500)
    shares = drawn(replica(after))
    assert apart(shares, drawn(replica(users))) < 0.2
    assert max(shares.values()) < 2 * max(drawn(replica(users)).values())


def test_an_eviction_leaves_negatives_as_popular_as_they_are() -> None:
    params = learn_users(learning=replace(MODEL, item_limit=64))
    users = UsersSubtask(params, Clock())
    hot = [event(f"u{n}", f"hot-{n % 8}", at=NOW - DAY + n) for n in range(400)]
    users.take(in_order(hot))
    for n in range(40):
        names = [event(f"v{n}-{m}", f"rare-{n}-{m}", at=NOW - DAY + 500 + n) for m in range(10)]
        users.take(in_order(names, first=400 + 10 * n))
    items = replica(users)
    assert items.evicted > 100
    hot_keys = [items.keys[items.ids.index(f"hot-{n}")] for n in range(8)]
    shares = drawn(items)
    assert max(shares.values()) < 1.5 * min(shares[int(key)] for key in hot_keys)


def test_no_item_is_drowned_in_negatives_after_a_restart(
    job: tuple[UsersSubtask, ItemsSubtask],
) -> None:
    users, items = job
    after = worker(users)
    receive(after, catalogue(items).publish(60_000))
    before = replica(after).arrays.bias[: replica(after).size].copy()
    run(after, None, 3_000, 4_500)
    moved = np.abs(replica(after).arrays.bias[: len(before)] - before)
    assert moved.max() < 8 * np.median(moved)


def told(items: ItemsSubtask) -> dict[str, np.ndarray]:
    held = authoritative(items)
    return {name or "": held.arrays.factors[row].copy() for row, name in enumerate(held.ids)}


def test_what_is_learnt_of_rows_that_were_not_received_yet_moves_nobody(
    job: tuple[UsersSubtask, ItemsSubtask],
) -> None:
    users, items = job
    after, again = worker(users), catalogue(items)
    published = again.publish(60_000)
    before = told(again)
    run(after, again, 3_000, 4_000)
    for name, factors in before.items():
        assert told(again)[name].tolist() == factors.tolist(), name
    old = {name: row for row, name in enumerate(replica(after).ids) if name in before}
    assert old
    receive(after, published)
    arrays = replica(after).arrays
    for name, row in old.items():  # of a few with hardly an event more is known here by now
        if arrays.mark[row]:
            assert arrays.factors[row].tolist() == before[name].tolist()
            assert np.allclose(arrays.told[row, :8], arrays.factors[row])
    assert np.mean([arrays.mark[row] > 0 for row in old.values()]) > 0.9
    receive(after, again.publish(60_000))
    assert all(arrays.mark[row] > 0 for row in old.values())


def test_a_worker_that_has_received_all_rows_tells_what_it_learns(
    job: tuple[UsersSubtask, ItemsSubtask],
) -> None:
    users, items = job
    after, again = worker(users), catalogue(items)
    receive(after, again.publish(60_000))
    before = told(again)
    run(after, again, 3_000, 3_500)
    moved = sum(told(again)[name].tolist() != before[name].tolist() for name in before)
    assert moved > len(before) / 2


NEW = [event(f"user-{n}", "brand-new", at=NOW + n) for n in range(20)]


def test_an_item_that_is_new_after_a_restart_is_told(
    job: tuple[UsersSubtask, ItemsSubtask],
) -> None:
    """What was learnt of it while the others were awaited, too."""
    users, items = job
    after, again = worker(users), catalogue(items)
    published = again.publish(60_000)
    run(after, again, 3_000, 3_200)
    again.take(*after.take(in_order(NEW, first=10_000)).messages)
    row = authoritative(again).ids.index("brand-new")
    start = authoritative(again).arrays.factors[row].copy()
    receive(after, published)
    receive(after, again.publish(60_000))
    learnt = replica(after).arrays.factors[replica(after).ids.index("brand-new")].copy()
    assert not np.allclose(learnt, start)
    again.take(*after.take(in_order([event("zoe", at=NOW + 30)], first=20_000)).messages)
    assert authoritative(again).arrays.factors[row] == pytest.approx(learnt, abs=0.01)


def test_a_worker_does_not_wait_for_ever(
    job: tuple[UsersSubtask, ItemsSubtask], monkeypatch: pytest.MonkeyPatch
) -> None:
    users, items = job
    after, again = worker(users), catalogue(items)
    again.publish(60_000)
    run(after, again, 3_000, 3_200)
    monkeypatch.setattr(learn, "_PATIENCE", 0.0)
    again.take(*after.take(in_order(NEW, first=10_000)).messages)
    row = authoritative(again).ids.index("brand-new")
    mine = replica(after).arrays.factors[replica(after).ids.index("brand-new")]
    assert authoritative(again).arrays.factors[row] == pytest.approx(mine, abs=0.01)


def test_a_worker_of_a_new_job_waits_for_nobody() -> None:
    users, items = worker(), catalogue()
    run(users, items, 0, 200)
    mine, theirs = replica(users), authoritative(items)
    for row, name in enumerate(theirs.ids):
        factors = mine.arrays.factors[mine.ids.index(name)]
        assert theirs.arrays.factors[row] == pytest.approx(factors, abs=0.01)


def test_what_the_loop_has_told_already_is_learnt_of_the_user_and_not_ranked(
    job: tuple[UsersSubtask, ItemsSubtask],
) -> None:
    """What a killed worker sent since the checkpoint: to rank it would be no test."""
    users, _ = job
    killed, after = worker(users), worker(users)
    sent = killed.take(LOG[3_000:3_100])
    assert sent.metrics["scored"] > 50
    after.receive(*sent.messages)
    again = after.take(LOG[3_000:3_150])
    alone = worker(users).take(LOG[3_100:3_150])
    assert again.metrics["accepted"] == 150
    assert alone.metrics["scored"] <= again.metrics["scored"] <= 50


@pytest.mark.parametrize("objective", ["ranking", "full"])
def test_transitions_from_items_that_are_still_to_come_are_told(objective: str) -> None:
    model = learning(objective=objective)
    users = UsersSubtask(learn_users(learning=model), Clock())
    users.take(LOG[:1_000])
    after = UsersSubtask(learn_users(learning=model), Clock(), users.savepoint())
    steady, restarted = (
        accepted.decode(one.take(LOG[1_000:1_100]).messages[0]) for one in (users, after)
    )

    def context(message: AcceptedBatch) -> list[int]:
        return message.keys[message.context].tolist()

    assert len(context(steady)) > 20
    assert context(restarted) == context(steady)
