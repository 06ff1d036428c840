"""Admission of new items: those that are seen often enough, by a sketch that forgets.

A count-min sketch with halving, as in TinyLFU (Einziger, Friedman and Manes, ACM ToS 13(4), 2017):
an item that comes once takes no room from one that comes again.
"""

import numpy as np
from numpy.typing import NDArray

_WIDTH = 1 << 18
_DEPTH = 2
_PERIOD = 8 * _WIDTH
"""Sightings after which all counts are halved."""
_MIXERS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F], np.uint64)
_SHIFT = np.uint64(64 - 18)


class Admission:
    """Admits keys from their n-th sighting on.

    Parameters
    ----------
    sightings : int
        n; 1 admits everything at once.
    """

    def __init__(self, sightings: int) -> None:
        self._sightings = sightings
        self._counts = np.zeros((_DEPTH, _WIDTH if sightings > 1 else 0), np.uint8)
        self._seen = 0

    @property
    def open(self) -> bool:
        """Return whether everything is admitted."""
        return self._sightings <= 1

    def __call__(self, keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Return which keys are admitted, this sighting included."""
        if self.open:
            return np.ones(len(keys), np.bool_)
        admitted = np.empty(len(keys), np.bool_)
        slots = (keys[:, None] * _MIXERS >> _SHIFT).astype(np.intp)
        for n, places in enumerate(slots):
            cells = np.arange(_DEPTH), places
            self._counts[cells] = np.minimum(self._counts[cells], 254) + 1
            admitted[n] = self._counts[cells].min() >= self._sightings
        self._seen += len(keys)
        if self._seen >= _PERIOD:
            self._seen = 0
            self._counts >>= 1
        return admitted
