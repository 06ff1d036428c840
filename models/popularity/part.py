r"""Popularity as a component: :math:`x_j = \ln(1 + n_j)`, n the events of an item until now.

They are halved every half-life.
"""

import numpy as np
from numpy.typing import NDArray

from models.arrays import SIZE, ItemArrays
from models.compiled import Integer, entry, kernel
from models.logarithm import exp2, log1p


@kernel
def fill(a: ItemArrays, now: Integer, part: NDArray[np.float32]) -> None:
    """Set the scores of all items: the same for every user.

    Parameters
    ----------
    now
        Event time, ms; what happened later counts as if it happened now.
    part : float32[R]
    """
    step = -1.0 / a.half_life
    for row in range(a.counters[SIZE]):  # without an event the popularity is 0, and so is this
        age = max(0, now - a.last_time[row])
        part[row] = log1p(a.popularity[row] * exp2(np.float32(age * step)))


@entry
def fill_all(a: ItemArrays, now: Integer, part: NDArray[np.float32]) -> None:
    """Do as `fill`, called from Python: once for all users of a micro-batch."""
    fill(a, now, part)
