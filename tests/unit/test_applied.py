"""An event is learnt once, however often the loop delivers it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.columns.events import OFFSET_BITS
from models.items.applied import Applied


def at(*places: tuple[int, int]) -> np.ndarray:
    return np.array([partition << OFFSET_BITS | offset for partition, offset in places], np.int64)


def test_a_batch_that_comes_back_is_not_fresh() -> None:
    applied = Applied()
    batch = at((0, 5), (0, 6), (1, 2))
    assert applied.claim(3, batch).tolist() == [True, True, True]
    assert applied.claim(3, batch).tolist() == [False, False, False]


def test_a_batch_that_was_cut_differently_is_recognised_event_by_event() -> None:
    applied = Applied()
    applied.claim(0, at((0, 0), (0, 1)))
    assert applied.claim(0, at((0, 1), (0, 2))).tolist() == [False, True]


def test_the_first_offset_is_fresh() -> None:
    assert Applied().claim(7, at((2, 0))).tolist() == [True]


def test_nothing_claims_nothing() -> None:
    assert Applied().claim(0, at()).tolist() == []


@given(st.lists(st.tuples(st.integers(0, 70), st.integers(0, 40), st.integers(0, 9))))
def test_every_bucket_and_partition_has_its_own_highest_offset(
    places: list[tuple[int, int, int]],
) -> None:
    applied, highest = Applied(), dict[tuple[int, int], int]()
    for bucket, partition, offset in places:
        fresh = applied.claim(bucket, at((partition, offset)))
        assert fresh.tolist() == [offset > highest.get((bucket, partition), -1)]
        highest[bucket, partition] = max(offset, highest.get((bucket, partition), -1))


def test_the_events_of_one_record_are_fresh_together() -> None:
    applied = Applied()
    order = at((0, 4), (0, 5), (0, 5), (0, 5), (0, 6))
    assert applied.claim(0, order).all()
    assert not applied.claim(0, order[1:]).any()
