"""Popularity: the plainest recommender, yardstick and last resort of the others."""

import numpy as np
from numpy.typing import NDArray

from models.arrays import SIZE, ItemArrays
from models.best import keep_best
from models.compiled import Integer, compiled


@compiled
def most_popular(a: ItemArrays, k: Integer) -> NDArray[np.int32]:
    """Return the rows of the (at most) k named items with the most events, most first."""
    rows = np.empty((1, k), np.int32)
    counts = np.empty((1, k), np.float32)
    held = 0
    for row in range(a.counters[SIZE]):
        if a.named[row] and a.counts[row] > 0:
            held = keep_best(rows, counts, 0, held, row, np.float32(a.counts[row]))
    return rows[0, :held].copy()
