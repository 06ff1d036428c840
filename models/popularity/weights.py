"""How much popularity weighs, learnt by what it brings to users of as long a history.

Of somebody new it may say more than anything else, of a regular little; how much depends on the
data. As with the deep model (`models.blend`), every event that is ranked before it is learnt is
ranked by each weight of a grid, and the weight is taken whose places are surely worth more than
those of the weight that all begin with.
"""

import numpy as np
from numpy.typing import NDArray

from models.arrays import CHOICES, GAINS, HISTORIES, ItemArrays
from models.compiled import Integer, kernel
from models.places import rank_by_weights, worth

GRID = np.array([0.1, 0.2, 0.3, 0.5, 0.8, 1.3, 2.0, 4.0, 8.0], np.float32)
"""(CHOICES - 1,) weights that popularity may have, besides 0; ascending."""
_FIRST = 2
_LEAST = 30
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
def add_gains(
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    a: ItemArrays,
    marks: NDArray[np.int64],
    mark: Integer,
    target: Integer,
    places: NDArray[np.float32],
    sums: NDArray[np.float64],
) -> None:
    """Add to the sums what each weight would have gained at an event.

    Parameters
    ----------
    first, second : float32[R]
        Scores without popularity, and popularity.
    places : float32[1 + W]
        Scratch memory.
    sums : float64[GAINS]
        Of the user's length of history.
    """
    rank_by_weights(first, second, GRID, a, marks, mark, target, places)
    sums[0] += 1
    for k in range(CHOICES):
        gain = worth(places[k]) - worth(places[_FIRST])
        sums[1 + k] += gain
        sums[1 + CHOICES + k] += gain * gain


class PopularityWeights:
    """The weights of a worker, and the sums of its user buckets that they are learnt from."""

    def __init__(self) -> None:
        self.weights = np.full(HISTORIES, _CHOICES[_FIRST], np.float32)
        """(HISTORIES,)"""
        self._sums: dict[int, NDArray[np.float64]] = {}
        self._total = no_sums()

    def knows(self, bucket: int) -> bool:
        """Return whether a bucket's sums were given."""
        return bucket in self._sums

    def restore(self, bucket: int, sums: NDArray[np.float64]) -> None:
        """Take the sums of a bucket as they were stored, float64[HISTORIES, GAINS]."""
        self._put(bucket, sums.copy())

    def learn(self, bucket: int, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Add the sums of a micro-batch; return those of its bucket."""
        kept = self._sums[bucket] if bucket in self._sums else no_sums()
        if not np.isfinite(sums).all():
            return kept
        kept = kept + sums
        kept[kept[:, 0] > _KEPT] /= 2
        self._put(bucket, kept)
        return kept

    def _put(self, bucket: int, sums: NDArray[np.float64]) -> None:
        before = self._sums.get(bucket)
        self._total += sums if before is None else sums - before
        self._sums[bucket] = sums
        for history, one in enumerate(self._total):
            self.weights[history] = _CHOICES[surest(one)]


def no_sums() -> NDArray[np.float64]:
    """Return sums over nothing, float64[HISTORIES, GAINS]."""
    return np.zeros((HISTORIES, GAINS), np.float64)


def surest(sums: NDArray[np.float64]) -> int:
    """Return the choice whose mean gain less its standard error is largest; the first by default.

    Parameters
    ----------
    sums : float64[GAINS]
    """
    events = sums[0]
    if events < _LEAST:
        return _FIRST
    mean, square = sums[1 : 1 + CHOICES] / events, sums[1 + CHOICES :] / events
    error = np.sqrt(np.maximum(square - mean**2, 0) / events)
    sure = mean - error
    best = int(np.argmax(sure))
    return best if sure[best] > 0 else _FIRST
