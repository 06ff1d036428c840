"""learn-items keeps the authoritative copy of the items and publishes what changed."""

import numpy as np
import pyarrow as pa
import pytest

from models.keys import key_of
from operators.learn_items.authority import ItemAuthority
from operators.learn_users.stages import learn as learn_stage
from operators.learn_users.stages import publish
from state.topics import accepted, chunks, lease
from state.topics import marks as marks_codec
from state.topics.lease import Lease
from tests.builders import (
    NOW,
    OBJECTIVES,
    Record,
    behaviour,
    cut,
    event,
    in_order,
    learn_items,
    learn_users,
    learning,
)
from tests.harness import Clock, ItemsSubtask, UsersSubtask

LOG = behaviour(600)


def messages(log: list[Record], objective: str = "ranking") -> tuple[UsersSubtask, list[bytes]]:
    users = UsersSubtask(learn_users(learning=learning(objective=objective)), Clock())
    taken = [users.take(records) for records in cut(log, [20] * 100)]
    return users, [learned.accepted for learned in taken if learned.accepted]


def published(items: ItemsSubtask, milliseconds: int = 10_000) -> dict[str, int]:
    """Count by item id, of all chunks published in a while."""
    rows = [chunks.decode(value) for _, value in items.publish(milliseconds)]
    return {i: n for one in rows for i, n in zip(one.ids, one.count.tolist(), strict=True)}


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_it_counts_what_the_users_side_counts(objective: str) -> None:
    users, sent = messages(LOG, objective)
    items = ItemsSubtask(learn_items(learning=learning(objective=objective)), Clock())
    for window in cut(sent, [3] * 20):
        items.take(*window)
    replica = users.function._pipeline._learn.items
    expected = dict(zip(replica.ids, replica.count.tolist(), strict=True))
    found = published(items)
    assert {i: n for i, n in found.items() if n} == {i: n for i, n in expected.items() if n}


def test_a_price_in_the_rating_range_is_no_rating() -> None:
    users, sent = messages([event("anna", "tea", "purchase", value=4.99)], "rating")
    assert sent == []
    assert users.function._pipeline._learn.items.count.tolist() == []


def _records(maps: dict[str, dict[bytes, bytes]]) -> set[bytes]:
    """Keys of the records of items; another entry says what they contain."""
    return {key for key, value in maps["items-v1"].items() if b"IT" in value[:20]}


def test_every_item_lives_in_one_bucket() -> None:
    _, sent = messages(LOG)
    items = ItemsSubtask(learn_items(), Clock())
    items.take(*sent)
    stored = [_records(maps) for maps in items.state.maps.values()]
    assert len(stored) == 2
    assert all(stored)
    assert not stored[0] & stored[1]


def test_state_is_written_once_a_window_and_item() -> None:
    _, sent = messages(in_order([event("anna", i) for i in ("tea", "mate")]))
    items = ItemsSubtask(learn_items(), Clock())
    items.take(*sent)
    assert sum(len(_records(maps)) for maps in items.state.maps.values()) == 2


def test_only_what_changed_is_published_again() -> None:
    _, sent = messages(LOG)
    items = ItemsSubtask(learn_items(chunks=1024), Clock())
    items.take(*sent)
    assert published(items)
    assert published(items) == {}
    fresh = UsersSubtask(learn_users(), Clock())
    (message,) = [fresh.take(in_order([event("zoe", "brand-new")], first=len(LOG))).accepted]
    items.take(message or b"")
    assert list(published(items)) == ["brand-new"]


def test_chunks_are_readable_by_arrow_alone() -> None:
    _, sent = messages(in_order([event("anna", i) for i in ("tea", "mate", "cocoa")]))
    items = ItemsSubtask(learn_items(), Clock())
    items.take(*sent)
    found = {}
    for name, value in items.publish():
        table = pa.ipc.open_stream(value).read_all()
        assert name.startswith(b"items/")
        found |= {row["id"]: row for row in table.to_pylist()}
    assert set(found) == {"tea", "mate", "cocoa"}
    assert found["tea"]["count"] == 1
    assert found["tea"]["last_time"] == NOW
    assert set(found["tea"]["successors"]) == {key_of("mate"), key_of("cocoa")}
    assert len(found["tea"]["factors"]) == 8


def test_a_chunk_always_goes_by_the_same_name() -> None:
    _, sent = messages(LOG)
    items = ItemsSubtask(learn_items(), Clock())
    where: dict[str, set[bytes]] = {}
    for window in cut(sent, [5] * 20):
        items.take(*window)
        for name, value in items.publish(6_000):
            for item in chunks.decode(value).ids:
                where.setdefault(item, set()).add(name)
    assert len({name for names in where.values() for name in names}) == 8
    assert all(len(names) == 1 for names in where.values())


def test_a_chunk_of_a_compacted_topic_replaces_the_one_before_whole() -> None:
    _, sent = messages(LOG)
    items = ItemsSubtask(learn_items(), Clock())
    newest: dict[bytes, bytes] = {}
    for window in cut(sent, [5] * 20):
        items.take(*window)
        newest |= dict(items.publish(6_000))
    kept = {i for value in newest.values() for i in chunks.decode(value).ids}
    everything = ItemsSubtask(learn_items(), items.clock, items.savepoint())
    assert kept == set(published(everything))


