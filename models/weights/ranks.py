"""Ranks of an item by each of several weights of one more score."""

import numpy as np
from numpy.typing import NDArray

from models.arrays.items import SIZE, ItemArrays
from models.compiled import Integer, Real, kernel

SOFT = np.float32(10)
"""Place that is worth half of the first."""


@kernel
def rank_by_weights(
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    grid: NDArray[np.float32],
    a: ItemArrays,
    marks: NDArray[np.int64],
    mark: Integer,
    target: Integer,
    ranks: NDArray[np.float32],
) -> None:
    """Set the target's rank by the first score, then with the second by every weight.

    Ties count half. An item's lead on the target is linear in the weight: one that is behind
    without the second score and by the largest weight is behind by all of them, and that is most
    items.

    Parameters
    ----------
    grid : float32[W]
        Weights, ascending.
    ranks : float32[1 + W]
    """
    ranks[:] = 0
    own, other, most = first[target], second[target], grid[len(grid) - 1]
    for row in range(a.counters[SIZE]):
        if a.counts[row] == 0 or marks[row] == mark or row == target:
            continue
        x, z = first[row] - own, second[row] - other
        if x < 0 and x + most * z < 0:
            continue
        ranks[0] += _behind(x)
        for k in range(len(grid)):
            ranks[1 + k] += _behind(x + grid[k] * z)


@kernel
def worth(rank: Real) -> Real:
    """Return what a rank is worth: a hit among the first ten made smooth."""
    return 1 / (1 + rank / SOFT)


@kernel
def _behind(lead: Real) -> Real:
    """Return how many ranks the target falls behind an item with this lead."""
    return np.float32(0.5) * (np.float32(lead > 0) + np.float32(lead >= 0))
