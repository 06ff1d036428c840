"""Popularity: the plainest recommender, yardstick and last resort of the others.

An item's popularity is the number of its events, halved every half-life. Which of two is more
popular does not depend on when one asks, so it is compared by its logarithm at the time 0.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.arrays.items import SIZE, ItemArrays
from models.columns.items import ItemRows
from models.compiled import Integer, Real, compiled, kernel
from models.index.ceilings import listable
from models.numeric.best import keep_best

SEVERAL = 8.0
"""Halvings of popularity that a second event makes up for, where rows are given up: each of a
user's events on an item counts once, so what only one has named goes before what others did."""


@kernel
def level_of(a: ItemArrays, row: Integer) -> Real:
    """Return the logarithm (base 2) of an item's popularity at the time 0; -inf for none."""
    return np.log2(a.popularity[row]) + a.last_time[row] / a.half_life


@compiled
def levels(a: ItemArrays) -> NDArray[np.float64]:
    """Return the level of each row: `level_of`, -inf where it never had an event."""
    found = np.full(a.counters[SIZE], -np.inf, np.float64)
    for row in range(len(found)):
        if a.counts[row] > 0 and a.popularity[row] > 0:
            found[row] = level_of(a, row)
    return found


def levels_of(rows: ItemRows, half_life: float) -> NDArray[np.float64]:
    """Return the level of rows that are stored, as `levels` of those in the table."""
    found = np.full(len(rows), -np.inf)
    some = (rows.count > 0) & (rows.popularity > 0)
    found[some] = np.log2(rows.popularity[some]) + rows.last_time[some] / half_life
    return found


def worth(level: NDArray[np.float64], count: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return by what items keep their rows: their level, raised where several events are theirs."""
    raised: NDArray[np.float64] = level + np.where(count > 1, SEVERAL, 0)
    return raised


@compiled
def most_popular(a: ItemArrays, k: Integer) -> NDArray[np.int32]:
    """Return the rows of the (at most) k most popular items that can be listed, best first."""
    rows = np.empty((1, k), np.int32)
    scores: NDArray[Any] = np.empty((1, k), np.float64)
    held = 0
    for row in range(a.counters[SIZE]):
        if listable(a, row) and a.popularity[row] > 0:
            held = keep_best(rows, scores, 0, held, row, level_of(a, row))
    return rows[0, :held].copy()
