r"""Damping of steps where several workers learn the same of a row.

Between two publications W workers start from one row, and their steps are added up. AdaGrad
shortens the steps of one learner as its sum of squares grows, and the error they follow shrinks
with each of them. W learners, each with a W-th of the events, see neither: what they add up to is
too long, and where each has gone all the way, W times too long.

With G the sum before, u what one worker has added to it and m the number of events that all workers
have for each of its own, AdaGrad's steps with rate :math:`\eta` (Duchi et al., JMLR 2011) add up to

.. math:: c(u) = 2 \eta (\sqrt{G + u} - \sqrt G)

and as squared gradients are the Fisher information, which stands for the curvature (Amari, Neural
Computation 1998), what is left of the error is :math:`e^{-c}`. One learner of all events would have
removed :math:`1 - e^{-c(m u)}` of it, where each worker has removed :math:`1 - e^{-c(u)}`, so that

.. math:: r = \frac{1 - e^{-c(m u)}}{m (1 - e^{-c(u)})}

of what was moved is told, and kept: all of it after few steps, a W-th after many. G of F factors is
the mean of their squares: their rate is F times as large if all events lie in one direction, and
once if in all alike. The mean of the two, :math:`\sqrt F`, lets no item that comes into fashion
turn round and round while it is bought steadily. A burst after rounds without a buyer may still.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_PRIOR = 64.0
"""Events of this worker that what is expected of the others weighs as much as."""
_REMEMBERED = 1 << 15
"""Events after which what was counted weighs half."""

_NOTHING = 1e-30
"""Less has been added where nothing was moved."""


class Share:
    """Events all workers learn for each one of this worker, estimated from what it receives.

    Parameters
    ----------
    workers : int
        How many there are: what is expected before any are received.
    """

    def __init__(self, workers: int = 1) -> None:
        self.workers = workers
        self._own = self._received = 0.0

    @property
    def ratio(self) -> float:
        """Return m >= 1."""
        expected = _PRIOR * (max(1, self.workers) - 1)
        return 1 + (self._received + expected) / (self._own + _PRIOR)

    def note(self, *, own: int = 0, received: int = 0) -> None:
        """Count events."""
        self._own += own
        self._received += received
        if self._own + self._received > _REMEMBERED:
            self._own, self._received = self._own / 2, self._received / 2


class Together(NamedTuple):
    """Parameters of workers that learn next to each other."""

    ratio: float
    """m >= 1."""
    rate: float
    """Of factors."""
    bias_rate: float


def shorten(
    moved: NDArray[np.float32],
    before: NDArray[np.float32],
    added: NDArray[np.float32],
    *,
    ratio: float,
    rate: float,
) -> None:
    """Shorten in place what was moved, by rows.

    Parameters
    ----------
    moved : float32[m, F] or float32[m]
        Factors, or a bias.
    before, added : float32[m]
        G, and u.
    ratio, rate : float
        m, and that of a step.
    """
    added = np.maximum(added, 0)
    rate *= 2 * np.sqrt(moved[:1].size)
    one, every = (
        rate * u / (np.sqrt(before + u) + np.sqrt(before)) for u in (added, ratio * added)
    )
    share = np.ones(len(moved), np.float32)
    np.divide(np.expm1(-every), ratio * np.expm1(-one), out=share, where=one > _NOTHING)
    moved *= share.reshape(-1, *[1] * (moved.ndim - 1))
