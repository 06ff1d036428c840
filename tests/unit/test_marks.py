"""Numbers of marks: few, exact while there are few, and small whatever the sizes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.columns.events import OFFSET_BITS
from models.index.marks import _MOST, PASSED, Marks
from models.items.applied import Applied, used
from state.topics import marks as codec


def full(buckets: int, partitions: int, offset: int) -> np.ndarray:
    """Marks that reach as far everywhere."""
    return np.full((buckets, 1), offset) + (np.arange(partitions) << OFFSET_BITS)


NOTHING = np.full((0, 0), -1, np.int64)


def test_chunks_that_contain_the_same_share_a_number() -> None:
    marks, rows = Marks(), np.zeros(4, np.int32)
    first = marks.put(full(3, 2, 7), NOTHING, rows)
    assert marks.put(full(3, 2, 7), NOTHING, rows) == first > PASSED
    second = marks.put(full(3, 2, 8), NOTHING, rows)
    assert second not in (first, PASSED)
    for bucket in range(3):
        until = marks.until(bucket, 2)
        assert until[first].tolist() == full(3, 2, 7)[bucket].tolist()
        assert until[second].tolist() == full(3, 2, 8)[bucket].tolist()
        assert (until[:2] == -1).all()


def test_what_the_worker_is_beyond_needs_no_number_of_its_own() -> None:
    marks, rows = Marks(), np.zeros(4, np.int32)
    assert marks.put(full(3, 2, 7), full(4, 3, 7), rows) == PASSED
    assert marks.put(full(3, 2, 8), full(4, 3, 7), rows) > PASSED
    assert marks.put(full(5, 2, 7), full(4, 3, 7), rows) > PASSED
    assert marks.put(NOTHING, NOTHING, rows) == PASSED


def test_numbers_are_bounded_and_rows_never_know_less() -> None:
    marks, rows = Marks(), np.zeros(10_000, np.int32)
    for n in range(10_000):
        rows[n] = marks.put(full(2, 2, n), NOTHING, rows)
    assert rows.max() < _MOST
    until = marks.until(1, 2)[rows]
    assert (until >= np.arange(10_000)[:, None]).all()
    assert (np.diff(until[:, 0]) >= 0).all()
    newest = np.arange(9_970, 10_000)
    assert until[newest, 0].tolist() == newest.tolist()  # those of late are exact


def test_numbers_that_are_passed_or_that_no_row_has_are_free_again() -> None:
    marks, rows = Marks(), np.zeros(3, np.int32)
    rows[0] = marks.put(full(2, 2, 50), NOTHING, rows)
    rows[1] = marks.put(full(2, 2, 20_000), NOTHING, rows)
    for n in range(1_000):
        rows[2] = marks.put(full(2, 2, 100 + n), full(2, 2, 60), rows)
    assert rows[0] == PASSED
    assert marks.until(0, 2)[rows, 0].tolist() == [-1, 20_000, 1_099]


def test_the_memory_of_the_largest_cluster_is_small() -> None:
    """256 user buckets, 4,096 chunks, 64 partitions: 2 GB where each chunk had its own."""
    marks, rows, applied = Marks(), np.zeros(200_000, np.int32), NOTHING
    for chunk in range(4_096):
        rows[chunk * 48 : chunk * 48 + 48] = marks.put(full(256, 64, chunk // 4), applied, rows)
    assert marks.nbytes < 10e6
    for chunk in range(100):
        assert marks.put(full(256, 64, chunk), full(256, 64, 5_000), rows) == PASSED


def test_what_was_applied_is_said_without_slack() -> None:
    applied = Applied()
    for bucket in range(5):
        applied.claim(bucket, np.array([2 << OFFSET_BITS | 9]))
    assert applied.highest.shape == (5, 3)
    assert used(np.full((4, 4), -1)).shape == (0, 0)


@pytest.mark.parametrize(("buckets", "partitions"), [(256, 16), (256, 64), (1_024, 64)])
def test_stored_marks_are_a_small_part_of_a_record(buckets: int, partitions: int) -> None:
    random = np.random.default_rng(1)
    made = full(buckets, partitions, 10**9) - random.integers(0, 10_000, (buckets, partitions))
    data = codec.encode(made)
    assert len(data) < 2.1 * made.size + 8 * partitions + 100
    assert np.array_equal(codec.decode(data), made)


@given(
    st.lists(
        st.lists(st.one_of(st.just(-1), st.integers(0, 2**63 - 2)), min_size=3, max_size=3),
        max_size=6,
    )
)
def test_stored_marks_are_read_as_they_were(rows: list[list[int]]) -> None:
    made = np.array(rows, np.int64).reshape(-1, 3)
    found = codec.decode(codec.encode(made))
    again = np.full(made.shape, -1)
    again[: found.shape[0], : found.shape[1]] = found
    assert np.array_equal(again, made)
