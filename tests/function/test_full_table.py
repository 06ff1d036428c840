"""A full table of items: what is given up leaves state, chunks and replicas, for any buckets."""

from itertools import permutations
from typing import Any

import numpy as np
import pytest

from models.columns.events import OFFSET_BITS
from models.keys import key_of
from operators.learn_items.authority import ItemAuthority
from state.topics import chunks
from tests.builders import DAY, NOW, Record, event, in_order, learn_items, learn_users, learning
from tests.harness import Clock, ItemsSubtask, Savepoint, UsersSubtask

LIMIT = 200
BUCKETS = (1, 2, 4, 8, 16)


def subtask(buckets: int, restored: Savepoint | None = None, **changes: Any) -> ItemsSubtask:
    """A subtask that owns all buckets."""
    keys = tuple(7 + n for n in range(buckets))
    params = learn_items(learning=learning(item_limit=LIMIT), keys=keys, chunks=64, **changes)
    return ItemsSubtask(params, Clock(), restored)


def messages(windows: list[list[Record]]) -> list[bytes]:
    users = UsersSubtask(learn_users(learning=learning(item_limit=100_000)), Clock())
    return [message for window in windows for message in users.take(window).messages]


def junk(events: int, first: int = 0) -> list[list[Record]]:
    """Ids that occur once each, ten a message."""
    return [
        in_order(
            [event(f"u{n}", f"junk-{at + n}", at=NOW + at + n) for n in range(10)], first=first + at
        )
        for at in range(0, events, 10)
    ]


def hot(items: int, times: int) -> list[list[Record]]:
    """Items that many have had."""
    return [
        in_order([event(f"h{n}-{i}", f"hot-{i}") for i in range(items)], first=n * items)
        for n in range(times)
    ]


def stored(items: ItemsSubtask) -> dict[int, dict[bytes, bytes]]:
    """Records of items by key of the bucket; another entry says what they contain."""
    return {
        key: {k: v for k, v in maps["items-v1"].items() if b"IT" in v[:20]}
        for key, maps in items.state.maps.items()
    }


def size(items: ItemsSubtask) -> int:
    return sum(map(len, stored(items).values()))


def published(items: ItemsSubtask) -> dict[bytes, Any]:
    return {name: chunks.decode_all(value) for name, value in items.publish(6_000)}


@pytest.mark.parametrize("buckets", BUCKETS)
def test_what_is_given_up_leaves_the_records_of_every_bucket(buckets: int) -> None:
    items = subtask(buckets)
    newest: dict[bytes, Any] = {}
    for n, message in enumerate(messages(hot(5, 4) + junk(3_000, first=20))):
        items.take(message)
        if n % 100 == 99:
            newest |= published(items)
    assert size(items) <= LIMIT
    newest |= published(items)
    catalogue = items.function._catalogue
    assert size(items) == sum(one.items for one in catalogue._publishers.values())
    rows = {key for some, _ in newest.values() for key in some.keys.tolist()}
    assert rows == set(catalogue._items.keys.tolist())
    assert sum(len(some) for some, _ in newest.values()) == len(rows)
    assert {key_of(f"hot-{n}") for n in range(5)} <= rows
    assert catalogue._items.evicted >= 3_005 - LIMIT


def test_a_bucket_that_gets_no_more_messages_forgets_by_its_timer() -> None:
    items = subtask(2)
    first, *others = messages(junk(600))
    items.take(first)
    quiet = items._keys[1]
    for message in others:  # to the other bucket alone
        items.key = items._keys[0]
        items.call(items.function.process_element, (0, [message]))
    assert len(stored(items)[quiet]) > 0
    items.wait(2_000)
    assert stored(items)[quiet] == {}
    assert items.function._catalogue._gone == {0: set(), 1: set()}


def test_an_item_that_comes_back_in_the_meantime_stays() -> None:
    params = learn_items(learning=learning(item_limit=16), keys=(7, 19), chunks=8)
    made = ItemAuthority(params)
    for bucket in (0, 1):
        made.open(bucket, [])
    name = next(f"item-{n}" for n in range(9) if key_of(f"item-{n}") % 2 == 1)
    noise = [
        in_order([event("anna", f"n-{n}-{m}") for m in range(6)], first=10 + 10 * n)
        for n in range(12)
    ]
    windows = [in_order([event("ben", name)]), *noise]
    (first, *rest) = messages([*windows, in_order([event("carl", name)], first=900)])
    records = dict(made.learn(1, [first]))
    assert set(records) == {int(np.uint64(key_of(name)).view(np.int64))}
    made.learn(0, [first, *rest[:-1]])
    assert made._items.rows(np.array([key_of(name)], np.uint64), register=False)[0] < 0
    again = dict(made.learn(1, rest[-1:]))
    assert again[int(np.uint64(key_of(name)).view(np.int64))] is not None
    assert made.given_up(1) == []
    rows = made._items.export(made._items.rows(np.array([key_of(name)], np.uint64)))
    assert rows.count.tolist() == [1]


