"""The most popular items, of those that can be recommended."""

import numpy as np

from models.items.table import Items
from models.popularity.levels import most_popular
from tests.columns import new_items
from tests.kernels import count_event


def counted(*counts: int) -> Items:
    """Return named items with the given numbers of events."""
    items = new_items()
    rows = items.rows(np.arange(len(counts)).astype(np.uint64))
    items.name(rows, [f"item-{n}" for n in range(len(counts))])
    for row, count in enumerate(counts):
        for time in range(count):
            count_event(items.arrays, row, time)
    return items


def test_the_most_popular_come_first_and_of_equals_the_older() -> None:
    assert most_popular(counted(1, 5, 3, 5, 2).arrays, 3).tolist() == [1, 3, 2]


def test_items_without_an_event_or_a_name_are_left_out() -> None:
    items = counted(2, 0, 1)
    row = items.rows(np.array([77], np.uint64))[0]
    count_event(items.arrays, row, 1)
    assert most_popular(items.arrays, 10).tolist() == [0, 2]