def test_after_a_restore_everything_is_published_once_most_used_first() -> None:
    _, sent = messages(LOG)
    items = ItemsSubtask(learn_items(chunks=1024), Clock())
    items.take(*sent)
    before = published(items)
    after = ItemsSubtask(learn_items(chunks=1024), items.clock, items.savepoint())
    rows = [(name, chunks.decode(value)) for name, value in after.publish(3_000)]
    assert {i: n for _, r in rows for i, n in zip(r.ids, r.count.tolist(), strict=True)} == before
    for bucket in (0, 1):
        mine = [r.count.max() for name, r in rows if int(name[6:]) % 2 == bucket]
        assert mine == sorted(mine, reverse=True)
    assert published(after) == {}


def test_a_restored_bucket_learns_on() -> None:
    _, sent = messages(LOG)
    whole, first = ItemsSubtask(learn_items(), Clock()), ItemsSubtask(learn_items(), Clock())
    half = len(sent) // 2
    whole.take(*sent[:half])
    whole.take(*sent[half:])
    first.take(*sent[:half])
    second = ItemsSubtask(learn_items(), Clock(), first.savepoint())
    second.take(*sent[half:])
    assert published(second) == published(whole)


def test_bytes_published_stay_within_the_budget() -> None:
    _, sent = messages(LOG)
    items = ItemsSubtask(learn_items(publish_bytes_per_second=8_000, chunks=64), Clock())
    items.take(*sent)
    seconds, total, largest = 0, 0, 0
    while batch := items.publish(1_000):
        seconds += 1
        sizes = [len(value) for _, value in batch]
        total, largest = total + sum(sizes), max(largest, *sizes)
        # what was saved up over an interval, and one chunk too many a bucket
        assert total <= 8_000 * (seconds + 5) + 2 * largest
    assert seconds > 3


def test_a_burst_of_moved_rows_is_told_within_the_budget_and_none_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, per_second = Clock(), 2_000
    for stage in (learn_stage, publish):
        monkeypatch.setattr(stage, "time", clock)
    params = learning(objective="full", delta_ms=1_000, delta_bytes_per_second=per_second)
    users = UsersSubtask(learn_users(learning=params), clock)
    items = ItemsSubtask(learn_items(learning=params), Clock())
    quiet = [event("zoe", "item-1", at=NOW + n) for n in range(40)]
    sizes: list[int] = []
    # a burst within two seconds, then an event a second
    later = in_order(quiet, first=len(LOG))
    for part, pause in (
        *((part, 100) for part in cut(LOG, [30] * 20)),
        *((part, 1_000) for part in cut(later, [1] * 40)),
    ):
        learned = users.take(part)
        items.take(*learned.messages)
        batch = accepted.decode(learned.messages[0])
        sizes.append(batch.differences.nbytes + 12 * len(batch.moved))
        clock.now_ms += pause
    assert sizes[0] <= 2 * per_second
    assert sum(sizes[:20]) <= 3 * per_second
    assert max(sizes[20:]) <= per_second
    mine, theirs = users.function._pipeline.items, items.function._catalogue._items
    burst = sum(size > 0.9 * per_second for size in sizes)
    assert burst > 2, "a burst that one telling holds shows nothing"
    rows = theirs.rows(mine.keys)
    for name in ("factors", "context", "bias"):
        found, told = getattr(theirs.arrays, name)[rows], getattr(mine.arrays, name)[: mine.size]
        assert found == pytest.approx(told, abs=5e-3), name


def test_the_time_of_timers_is_bounded_and_they_go_on() -> None:
    items = ItemsSubtask(learn_items(), Clock())
    _, sent = messages(LOG[:50])
    items.take(*sent)
    items.take(*sent[:1])
    assert len(items.state.timers) == 2
    items.wait(60_000)
    assert len(items.state.timers) == 2


def test_factors_published_are_finite() -> None:
    _, sent = messages(LOG)
    items = ItemsSubtask(learn_items(), Clock())
    items.take(*sent)
    for _, value in items.publish():
        assert np.isfinite(chunks.decode(value).factors).all()


def test_the_lease_is_renewed_once_an_interval_by_one_bucket() -> None:
    mine = Lease(run="a", job="mine", epoch=5, at=5)
    items = ItemsSubtask(learn_items(lease=mine, lease_interval_ms=5_000), Clock())
    items.take(*messages(LOG)[1])
    records = [lease.decode(value) for key, value in items.publish(20_000) if key == lease.KEY]
    assert {record.run for record in records} == {"a"}
    assert len(records) == len({record.at for record in records}) == 4


def test_a_bucket_says_only_what_its_own_items_contain() -> None:
    """One bucket's window may be a window further than another's, also in a savepoint."""
    _, sent = messages(LOG)
    params = learn_items()
    first, second = ItemAuthority(params), ItemAuthority(params)
    for bucket in (0, 1):
        first.open(bucket, [])
        first.learn(bucket, sent[:5])
    marks = first.marks(1)
    first.learn(0, sent[5:])
    assert first.marks(1) == marks != first.marks(0)
    (about, *_) = [chunks.decode_all(value)[1] for _, value in first.due(1, NOW)]
    assert marks_codec.encode(about.marks) == marks
    second.open(0, [], first.marks(0))
    second.open(1, [], first.marks(1))
    assert len(second.learn(1, sent[5:])) > 0
