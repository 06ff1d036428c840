"""Evenly spread bits from 64-bit keys, in numpy: the trainer's interpreter has no compiler."""

import numpy as np
from numpy.typing import NDArray


def mixed(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return keys after SplitMix64's finaliser (Steele, Lea and Flood, 2014).

    As `models.numeric.initial.scrambled`, of many.
    """
    words = (keys ^ keys >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ words >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return words ^ words >> np.uint64(31)
