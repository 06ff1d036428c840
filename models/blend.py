r"""The blend: how much the deep score weighs beside the online one, learnt by what it brings.

Items are ranked by :math:`x_j + \theta z_j`, the online score and the deep one. Each event that is
ranked before it is learnt is ranked by every weight of a small grid. What a weight is worth is the
mean gain of the places, :math:`1 / (1 + \text{place} / 10)`, a hit among the first ten made smooth,
over those without the deep model. The event is the same on both sides, so the difference varies
little; and it does not depend on what was served, so nothing has to be explored.

The likelihood of a softmax over the catalogue is no guide: the online score is no calibrated
log-probability, and the weights that fit it best are not those that rank best.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.arrays import SIZE, WEIGHTS, ItemArrays
from models.compiled import Integer, Real, kernel
from models.places import rank_by_weights, worth

COUNT, LOSS = range(2)
"""Places in the sums: events, and their softmax loss by what is served, for the drift alarm."""
GAIN = 2
"""First place of the gains, a weight each."""
SQUARE = GAIN + WEIGHTS
"""First place of their squares."""

GRID = np.array([0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8], np.float32)
"""(WEIGHTS,) weights that the deep score may have, besides 0; ascending."""

_JUDGED = 4096
"""Items that a loss is summed over, about; a larger catalogue is sampled evenly."""


@kernel
def add_event(  # noqa: PLR0913  # columns
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    weight: Real,
    a: ItemArrays,
    marks: NDArray[np.int64],
    mark: Integer,
    target: Integer,
    places: NDArray[np.float32],
    sums: NDArray[np.float64],
) -> None:
    """Add an event's loss and the gains of all weights to the sums.

    Parameters
    ----------
    first, second : float32[R]
        Online and deep scores.
    weight
        Of the deep score in what is served.
    places : float32[1 + WEIGHTS]
        Scratch memory.
    sums : float64[LOSSES]
    """
    loss = _loss(first, second, np.float32(weight), a, marks, mark, target)
    # no isfinite: compiled with freedom to reorder, x - x of a sum is 0 even where x is NaN
    if not abs(loss) < np.inf:
        return
    sums[COUNT] += 1
    sums[LOSS] += loss
    rank_by_weights(first, second, GRID, a, marks, mark, target, places)
    for k in range(WEIGHTS):
        gain = worth(places[1 + k]) - worth(places[0])
        sums[GAIN + k] += gain
        sums[SQUARE + k] += gain * gain


@kernel
def _loss(
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    weight: Real,
    a: ItemArrays,
    marks: NDArray[np.int64],
    mark: Integer,
    target: Integer,
) -> Real:
    """Return the softmax loss of the target among all that may be recommended."""
    size = a.counters[SIZE]
    step = 1 + size // _JUDGED
    raised = np.log(np.float32(step))
    own = first[target] + weight * second[target]
    top = own
    for row in range(target % step, size, step):
        if a.counts[row] > 0 and marks[row] != mark:
            top = max(top, first[row] + weight * second[row] + raised)
    total = np.float64(np.exp(own - top))
    for row in range(target % step, size, step):
        if a.counts[row] > 0 and marks[row] != mark and row != target:
            total += np.exp(first[row] + weight * second[row] + raised - top)
    return np.log(total) + top - own


def _nothing() -> list[float]:
    return [0.0] * WEIGHTS


@dataclass(slots=True)
class Blend:
    """The weight of the deep score beside the online one, and what it is learnt from.

    The authoritative copy lives in the state of fine-tune; everybody else serves what it says.
    """

    deep: float = 0.0
    events: float = 0.0
    """Ranked events, forgotten by and by like their sums."""
    gains: list[float] = field(default_factory=_nothing)
    """(WEIGHTS,) sums of what each weight gained."""
    squares: list[float] = field(default_factory=_nothing)
    """(WEIGHTS,) sums of the squares."""

    @classmethod
    def of(cls, deep: float, events: float, gains: list[float], squares: list[float]) -> "Blend":
        """Return what was stored; a new one where other weights were compared then."""
        if len(gains) != WEIGHTS or len(squares) != WEIGHTS:
            return cls()
        return cls(deep, events, gains, squares)

    def learn(self, sums: NDArray[np.float64], *, memory: float = 5_000.0) -> None:
        """Take the weight that is surely worth most: none, until one has shown to help.

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
        gains = kept * np.array(self.gains) + sums[GAIN:SQUARE]
        squares = kept * np.array(self.squares) + sums[SQUARE : SQUARE + WEIGHTS]
        self.gains, self.squares = gains.tolist(), squares.tolist()
        self.events = kept * self.events + count
        self.deep = _surest(self.events, gains, squares)


def _surest(events: float, gains: NDArray[np.float64], squares: NDArray[np.float64]) -> float:
    """Return the weight whose mean gain less its standard error is largest and above 0, or 0."""
    if events < _LEAST:
        return 0.0
    mean = gains / events
    error = np.sqrt(np.maximum(squares / events - mean**2, 0) / events)
    worth = mean - _CAUTION * error
    best = int(np.argmax(worth))
    return round(float(GRID[best]), 3) if worth[best] > 0 else 0.0


_LEAST = 100.0
_CAUTION = 1.0
