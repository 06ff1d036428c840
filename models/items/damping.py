r"""How far several workers may go together: each learns of a row what the others learn as well.

Between two tellings W workers set out from one row, and their steps are added up. AdaGrad shortens
the steps of one learner as its sum of squares grows; W learners, each with a W-th of the events, do
not see each other's squares, so what they add up to is up to :math:`\sqrt W` times too long, and
they all correct the same error. With G the sum before, u what one worker has added to it and m the
number of events that all workers have for each of its own, the steps of one learner of all events
would have been

.. math:: r = \frac{\sqrt{G + m u} - \sqrt G}{m (\sqrt{G + u} - \sqrt G)}
            = \frac{\sqrt{G + u} + \sqrt G}{\sqrt{G + m u} + \sqrt G}

times as long (the integral of AdaGrad's step, Duchi et al., JMLR 2011). That share of what was
moved is told, and kept. Shorter or longer steps than that made no difference with 16 workers.
"""

import numpy as np
from numpy.typing import NDArray

_PRIOR = 64.0
"""Events of this worker that what is expected of the others weighs as much as."""
_REMEMBERED = 1 << 15
"""Events after which what was counted weighs half."""


class Share:
    """How many events all workers learn for each one of this worker; from what it hears of them.

    Parameters
    ----------
    workers : int
        How many there are: what is expected before any are heard.
    """

    def __init__(self, workers: int = 1) -> None:
        self.workers = workers
        self._own = self._heard = 0.0

    @property
    def ratio(self) -> float:
        """Return m >= 1."""
        expected = _PRIOR * (max(1, self.workers) - 1)
        return 1 + (self._heard + expected) / (self._own + _PRIOR)

    def note(self, *, own: int = 0, heard: int = 0) -> None:
        """Count events."""
        self._own += own
        self._heard += heard
        if self._own + self._heard > _REMEMBERED:
            self._own, self._heard = self._own / 2, self._heard / 2


def shorten(
    moved: NDArray[np.float32],
    before: NDArray[np.float32],
    added: NDArray[np.float32],
    ratio: float,
) -> None:
    """Shorten in place what was moved, by rows.

    Parameters
    ----------
    moved : float32[m, …]
    before, added : float32[m]
        G, and u.
    ratio : float
        m.
    """
    added = np.maximum(added, 0)
    root = np.sqrt(before)
    share = (np.sqrt(before + added) + root) / (np.sqrt(before + ratio * added) + root)
    moved *= share.astype(np.float32).reshape(-1, *[1] * (moved.ndim - 1))
