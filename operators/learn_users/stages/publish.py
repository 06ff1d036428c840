"""Publish: when other workers receive what was learnt of items, and of how many."""

import time

import numpy as np
from numpy.typing import NDArray

from models.items.damping import Together
from models.items.differences import take
from models.items.table import Items
from operators.params import LearningParams

_LONGEST = 2.0
"""Seconds whose budget one message has at most."""


class Publishing:
    """Decides when differences of items are published, and of how many."""

    def __init__(self, params: LearningParams) -> None:
        self._width = params.differences
        self._rates = params.ranking.rate, params.ranking.bias_rate
        self._wait = params.delta_ms / 1000
        self._bytes_per_second, self._most = params.delta_bytes_per_second, params.delta_bytes
        self._published = -np.inf

    def __call__(
        self, items: Items, *, received: bool, ratio: float = 1.0
    ) -> tuple[NDArray[np.int32], NDArray[np.float16]]:
        """Return rows and their differences, see `models.items.differences.take`."""
        now = time.monotonic()
        elapsed = now - self._published
        if not self._width or elapsed < self._wait:
            return np.empty(0, np.int32), np.empty((0, self._width), np.float16)
        self._published = now
        seconds = max(self._wait, min(elapsed, _LONGEST))
        room = min(self._most, self._bytes_per_second * seconds)
        most = max(1, int(room / (12 + 2 * self._width)))
        together = Together(ratio, *self._rates)
        return take(items.arrays, most, received=received, together=together)
