"""Replica and authoritative copy: alike in the end, whatever comes when, and bounded alike."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.keys import key_of
from models.params.events import EventPolicy
from operators.learn_items.authority import ItemAuthority
from operators.learn_users.stages import learn as learn_stage
from operators.learn_users.stages import publish
from state.topics import worker
from tests.builders import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    OBJECTIVES,
    behaviour,
    cut,
    event,
    in_order,
    learn_items,
    learn_users,
    learning,
)
from tests.harness import Clock, UsersSubtask

LOG = behaviour(300)


def subtask(**changes: Any) -> UsersSubtask:
    return UsersSubtask(learn_users(**changes), Clock())


def items_of(users: UsersSubtask) -> dict[str, tuple[int, float, dict[int, float]]]:
    return contents(users.function._pipeline.items)


def contents(items: Any) -> dict[str, tuple[int, float, dict[int, float]]]:
    """Count, popularity and successors of every item with an event."""
    rows = items.export(np.arange(items.size, dtype=np.int32))
    found = {}
    for n, name in enumerate(rows.ids):
        if rows.count[n]:
            part = slice(rows.successor_start[n], rows.successor_start[n + 1])
            pairs = zip(rows.successors[part].tolist(), rows.weights[part].tolist(), strict=True)
            found[name] = (int(rows.count[n]), float(rows.popularity[n]), dict(pairs))
    return found


def catalogue(**changes: Any) -> ItemAuthority:
    made = ItemAuthority(learn_items(keys=(7,), **changes))
    made.open(0, [])
    return made


def messages(params: Any) -> list[bytes]:
    users = subtask(learning=params)
    sent = [users.take(part).accepted for part in cut(LOG, [13] * 100)]
    return [message for message in sent if message is not None]


def chunks(made: ItemAuthority, at: int) -> list[bytes]:
    return [value for _, value in made.due(0, at)]


def receive(users: UsersSubtask, named: list[tuple[bytes, bytes]]) -> None:
    for name, value in named:
        users.hear_as("model_updates", name, value)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_chunk_and_then_the_messages_it_contains_count_once(objective: str) -> None:
    params = learning(objective=objective)
    sent = messages(params)
    made = catalogue(learning=params)
    made.learn(0, sent)
    users = subtask(learning=params)
    receive(users, list(made.due(0, NOW)))
    users.receive(*sent[-5:], *sent)
    assert_alike(items_of(users), contents(made._items))


def test_a_chunk_from_before_a_message_does_not_take_back_what_it_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was moved at an earlier step than it is told at: the chunk has its event, not this."""
    clock = Clock()
    for stage in (learn_stage, publish):
        monkeypatch.setattr(stage, "time", clock)
    params = learning(objective="full", delta_ms=1_000)
    made, users = catalogue(learning=params), subtask(learning=params)
    made.learn(0, users.take(LOG[:100]).messages)
    clock.now_ms += 100
    made.learn(0, users.take(LOG[100:200]).messages)  # the events, and nothing of what they moved
    before = list(made.due(0, NOW))
    clock.now_ms += 4_000  # when it notes what is applied, and tells what was moved
    first = max(record.offset for record in LOG) + 1
    telling = users.take(in_order([event("zoe", "item-1")], first=first)).messages
    mine = users.function._pipeline.items.arrays.factors.copy()
    receive(users, before)
    made.learn(0, telling)
    found = users.function._pipeline.items
    assert np.array_equal(found.arrays.factors, mine)
    theirs = made._items
    rows = theirs.rows(found.keys)
    moved = np.abs(theirs.arrays.factors[rows] - found.arrays.factors[: found.size])
    assert moved.max() < 1e-3


