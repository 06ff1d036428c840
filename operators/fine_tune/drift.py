"""A drift alarm on the loss of what is served: the test of Page (Biometrika 1954), from River."""

from collections.abc import Sequence
from typing import Any

from river.drift import PageHinkley

_FORGIVEN = 0.1
"""Rise of the loss, in nats or of ratings in squared stars, that is no drift."""
_LIMIT = 8.0
"""Sum of what goes beyond it until the alarm: half a nat raises it after twenty windows."""
_SETTLED = 20
"""Windows before the first alarm."""
_MEMORY = 100
"""Windows that the mean is of: it forgets the first hours, in which losses are high and fall."""
KEPT = 512
"""Means remembered, so that a restored alarm knows what the lost one knew."""


class _Recent:
    """A mean that weighs what it is told as one of so many at least; as River's `Mean`."""

    def __init__(self) -> None:
        self.n, self._mean = 0, 0.0

    def update(self, x: float) -> None:
        self.n = min(self.n + 1, _MEMORY)
        self._mean += (x - self._mean) / self.n

    def get(self) -> float:
        return self._mean


class _PageHinkley(PageHinkley):
    """River's, whose mean is over everything since it began."""

    def _reset(self) -> None:
        super()._reset()  # type: ignore[no-untyped-call]
        self._x_mean: Any = _Recent()


class DriftAlarm:
    """Told mean losses of windows in their order; says when they have risen.

    Parameters
    ----------
    losses : sequence of float
        Those that a former alarm was told since its last alarm.
    """

    def __init__(self, losses: Sequence[float] = ()) -> None:
        make: Any = _PageHinkley  # without types
        self._detector = make(
            min_instances=_SETTLED, delta=_FORGIVEN, threshold=_LIMIT, alpha=1.0, mode="up"
        )
        for loss in losses:
            self.tell(loss)

    def tell(self, loss: float) -> bool:
        """Note the mean loss of a window; return whether losses are higher than they were."""
        self._detector.update(loss)
        return bool(self._detector.drift_detected)
