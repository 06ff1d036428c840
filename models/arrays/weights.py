"""Sums by which weights and knobs of scores find themselves, as compiled functions see them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

WEIGHTS = 9
"""Weights of the deep score that are compared, see `models.weights.blend`."""
LOSSES = 2 + 2 * WEIGHTS
"""Numbers that scored events add to, see `models.weights.blend`."""
HISTORIES = 10
"""Lengths of a user's history that are told apart: 1, 2-3, 4-7, …, 512 and more events."""
CHOICES = 11
"""Weights of popularity that are compared, see `models.weights.popularity`."""
GAINS = 1 + 2 * CHOICES
"""Numbers that scored events add to for each length of history."""

KNOBS = 4
"""Knobs of scores that find themselves, see `models.weights.knobs`."""
TUNINGS = 1 + 2 * KNOBS
"""Numbers that scored events add to for them."""


class PopularArrays(NamedTuple):
    """Weights of popularity, see `models.weights.popularity`; all empty in a model without."""

    weights: NDArray[np.float32]
    """(HISTORIES,) by length of history."""
    bucket: NDArray[np.float64]
    """(HISTORIES, GAINS) sums of the user bucket at hand."""
    total: NDArray[np.float64]
    """(HISTORIES, GAINS) of all buckets of the worker."""
    changed: NDArray[np.bool_]
    """(1,) whether the bucket's differ from those stored."""

    @classmethod
    def none(cls) -> "PopularArrays":
        """Return what stands for a model without."""
        empty = np.empty((0, GAINS))
        return cls(np.empty(0, np.float32), empty, empty, np.zeros(1, np.bool_))


class TunedArrays(NamedTuple):
    """Positions of the knobs of scores, see `models.weights.knobs`; empty where they are fixed."""

    start: NDArray[np.float64]
    """(KNOBS,)"""
    steps: NDArray[np.float64]
    """(KNOBS,) notches from there, as served."""
    bucket: NDArray[np.float64]
    """(TUNINGS,) sums of the user bucket at hand: events, pulls, pushes."""
    total: NDArray[np.float64]
    """(TUNINGS,) of all buckets of the worker."""
    changed: NDArray[np.bool_]
    """(1,) whether the bucket's differ from those stored."""
    worse: NDArray[np.float64]
    """(1,) worth that was lost lately against the starts."""
    gradient: NDArray[np.float64]
    """(KNOBS,) scratch: of the event at hand."""
    slopes: NDArray[np.float64]
    """(4, KNOBS) scratch."""

    @classmethod
    def none(cls) -> "TunedArrays":
        """Return what stands for knobs that stay."""
        empty = np.empty(0)
        changed = np.zeros(1, np.bool_)
        return cls(empty, empty, empty, empty, changed, empty, empty, np.empty((0, KNOBS)))
