r"""The blend: how much the deep score weighs beside the online one, learnt by what it brings.

Items are ranked by :math:`x_j + \theta z_j`, the online score and the deep one. Each event that is
ranked before it is learnt is ranked by every weight of a small grid. What a weight is worth is the
mean gain of the ranks, :math:`1 / (1 + \text{rank} / 10)`, a hit among the first ten made smooth,
over those without the deep model. The event is the same on both sides, so the difference varies
little; and it does not depend on what was served, so nothing has to be explored.

Whether a weight helps is looked at after every report, for ever, so a bound for one look would be
passed sooner or later by a model that is of no use. A gambler bets on each weight instead:

.. math:: C \leftarrow C \exp(\lambda \textstyle\sum g - \psi(\lambda) \sum g^2), \quad
    \psi(\lambda) = -\log(1 - \lambda) - \lambda

for gains g of a report, which are above -1. While a weight gains nothing on average, whatever was
before, the capital does not grow on average (Fan, Grama and Liu, 2015; Howard, Ramdas, McAuliffe
and Sekhon, Annals of Statistics 49(2), 2021), and by Ville's inequality it ever reaches 1 / a with
probability a at most. A weight is proven at `WEIGHTS` / `_FALSE`: so of lines of models that help
by no weight at most a share `_FALSE` is ever served, however long one looks. The capital is split
among several :math:`\lambda` and put in by and by, half at once and half over all time, so that a
model that helps later is noticed, too. What was proven and gains no more, by the sums that forget,
begins anew: a line that has helped may be served falsely with that probability each time.

A first model does not wait for that proof where its trainer, which ranks by the transitions alone
and beside them (`models.deep.training.expected`), is sure that it helps: `Blend.expect`.

The likelihood of a softmax over the catalogue is no guide: the online score is no calibrated
log-probability, and the weights that fit it best are not those that rank best.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.arrays.items import SIZE, ItemArrays
from models.arrays.weights import WEIGHTS
from models.compiled import Integer, Real, kernel
from models.numeric.finite import finite
from models.weights.ranks import rank_by_weights, worth

COUNT, LOSS = range(2)
"""Places in the sums: events, and their softmax loss by what is served, for the drift alarm."""
GAIN = 2
"""First index of the gains, a weight each."""
SQUARE = GAIN + WEIGHTS
"""First index of their squares."""

GRID = np.array([0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.2], np.float32)
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
    ranks: NDArray[np.float32],
    sums: NDArray[np.float64],
) -> None:
    """Add an event's loss and the gains of all weights to the sums.

    Parameters
    ----------
    first, second : float32[R]
        Online and deep scores.
    weight
        Of the deep score in what is served.
    ranks : float32[1 + WEIGHTS]
        Scratch memory.
    sums : float64[LOSSES]
    """
    loss = _loss(first, second, np.float32(weight), a, marks, mark, target)
    if not finite(loss):
        return
    sums[COUNT] += 1
    sums[LOSS] += loss
    rank_by_weights(first, second, GRID, a, marks, mark, target, ranks)
    for k in range(WEIGHTS):
        gain = worth(ranks[1 + k]) - worth(ranks[0])
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


def _unproven() -> list[float]:
    return [0.0] * (1 + WEIGHTS * len(_BETS))


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
    proof: list[float] = field(default_factory=_unproven)
    """Ranked events ever, then (WEIGHTS, bets) capitals of the test whether a weight helps, as
    log(1 + capital)."""

    @classmethod
    def of(
        cls,
        deep: float,
        events: float,
        gains: list[float],
        squares: list[float],
        proof: Sequence[float] = (),
    ) -> "Blend":
        """Return what was stored; a new one where other weights were compared then.

        Without a proof, as before there was one, weights have to show anew that they help.
        """
        if len(gains) != WEIGHTS or len(squares) != WEIGHTS:
            return cls()
        kept = list(proof) if len(proof) == len(_unproven()) else _unproven()
        return cls(deep, events, gains, squares, kept)

    def expect(self, *expected: Sequence[float | None]) -> None:
        """Begin with what a first model's trainer expects of each weight.

        It weighs like few ranked events, and half of it is believed: if the weights bring less,
        that is soon outweighed. Small weights that surely bring something are served at once. What
        makes no sense is not listened to.

        Parameters
        ----------
        *expected : sequences of float
            Events (1,), and of all weights (WEIGHTS,) sums of gains, of their squares, and the
            variances of the sums of gains.
        """
        given = [np.array(one, np.float64) for one in expected]  # None: no number
        sizes = [len(one) for one in given]
        if self.events > 0 or sizes != [1, WEIGHTS, WEIGHTS, WEIGHTS]:
            return
        events, (gains, squares, variances) = float(given[0][0]), given[1:]
        possible = (np.abs(gains) <= events) & (squares >= 0) & (squares <= events)
        possible &= (variances >= 0) & (variances <= events * events)
        if not (_LEAST <= events < _MANY and possible.all()):
            return
        gains = gains / 2
        sure = (gains > _SURE * np.sqrt(variances)) & (GRID <= _CAUTIOUS)
        scale = min(1.0, _EXPECTED / events)
        self.events = scale * events
        self.gains, self.squares = (scale * gains).tolist(), (scale * squares).tolist()
        capital = np.where(sure[:, None], _NEEDED + _CREDIT, 0.0) * np.ones(len(_BETS))
        self.proof = [self.proof[0], *capital.reshape(-1).tolist()]
        self.deep = _best(self.events, scale * gains, scale * squares, sure)

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
        new, spread = sums[GAIN:SQUARE], sums[SQUARE : SQUARE + WEIGHTS]
        gains, squares = kept * np.array(self.gains) + new, kept * np.array(self.squares) + spread
        capital = np.array(self.proof[1:]).reshape(WEIGHTS, len(_BETS))
        capital = _betted(capital, self.proof[0], count, new, spread, memory)
        self.gains, self.squares = gains.tolist(), squares.tolist()
        self.events = kept * self.events + count
        proven = np.logaddexp.reduce(capital, axis=1) - np.log(len(_BETS)) >= _NEEDED
        # what no longer gains has to show anew that it does
        capital[proven & (gains <= 0)] = 0
        self.proof = [self.proof[0] + count, *capital.reshape(-1).tolist()]
        self.deep = _best(self.events, gains, squares, proven & (gains > 0))


def _betted(
    capital: NDArray[np.float64],
    events: float,
    count: float,
    gains: NDArray[np.float64],
    squares: NDArray[np.float64],
    memory: float,
) -> NDArray[np.float64]:
    """Return the capitals after more events, the new stake included."""
    first = 0.5 if events == 0 else 0.0
    stake = first + 0.5 * (memory / (memory + events) - memory / (memory + events + count))
    grown = gains[:, None] * _BETS - squares[:, None] * _COST
    held = np.log(np.maximum(np.expm1(np.minimum(capital, _MOST)) + stake, 1e-300))
    after: NDArray[np.float64] = np.logaddexp(0, np.minimum(held + grown, _MOST))
    return after


def _best(
    events: float,
    gains: NDArray[np.float64],
    squares: NDArray[np.float64],
    proven: NDArray[np.bool_],
) -> float:
    """Return the proven weight whose mean gain less half its standard error is largest, or 0."""
    if events < _LEAST or not proven.any():
        return 0.0
    mean = gains / events
    error = np.sqrt(np.maximum(squares / events - mean**2, 0) / events)
    best = int(np.argmax(np.where(proven, mean - error / 2, -np.inf)))
    return round(float(GRID[best]), 3)


_LEAST = 100.0
_MANY = 1e9
"""Events of which nobody makes that many."""
_EXPECTED = 300.0
"""Ranked events that an expectation weighs like, at most."""
_SURE = 2.0
"""Standard errors above 0 of a weight that is served at once."""
_CAUTIOUS = 0.31
"""Weights above have to be proven by ranked events: beside all of the online model less is best."""
_CREDIT = 3.0
"""Capital beyond what is needed, as a logarithm: chance alone does not take it away at once."""
_FALSE = 0.05
"""Share of lines of models of no use by any weight that are ever served all the same."""
_BETS = np.array([0.02, 0.06, 0.15, 0.35, 0.6])
_COST = -np.log1p(-_BETS) - _BETS
_NEEDED = float(np.log(WEIGHTS / _FALSE))
_MOST = 30.0
"""Capital has no use beyond: as a logarithm."""
