r"""What factors say of an item to a user: :math:`x_j = p_u q_j + b_j`."""

import numpy as np
from numpy.typing import NDArray

from models.arrays import SIZE, Work
from models.compiled import Integer, Real, kernel
from models.component import FACTORS
from models.vectors import dot


@kernel
def part_of(work: Work, u: Integer, row: Integer) -> Real:
    """Return the score of one item."""
    return dot(work.users.factors, u, work.items.factors, row) + work.items.bias[row]


@kernel
def fill(work: Work, u: Integer) -> None:
    """Set the scores of all items."""
    part = work.scratch.parts[FACTORS]
    for row in range(work.items.counters[SIZE]):
        part[row] = part_of(work, u, row)


@kernel
def fill_from(work: Work, products: NDArray[np.float32], n: Integer) -> None:
    """Set the scores of all items from the scalar products (B, items) of users and items."""
    part = work.scratch.parts[FACTORS]
    for row in range(work.items.counters[SIZE]):
        part[row] = products[n, row] + work.items.bias[row]
