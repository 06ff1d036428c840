r"""The weight of a second prediction of ratings beside the filter's, learnt by what it brings.

.. math:: \hat r = x_1 + w (x_2 - x_1), \quad
    w = \frac{\sum e d}{\lambda + \sum d^2}, \quad e = r - x_1, \quad d = x_2 - x_1,

within [0, 1]: least squares in one variable, from 0 (stacking: Wolpert, Neural Networks 5(2),
1992). The sums do not depend on the weight that was served, so nothing has to be explored.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.compiled import Real, kernel
from models.weights.blend import COUNT, LOSS

PRODUCT, SQUARE = 2, 3
"""Places in the sums, beside those of `models.weights.blend`: e d and d². The loss is the squared
error of what was served."""

_RIDGE = 50.0
"""λ: how much must be seen until the second prediction counts; about 500 ratings."""


@kernel
def add_event(
    first: Real, second: Real, weight: Real, rating: Real, sums: NDArray[np.float64]
) -> Real:
    """Add an event to the sums, and return the joint prediction."""
    served = first + weight * (second - first)
    error, apart, left = rating - first, second - first, rating - served
    sums[COUNT] += 1
    sums[LOSS] += left * left
    sums[PRODUCT] += error * apart
    sums[SQUARE] += apart * apart
    return served


def _nothing() -> list[float]:
    return [0.0]


@dataclass(slots=True)
class Stacking:
    """The weight of the second prediction, and what it is learnt from; as `Blend`."""

    deep: float = 0.0
    events: float = 0.0
    """Ratings that both predicted, forgotten by and by like their sums."""
    gains: list[float] = field(default_factory=_nothing)
    """(1,) sum of e d."""
    squares: list[float] = field(default_factory=_nothing)
    """(1,) sum of d²."""
    proof: list[float] = field(default_factory=list)
    """Nothing: least squares need none."""

    @classmethod
    def of(
        cls,
        deep: float,
        events: float,
        gains: list[float],
        squares: list[float],
        proof: Sequence[float] = (),  # noqa: ARG003  # as of `models.weights.blend.Blend`
    ) -> "Stacking":
        """Return what was stored; a new one where that was learnt otherwise."""
        if len(gains) != 1 or len(squares) != 1:
            return cls()
        return cls(deep, events, gains, squares)

    def learn(self, sums: NDArray[np.float64], *, memory: float = 20_000.0) -> None:
        """Take the weight of least squares.

        Parameters
        ----------
        sums : float64[LOSSES]
        memory : float
            Events after which the past weighs 1 / e.
        """
        count = float(sums[COUNT])
        if count <= 0 or not np.isfinite(sums).all():
            return
        kept = float(np.exp(-count / memory))
        self.gains = [kept * self.gains[0] + float(sums[PRODUCT])]
        self.squares = [kept * self.squares[0] + float(sums[SQUARE])]
        self.events = kept * self.events + count
        self.deep = min(1.0, max(0.0, self.gains[0] / (_RIDGE + self.squares[0])))
