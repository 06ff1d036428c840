r"""Popularity as a component: :math:`x_j = \ln(1 + n_j)`, n the events of an item until now.

They are halved every half-life.

>>> from models.example import Example
>>> example, scores = Example(), np.zeros(2, np.float32)
>>> example.learn([("ann", "tea", "view", 0), ("ben", "tea", "view", 0), ("ben", "cup", "view", 0)])
>>> for days in (0, 7):
...     fill_all(example.items.arrays, days * 86_400_000, scores)
...     print(scores.round(2))
[1.1 0.69]
[0.69 0.41]
"""

import numpy as np
from numpy.typing import NDArray

from models.arrays.items import SIZE, ItemArrays
from models.compiled import Integer, Real, entry, kernel
from models.numeric.logarithm import exp2, log1p


@kernel
def part_of(a: ItemArrays, row: Integer, now: Integer) -> Real:
    """Return the score of one item, 0 where it never had an event; `now` as in `fill`."""
    age = max(0, now - a.last_time[row])
    return log1p(np.float32(a.popularity[row]) * exp2(np.float32(-age / a.half_life)))


@kernel
def fill(a: ItemArrays, now: Integer, part: NDArray[np.float32]) -> None:
    """Set the scores of all items: the same for every user.

    Parameters
    ----------
    now
        Event time, ms; what happened later counts as if it happened now.
    part : float32[R]
    """
    for row in range(a.counters[SIZE]):
        part[row] = part_of(a, row, now)


@entry
def fill_all(a: ItemArrays, now: Integer, part: NDArray[np.float32]) -> None:
    """Do as `fill`, called from Python: once for all users of a micro-batch."""
    fill(a, now, part)
