"""AdaGrad steps of factors (Duchi et al., JMLR 2011), whatever found the gradient."""

import numpy as np
from numpy.typing import NDArray

from models.arrays.items import SKIPPED, ItemArrays
from models.arrays.work import Knobs, Work
from models.compiled import Integer, Real, kernel
from models.index.ceilings import raise_factors
from models.numeric.finite import finite
from models.numeric.vectors import move, norm

START = np.float32(0.1)
"""What the AdaGrad sums start from: the first steps are not the largest."""


@kernel
def move_item(
    a: ItemArrays,
    row: Integer,
    g: Real,
    factors: NDArray[np.float32],
    u: Integer,
    length: Real,
    knobs: Knobs,
) -> None:
    """Move an item by g along a row of factors whose squared norm is `length`."""
    square = g * g
    if not finite(square * length):
        a.counters[SKIPPED] += 1
        return
    a.gradient_sum[row] += square * length / np.float32(factors.shape[1])
    step = np.float32(knobs.rate) * g / np.sqrt(START + a.gradient_sum[row])
    square_length = move(a.factors, row, step, factors, u, knobs.decay, knobs.radius)
    a.bias_gradient_sum[row] += square
    step = np.float32(knobs.bias_rate) * g / np.sqrt(START + a.bias_gradient_sum[row])
    limit = np.float32(knobs.radius)
    a.bias[row] = max(-limit, min(limit, a.bias[row] + step))
    raise_factors(a, row, square_length)


@kernel
def move_user(work: Work, u: Integer) -> None:
    """Move a user along the sum of the gradients, `Scratch.pull`."""
    users, pull, knobs = work.users, work.scratch.pull, work.knobs
    square = norm(pull, 0)
    if finite(square):
        users.gradient_sum[u] += square / np.float32(pull.shape[1])
        step = np.float32(knobs.rate) / np.sqrt(START + users.gradient_sum[u])
        move(users.factors, u, step, pull, 0, knobs.decay, knobs.radius)
    else:
        work.items.counters[SKIPPED] += 1
