"""A drift alarm on the loss of what is served: the test of Page (Biometrika 1954), from River."""

from collections.abc import Sequence
from typing import Any

from river.drift import PageHinkley

_FORGIVEN = 0.1
"""Rise of the loss, in nats or of ratings in squared stars, that is no drift."""
_LIMIT = 8.0
"""Sum of what goes beyond it until the alarm: half a nat is heard after twenty windows."""
_SETTLED = 20
"""Windows before the first alarm."""
KEPT = 512
"""Means remembered, so that a restored alarm knows what the lost one knew."""


class DriftAlarm:
    """Told mean losses of windows in their order; says when they have risen.

    Parameters
    ----------
    losses : sequence of float
        Those that a former alarm was told since its last alarm.
    """

    def __init__(self, losses: Sequence[float] = ()) -> None:
        make: Any = PageHinkley  # without types
        self._detector = make(
            min_instances=_SETTLED, delta=_FORGIVEN, threshold=_LIMIT, alpha=1.0, mode="up"
        )
        for loss in losses:
            self.tell(loss)

    def tell(self, loss: float) -> bool:
        """Note the mean loss of a window; return whether losses are higher than they were."""
        self._detector.update(loss)
        return bool(self._detector.drift_detected)