@pytest.mark.parametrize("buckets", [2, 4])
def test_the_most_popular_of_all_buckets_survive_a_restore_at_less_parallelism(
    buckets: int,
) -> None:
    """Each of several subtasks had as many items as one may have."""
    parts = [subtask(buckets) for _ in range(buckets)]
    windows = hot(20, 30) + junk(buckets * 150, first=600)
    for at, message in enumerate(messages(windows)):
        for n, part in enumerate(parts):
            part.key = part._keys[n]
            part.call(part.function.process_element, (n, [message]))
            if at % 10 == 0:
                part.wait(1_000)
    before = {n: stored(part)[part._keys[n]] for n, part in enumerate(parts)}
    assert sum(map(len, before.values())) > LIMIT
    orders = list(permutations(range(buckets)))
    for order in (orders[0], orders[-1]):
        held = Savepoint()
        for n, part in enumerate(parts):
            held.maps[part._keys[n]] = part.state.maps[part._keys[n]]
        after = subtask(buckets, held)
        for n in order:
            after.state.timers.add((NOW + 1 + order.index(n), after._keys[n]))
        after.wait(3_000)
        assert size(after) <= LIMIT
        items = after.function._catalogue._items
        keys = np.array([key_of(f"hot-{n}") for n in range(20)], np.uint64)
        rows = items.rows(keys, register=False)
        assert (rows >= 0).all()
        assert items.count[rows].tolist() == [30] * 20


def test_popularity_is_compared_at_one_time() -> None:
    """What was hot long ago yields to what is popular now, whatever is opened first."""
    records: dict[int, list[bytes]] = {}
    for bucket, age, times in ((0, 60 * DAY, 30), (1, 0, 2)):
        made = ItemAuthority(
            learn_items(learning=learning(item_limit=LIMIT, half_life_ms=float(DAY)))
        )
        made.open(bucket, [])
        names = [n for n in (f"x-{n}" for n in range(600)) if key_of(n) % 2 == bucket][:150]
        for n in range(times):
            window = in_order([event(f"u{n}-{i}", i, at=NOW) for i in names], first=150 * n)
            for message in messages([window]):
                found = made.learn(bucket, [message])
                records[bucket] = [record for _, record in found if record is not None]
        rows = made._item_state.decode(records[bucket])
        rows.last_time -= age
        records[bucket] = made._item_state.encode(rows)
    for order in ((0, 1), (1, 0)):
        made = ItemAuthority(
            learn_items(learning=learning(item_limit=LIMIT, half_life_ms=float(DAY)))
        )
        for bucket in order:
            made.open(bucket, records[bucket])
        assert np.count_nonzero(made._items.count == 2) == 150
        left = sum(len(records[bucket]) - len(made.given_up(bucket)) for bucket in order)
        assert left == LIMIT


def test_a_part_that_a_chunk_does_not_need_any_more_is_emptied() -> None:
    """Or what was given up would stay on a compacted topic for ever."""
    changes: dict[str, Any] = {"learning": learning(item_limit=LIMIT), "keys": (7,), "chunks": 1}
    made = ItemAuthority(learn_items(max_record_bytes=24_000, **changes))
    made.open(0, [])
    made.learn(0, messages(junk(150)))
    newest = dict(made.due(0, NOW))
    assert len(newest) > 1
    made._note_gone(made._items._give_up(np.arange(140)))
    assert len(made.given_up(0)) == 140
    newest |= dict(made.due(0, NOW + DAY))
    assert sum(len(chunks.decode(value)) for value in newest.values()) == 10


def test_a_replica_does_not_count_as_received_what_left_the_authoritative_copy() -> None:
    params = learning(item_limit=LIMIT)
    items = subtask(1)
    users = UsersSubtask(learn_users(learning=learning(item_limit=100_000)), Clock())
    last: dict[bytes, bytes] = {}
    for n, message in enumerate(messages(junk(600))):
        items.take(message)
        if n % 10 == 9:
            for name, value in items.publish(6_000):
                last[name] = value
                users.hear_as("model_updates", name, value)
    for name, value in last.items():  # what left a chunk is forgotten when it comes once more
        users.hear_as("model_updates", name, value)
    learn = users.function._pipeline.learn
    assert learn.items.size > LIMIT
    assert learn._received <= params.item_limit
    # items named as context after they were given up are kept without an event, and not taken
    assert learn.complete > 0.9


def test_marks_say_partition_and_offset() -> None:
    items = subtask(1)
    items.take(*messages([in_order([event(), event(item="mate")], partition=3, first=40)]))
    ((_, about),) = list(published(items).values())[:1]
    assert about.marks[0].tolist() == [-1, -1, -1, 3 << OFFSET_BITS | 41]
