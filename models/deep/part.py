"""The deep score of an item for a user, as a component of the ranking model.

>>> from models.example import Example
>>> example, targets = Example(), np.array([[0], [1], [20]], np.float32)
>>> example.learn([("ann", "tea", "view", 0), ("ann", "cup", "view", 8), ("ben", "pot", "view", 9)])
>>> example.learn([("cat", "tea", "view", 20)])
>>> y, bias = np.ones((1, 1), np.float32), np.zeros(3, np.float32)
>>> deep = DeepArrays.none()._replace(y=y, targets=targets, bias=bias, weight=1.0)
>>> example.recommend("cat", deep=deep)  # without, it is the cup
[('pot', 20.93, 'deep'), ('cup', 11.07, 'transition')]
"""

import numpy as np
from numpy.typing import NDArray

from models.arrays.deep import DeepArrays
from models.arrays.items import SIZE
from models.arrays.work import Work
from models.compiled import Integer, Real, kernel
from models.components import DEEP
from models.numeric.vectors import dot, joined


@kernel
def part_of(deep: DeepArrays, y: Integer, row: Integer) -> Real:
    """Return the score of an item for a user, given as a row of `deep.y`."""
    if len(deep.output) == 0:
        return dot(deep.y, y, deep.targets, row) + deep.bias[row]
    return joined(deep.y, y, deep.targets, row, deep.output) + deep.bias[row]


@kernel
def fill(work: Work, y: Integer) -> None:
    """Set the scores of all items."""
    part = work.scratch.parts[DEEP]
    for row in range(work.items.counters[SIZE]):
        part[row] = part_of(work.deep, y, row)


@kernel
def fill_from(work: Work, products: NDArray[np.float32], n: Integer) -> None:
    """Set the scores of all items from the scalar products (B, items) of y and targets."""
    part = work.scratch.parts[DEEP]
    for row in range(work.items.counters[SIZE]):
        part[row] = products[n, row] + work.deep.bias[row]
