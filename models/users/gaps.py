"""Time gaps between a user's events, in octaves: what the networks know of time."""

import numpy as np
from numpy.typing import NDArray

LONGEST = 23
"""2 ** 23 seconds are 97 days; a user's first event has this gap too."""


def gaps(seconds: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return floor(log2(1 + seconds)), at most `LONGEST`; a clock that went back is no gap.

    >>> gaps(np.array([-5.0, 0.0, 1.0, 2.9, 3.0, 1e12])).tolist()
    [0, 0, 1, 1, 2, 23]
    """
    octave = np.log2(1 + np.maximum(seconds, 0.0))
    result: NDArray[np.uint8] = np.minimum(octave, LONGEST).astype(np.uint8)
    return result