def assert_alike(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found.keys() == expected.keys()
    for name, (count, popularity, successors) in expected.items():
        assert found[name][0] == count, name
        assert found[name][1] == pytest.approx(popularity, rel=1e-4)
        assert found[name][2] == pytest.approx(successors, rel=1e-3)


STEPS = st.lists(
    st.tuples(st.sampled_from(["learn", "receive", "publish"]), st.integers(1, 6)), max_size=40
)


@settings(max_examples=15, deadline=None)
@given(steps=STEPS, objective=st.sampled_from(OBJECTIVES))
def test_after_one_full_publication_the_replica_is_the_authoritative_copy(
    steps: list[tuple[str, int]], objective: str
) -> None:
    params = learning(objective=objective)
    sent = messages(params)
    made, users = catalogue(learning=params), subtask(learning=params)
    learnt, received, at = 0, 0, NOW
    for step, more in [*steps, ("learn", len(sent)), ("receive", len(sent))]:
        if step == "learn" and learnt < len(sent):
            made.learn(0, sent[learnt : learnt + more])
            learnt += more
        elif step == "receive":
            users.receive(*sent[max(0, received - 2) : received + more])  # some of it twice
            received += more
        elif step == "publish":
            at += MINUTE
            receive(users, list(made.due(0, at)))
    learn = users.function._pipeline._learn
    learn._applied.note(learn._step)  # what it does every few seconds
    made._publishers[0].mark(made._items.keys)
    receive(users, list(made.due(0, at + DAY)))
    assert_alike(items_of(users), contents(made._items))


def test_another_jobs_messages_are_counted_and_teach_nothing() -> None:
    theirs = messages(learning(origin=1))
    users = subtask(learning=learning(origin=2))
    users.receive(*theirs)
    made = catalogue(learning=learning(origin=1))
    made.learn(0, theirs)
    receive(users, list(made.due(0, NOW)))
    assert items_of(users) == {}
    assert users.function._inbox.skipped["accepted_events"] == len(theirs)
    mine = in_order([event(), event(item="mate")])
    users.take(mine)
    assert {name: count for name, (count, *_) in items_of(users).items()} == {"tea": 1, "mate": 1}


def test_a_full_table_gives_up_the_least_popular() -> None:
    params = replace(learning(), item_limit=16)
    users = subtask(learning=params)
    made = catalogue(learning=params)
    records: dict[int, bytes] = {}
    for n in range(40):
        often = [event(f"u{n}-{m}", "tea", at=NOW - HOUR + n) for m in range(3)]
        learned = users.take(in_order([*often, event(f"v{n}", f"item-{n}")], first=10 * n))
        for name, record in made.learn(0, [learned.accepted or b""]):
            if record is None:
                records.pop(name, None)
            else:
                records[name] = record
    items = users.function._pipeline.items
    assert items.size <= 16
    assert items.evicted > 0
    assert {"tea", "item-39"} <= items_of(users).keys()
    assert items_of(users)["tea"][0] == 120
    assert {"tea", "item-39"} <= contents(made._items).keys()
    assert len(records) == sum(1 for one in made._items.ids if one)
    again = catalogue(learning=params)
    again.open(0, list(records.values()), made.marks(0))
    assert contents(again._items) == contents(made._items)


def test_a_full_table_makes_room_for_authoritative_rows_that_are_new() -> None:
    params = replace(learning(), item_limit=64)
    users, made = subtask(learning=params), catalogue(learning=params)
    elsewhere = subtask(learning=params)
    names = [f"theirs-{n}" for n in range(6)]
    sent = elsewhere.take(in_order(event("zoe", name) for name in names)).messages
    made.learn(0, sent)
    users.take(in_order((event(f"u{n}", f"mine-{n}") for n in range(64)), first=100))
    assert users.function._pipeline.items.size == 64
    receive(users, list(made.due(0, NOW)))
    assert set(names) <= items_of(users).keys()
    assert (users.function._pipeline.items.evicted, len(items_of(users))) == (8, 62)


def test_what_teaches_nothing_takes_no_row() -> None:
    users = subtask()
    users.take(in_order(event(item=f"i{n}", kind="impression") for n in range(100)))
    assert users.function._pipeline.items.size == 0


def test_items_that_come_once_are_not_admitted_where_that_is_asked() -> None:
    users = subtask(learning=replace(learning(), admission=2))
    users.take(in_order([event("anna", "tea"), event("anna", "mate")]))
    assert items_of(users) == {}
    users.take(in_order([event("ben", "tea")], first=2))
    assert list(items_of(users)) == ["tea"]


def test_popularity_ages() -> None:
    params = replace(learning(), half_life_ms=DAY)
    users = subtask(learning=params)
    old = [event(f"u{n}", "old", at=NOW - 10 * DAY) for n in range(20)]
    new = [event(f"v{n}", "new", at=NOW) for n in range(3)]
    users.take(in_order(old + new))
    learned = users.take(in_order([event("zoe", "other", at=NOW)], first=23))
    listed = [item["item_id"] for item in learned.recommendations["zoe"]["items"]]
    assert listed == ["new", "old"]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_copy_counts_popularity_by_the_time_of_each_event(objective: str) -> None:
    params = replace(learning(objective=objective), half_life_ms=7 * DAY)
    users, listener = subtask(learning=params), subtask(learning=params)
    made = catalogue(learning=params)
    kind = {"kind": "rating", "value": 4} if objective in ("rating", "sgd") else {}
    old = [event(f"u{n}", "old", at=NOW - 21 * DAY - 137 * n, **kind) for n in range(8)]
    new = [event("zoe", "new", at=NOW - 1, **kind), event("yan", "new", at=NOW - 1_001, **kind)]
    message = users.take(in_order([*old, *new])).accepted or b""
    listener.receive(message)
    made.learn(0, [message])
    copies = [items_of(users), items_of(listener), contents(made._items)]
    for found in copies:
        assert found["old"][1] == pytest.approx(8, rel=1e-4)
        assert found["new"][1] == pytest.approx(2, rel=1e-4)
        assert found["old"][1] == pytest.approx(copies[0]["old"][1], rel=1e-6)
        assert found["new"][1] == pytest.approx(copies[0]["new"][1], rel=1e-6)
    for worker_items in (users.function._pipeline.items, listener.function._pipeline.items):
        row = worker_items.rows(np.array([key_of("old")], np.uint64))
        assert worker_items.arrays.last_time[row].tolist() == [NOW - 21 * DAY]


def test_trending_is_told_of_nothing_that_lags_behind() -> None:
    users = subtask(trending_lateness_ms=MINUTE)
    old = [event(f"u{n}", "old", at=NOW - 21 * DAY) for n in range(8)]
    late = event("ben", "late", at=NOW - MINUTE - 1)
    almost = event("carl", "almost", at=NOW - MINUTE)
    learned = users.take(in_order([*old, late, almost, event("zoe", "new")]))
    assert learned.row.trending == ["almost", "new"]
    alone = users.take(in_order([event("yan", "old", at=NOW - 20 * DAY)], first=20))
    assert alone.row.trending == ["old"]
    assert alone.row.event_time == NOW - 20 * DAY


def test_one_user_leads_no_list_alone() -> None:
    users = subtask()
    spam = [event("bot", "spam", event_id=f"s{n}", at=NOW - n) for n in range(500)]
    users.take(in_order(spam))
    fair = [event(f"u{n}", "fair") for n in range(2)]
    users.take(in_order(fair, first=500))
    learned = users.take(in_order([event("zoe", "other")], first=502))
    listed = [item["item_id"] for item in learned.recommendations["zoe"]["items"]]
    assert listed == ["fair", "spam"]


def test_a_worker_says_what_it_holds() -> None:
    users = subtask()
    learned = users.take(in_order([event(), event(item="mate")]))
    (gauges,) = [worker.decode(v) for k, v in learned.gauges if k == b"worker/0"]
    assert (gauges.items, gauges.refused, gauges.complete) == (2, 0, 1.0)
    assert key_of("tea") != key_of("mate")


def test_every_item_of_an_order_is_learnt_here_and_by_a_listener() -> None:
    fields = (("user_id", ("user_id",)), ("item_id", ("id",)), ("event_type", ("event_type",)))
    fields += (("timestamp", ("timestamp",)), ("event_id", ("event_id",)), ("value", ("value",)))
    policy = EventPolicy(buckets=1, fields=fields, items="lines")
    lines = [{"id": name} for name in ("tea", "mate", "cocoa")]
    users, listener = subtask(policy=policy), subtask()
    learned = users.take([event(kind="purchase", lines=lines)])
    assert learned.metrics["accepted"] == 1
    listener.receive(learned.accepted or b"")
    for one in (users, listener):
        assert {name: n for name, (n, *_) in items_of(one).items()} == {
            "tea": 1,
            "mate": 1,
            "cocoa": 1,
        }


def test_what_teaches_nothing_keeps_no_replica_from_the_authoritative_rows() -> None:
    """The newest event of a bucket is an impression: nobody else receives of it."""
    users, made = subtask(), catalogue()
    learned = users.take(in_order([event(), event("ben"), event("carl", kind="impression")]))
    made.learn(0, [learned.accepted or b""])
    made._items.arrays.factors[0] += 1
    learn = users.function._pipeline.learn
    learn._applied.note(learn._step)
    receive(users, list(made.due(0, NOW)))
    assert learn.items.arrays.factors[0].tolist() == made._items.arrays.factors[0].tolist()
