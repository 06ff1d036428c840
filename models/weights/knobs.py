r"""Knobs of scores that find themselves, by the gradient of what ranked events were worth.

How far back a user's last items count, how much their popularity is held against them, and what
factors and neighbours weigh depends on the data. Every event that is ranked before it is learnt
says which way each knob should go (`models.ranking.slopes`): g, the gradient of its worth by the
knob in notches. The knobs follow by an online Newton step with a diagonal (Hazan, Agarwal and Kale,
Machine Learning 69, 2007), in two sums that add up over events, buckets and workers:

.. math:: pull \mathrel{+}= g + g^2 \psi, \quad push \mathrel{+}= g^2, \quad
    \psi = \frac{pull}{V_0 + push}

with :math:`\psi` the notches that a knob stands away from its start. Where events say nothing, it
stays there. Nothing is explored, and what is learnt of items and users does not depend on it.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.arrays.weights import KNOBS, TUNINGS, TunedArrays
from models.compiled import kernel
from models.params.ranking import RankingParams
from models.weights.sums import BucketSums

NAMES = ("source_decay", "source_norm", "factors_weight", "neighbour_weight")
"""(KNOBS,) fields of `RankingParams`, in the order of all columns."""
NOTCHES = (0.1, 0.15, 0.2, 0.25)
"""(KNOBS,) step of each, of the last two in the logarithm."""
_LOWEST = np.array([0.1, 0.0, 0.1, 0.05])
_HIGHEST = np.array([1.0, 1.0, 1.0, 4.0])
_LOGARITHMIC = np.array([False, False, True, True])
_STIFF = 0.2
"""V_0: squared gradients that holding on to the start is worth."""
_KEPT = 8192.0
"""Events of a bucket after which its sums are halved: worlds change. They are 5,000 or so."""
_WORSE = 4.0
"""Worth that was lost by what is served against the starts, after which they begin anew."""


@kernel
def learn(t: TunedArrays) -> None:
    """Add the gradient of one event, `TunedArrays.gradient`, to the sums."""
    for side in (t.bucket, t.total):
        side[0] += 1
        for k in range(KNOBS):
            g = t.gradient[k]
            side[1 + k] += g + g * g * t.steps[k]
            side[1 + KNOBS + k] += g * g
    if t.bucket[0] > _KEPT:
        for at in range(len(t.bucket)):
            t.bucket[at] /= 2
            t.total[at] -= t.bucket[at]
    t.changed[0] = True


class TunedKnobs(BucketSums[TunedArrays]):
    """The knobs of a worker, and the sums of its user buckets that they follow from.

    Parameters
    ----------
    start : RankingParams
        What they are before anything is known.
    """

    def __init__(self, start: RankingParams) -> None:
        self._start = start
        self.start = np.array([getattr(start, name) for name in NAMES], np.float64)
        """(KNOBS,)"""
        self.steps = np.zeros(KNOBS)
        """(KNOBS,) notches from there."""
        self.served = start
        """The parameters with the knobs as they are served."""
        self._bounds = _bounds(self.start)
        super().__init__(no_sums())
        self._worse = np.zeros(1)

    def _arrays(self, sums: NDArray[np.float64], changed: NDArray[np.bool_]) -> TunedArrays:
        return TunedArrays(
            start=self.start,
            steps=self.steps,
            bucket=sums,
            total=self._total,
            changed=changed,
            worse=self._worse,
            gradient=np.zeros(KNOBS),
            slopes=np.zeros((4, KNOBS)),
        )

    def _follow(self, restored: TunedArrays) -> None:  # noqa: ARG002  # all follow the total
        self.move()

    def move(self) -> None:
        """Move the knobs to where the sums say; once a micro-batch, after it was learnt."""
        if self._worse[0] > _WORSE:
            self._forget()
        pull, push = self._total[1 : 1 + KNOBS], self._total[1 + KNOBS :]
        # what is left of sums that were taken away may be a bit below 0
        steps = pull / (_STIFF + np.maximum(push, 0))
        self.steps[:] = np.clip(steps, *self._bounds)
        found: dict[str, Any] = self.values()
        self.served = replace(self._start, **found)

    def values(self) -> dict[str, float]:
        """Return the knobs as they are served, by their names."""
        way = np.array(NOTCHES) * self.steps
        found = np.where(_LOGARITHMIC, self.start * np.exp(way), self.start + way)
        # one that is set beyond a bound may come back from there, and does not jump
        low, high = np.minimum(_LOWEST, self.start), np.maximum(_HIGHEST, self.start)
        moved = np.where(self.steps == 0, self.start, np.clip(found, low, high))
        return dict(zip(NAMES, moved.tolist(), strict=True))

    def _forget(self) -> None:
        """Begin anew: the world is another one."""
        self._worse[0] = 0
        self._total[:] = 0
        for arrays in self._buckets.values():
            arrays.changed[0] |= arrays.bucket.any()
            arrays.bucket[:] = 0


def _bounds(start: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how many notches each knob may go; one that starts at a weight of 0 stays."""
    known = np.maximum(start, 1e-12)
    low = np.where(_LOGARITHMIC, np.log(np.maximum(_LOWEST, 1e-12) / known), _LOWEST - start)
    high = np.where(_LOGARITHMIC, np.log(_HIGHEST / known), _HIGHEST - start)
    moves = (start > 0) | ~_LOGARITHMIC
    low, high = np.where(moves, np.minimum(low, 0), 0), np.where(moves, np.maximum(high, 0), 0)
    return low / NOTCHES, high / NOTCHES


def no_sums() -> NDArray[np.float64]:
    """Return sums over nothing, float64[TUNINGS]."""
    return np.zeros(TUNINGS)
