"""The publishing queue of an item bucket."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from operators.learn_items.publisher import Publisher


def publisher(*, bytes_per_second: int = 1_000, chunks: int = 4) -> Publisher:
    return Publisher(
        bucket=0,
        buckets=1,
        chunks=chunks,
        interval_ms=1_000,
        bytes_per_second=bytes_per_second,
        restore_bytes_per_second=100 * bytes_per_second,
    )


def test_what_was_restored_goes_out_faster() -> None:
    queue = publisher(chunks=64)
    queue.restore(keys(*range(64)))
    assert len(names(queue, 0)) == 64
    queue.mark(keys(*range(64)))
    assert len(names(queue, 2_000)) == 10


def test_what_is_gone_is_published_without_it() -> None:
    queue = publisher(chunks=1)
    queue.mark(keys(1, 2))
    names(queue, 0)
    queue.forget(keys(1, 2))
    assert [(name, members.tolist()) for name, members in queue.due(5_000)] == [(b"items/0", [])]


def keys(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.uint64)


def names(queue: Publisher, now_ms: int, size: int = 100) -> list[bytes]:
    found = []
    for name, _ in queue.due(now_ms):
        queue.spend(size)
        found.append(name)
    return found


def test_the_oldest_change_goes_first() -> None:
    queue = publisher()
    queue.mark(keys(2))
    queue.mark(keys(0, 3))
    queue.mark(keys(2, 1))
    assert names(queue, 0) == [b"items/2", b"items/0", b"items/3", b"items/1"]


def test_a_chunk_is_published_whole() -> None:
    queue = publisher()
    queue.mark(keys(1, 5, 9))
    assert [members.tolist() for _, members in queue.due(0)] == [[1, 5, 9]]
    queue.mark(keys(5))
    assert [members.tolist() for _, members in queue.due(1_000)] == [[1, 5, 9]]


def test_a_chunk_goes_out_at_most_once_an_interval() -> None:
    queue = publisher()
    queue.mark(keys(1))
    assert names(queue, 0) == [b"items/1"]
    queue.mark(keys(1))
    assert names(queue, 999) == []
    assert names(queue, 1_000) == [b"items/1"]


def test_nothing_goes_out_twice_without_a_change() -> None:
    queue = publisher()
    queue.mark(keys(1))
    names(queue, 0)
    assert names(queue, 10_000) == []


def test_a_chunk_larger_than_the_budget_still_goes_out() -> None:
    queue = publisher()
    queue.mark(keys(0, 1))
    assert names(queue, 0, size=2_500) == [b"items/0"]
    assert names(queue, 1_000) == []
    assert names(queue, 2_000, size=2_500) == [b"items/1"]


@given(
    sizes=st.lists(st.integers(1, 3_000), min_size=1, max_size=30),
    steps=st.lists(st.integers(1, 2_000), min_size=1, max_size=30),
)
def test_the_budget_holds_over_every_stretch_of_time(sizes: list[int], steps: list[int]) -> None:
    queue = publisher(chunks=1_000)
    now, sent = 0, [(0, 0)]
    for n, step in enumerate(steps):
        queue.mark(np.arange(n * 5, n * 5 + 5, dtype=np.uint64))
        now += step
        for place, _ in enumerate(queue.due(now)):
            size = sizes[place % len(sizes)]
            queue.spend(size)
            sent.append((now, size))
    for begin in range(len(sent)):
        stretch = sent[begin:]
        total, elapsed = sum(size for _, size in stretch), now - stretch[0][0]
        assert total <= elapsed + 1_000 + max(sizes)


def test_everything_marked_goes_out_in_the_end() -> None:
    queue, found = publisher(chunks=50), set()
    queue.mark(np.arange(200, dtype=np.uint64))
    for second in range(60):
        for name, members in queue.due(second * 1_000):
            queue.spend(700)
            found |= set(members.tolist())
            assert name.startswith(b"items/")
    assert found == set(range(200))
