"""Arrays of item-to-item transitions as compiled functions see them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class TransitionArrays(NamedTuple):
    """Sparse rows of successors in one arena, see `models.transitions.rows`."""

    start: NDArray[np.int64]
    """(R,) first slot of a row in the arena."""
    capacity: NDArray[np.int64]
    """(R,) slots of a row: 0, or a power of two from 8."""
    fill: NDArray[np.int64]
    """(R,) entries of a row."""
    total: NDArray[np.float64]
    """(R,) sum of the weights of a row's entries."""
    successor: NDArray[np.int32]
    """(A,) row of the successor, -1 where the slot is empty."""
    weight: NDArray[np.float32]
    """(A,)"""
    free: NDArray[np.int64]
    """(classes,) first free block of 8 << class slots, -1 for none; the block names the next."""
    top: NDArray[np.int64]
    """(1,) slots of the arena ever handed out."""
    keep: int
    """Entries a row is cut to when it holds `2 * keep` and needs one more."""
    spare_successor: NDArray[np.int32]
    """Scratch memory, as long as the largest row."""
    spare_weight: NDArray[np.float32]
    sink: NDArray[np.int64]
    """(1,) where what was only read for the cache is written to."""
