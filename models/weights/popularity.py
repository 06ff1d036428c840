"""Weights of popularity, learnt from what it brings to users of as long a history.

Of somebody new it may say more than anything else, of a regular little; how much depends on the
data. As with the deep model (`models.weights.blend`), every event that is ranked before it is
learnt is ranked by each weight of a grid, and the weight is taken whose ranks are surely worth more
than those of the weight that such histories begin with.
"""

import numpy as np
from numpy.typing import NDArray

from models.arrays.items import ItemArrays
from models.arrays.weights import CHOICES, GAINS, HISTORIES, PopularArrays
from models.compiled import Integer, Real, entry, kernel
from models.weights.ranks import rank_by_weights, worth
from models.weights.sums import BucketSums

GRID = np.array([0.1, 0.2, 0.3, 0.5, 0.8, 1.3, 2.0, 4.0, 8.0, 20.0], np.float32)
"""(CHOICES - 1,) weights that popularity may have, besides 0; ascending."""
_FIRST = 2
"""Place of the weight that gains are counted from."""
_STARTS = np.full(HISTORIES, _FIRST)
_STARTS[:3] = 6, 5, 4
"""(HISTORIES,) indices of the first weights: of users with 1, 2 to 3, 4 to 7 events, of whom
popularity knows most, and of others."""
_LEAST = 20
"""Events of a length of history before which its weight stays what it is."""
_KEPT = 4096.0
"""Events of a bucket and length after which their sums are halved: worlds change."""
_CHOICES = np.concatenate([np.zeros(1, np.float32), GRID])


@kernel
def history_of(positives: Integer) -> Integer:
    """Return which length of history a number of events is."""
    found, left = 0, positives
    while left > 1 and found < HISTORIES - 1:
        left >>= 1
        found += 1
    return found


@kernel
def gains_of(
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    a: ItemArrays,
    marks: NDArray[np.int64],
    mark: Integer,
    target: Integer,
    ranks: NDArray[np.float32],
    gains: NDArray[np.float64],
) -> None:
    """Set what each weight would have gained at an event, (CHOICES,).

    Parameters
    ----------
    first, second : float32[R]
        Scores without popularity, and popularity.
    ranks : float32[CHOICES]
        Scratch memory.
    """
    rank_by_weights(first, second, GRID, a, marks, mark, target, ranks)
    for k in range(CHOICES):
        gains[k] = worth(ranks[k]) - worth(ranks[_FIRST])


@kernel
def choose(p: PopularArrays, history: Integer) -> None:
    """Take the weight that surely gains most on the one to begin with; that one by default."""
    sums, start = p.total[history], _STARTS[history]
    best: Integer = start
    most: Real = 0.0
    if sums[0] >= _LEAST:
        held, spread = _gain(sums, start)
        for k in range(CHOICES):
            mean, other = _gain(sums, k)
            # at an event the gains of all weights go the same way, more or less far
            sure = mean - held - abs(other - spread) / np.sqrt(sums[0])
            if sure > most:
                best, most = k, sure
    p.weights[history] = _CHOICES[best]


@kernel
def _gain(sums: NDArray[np.float64], k: Integer) -> tuple[Real, Real]:
    """Return the mean and the standard deviation of what a weight gained."""
    mean = sums[1 + k] / sums[0]
    return mean, np.sqrt(max(sums[1 + CHOICES + k] / sums[0] - mean * mean, 0.0))


@kernel
def learn(p: PopularArrays, history: Integer, gains: NDArray[np.float64]) -> None:
    """Learn from one event what each weight would have gained at it, (CHOICES,)."""
    bucket, total = p.bucket[history], p.total[history]
    for side in (bucket, total):
        side[0] += 1
        for k in range(CHOICES):
            side[1 + k] += gains[k]
            side[1 + CHOICES + k] += gains[k] * gains[k]
    if bucket[0] > _KEPT:
        for at in range(len(bucket)):
            bucket[at] /= 2
            total[at] -= bucket[at]
    p.changed[0] = True
    choose(p, history)


@entry
def choose_all(p: PopularArrays) -> None:
    """Choose the weight of every length of history."""
    for history in range(HISTORIES):
        choose(p, history)


class PopularityWeights(BucketSums[PopularArrays]):
    """The weights of a worker, and the sums of its user buckets that they are learnt from."""

    def __init__(self) -> None:
        self.weights = _CHOICES[_STARTS]
        """(HISTORIES,)"""
        super().__init__(no_sums())

    def _arrays(self, sums: NDArray[np.float64], changed: NDArray[np.bool_]) -> PopularArrays:
        return PopularArrays(self.weights, sums, self._total, changed)

    def _follow(self, restored: PopularArrays) -> None:
        choose_all(restored)

    @property
    def serving(self) -> PopularArrays:
        """The weights alone, for lists."""
        return PopularArrays.none()._replace(weights=self.weights)


def no_sums() -> NDArray[np.float64]:
    """Return sums over nothing, float64[HISTORIES, GAINS]."""
    return np.zeros((HISTORIES, GAINS), np.float64)
