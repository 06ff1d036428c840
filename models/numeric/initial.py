"""Starting points of factors: random, yet the same on every machine and after every restart."""

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled, kernel

GAMMA = np.uint64(0x9E3779B97F4A7C15)
INITIAL_DEVIATION = 0.05
"""Standard deviation of the factors of a new item."""
_SPREAD = np.sqrt(12.0 / 8.0) / 65536.0
"""Makes the sum of eight 16-bit numbers one of variance 1."""


@compiled
def initial_factors(
    keys: NDArray[np.uint64], seed: int, factors: int, deviation: float
) -> NDArray[np.float32]:
    """Return the factors that users or items start with, about N(0, deviation²).

    A number is the sum of eight uniform 16-bit ones (Irwin-Hall), cut from two words of a
    SplitMix64 stream that starts from the seed and the key: integers only, so that no two
    maths libraries can disagree.

    Parameters
    ----------
    keys : uint64[n]
        `models.keys.key_of` of the ids.
    seed : int
        Of the model.
    factors : int
        Length F of a row.
    deviation : float

    Returns
    -------
    float32[n, F]
    """
    rows = np.empty((len(keys), factors), np.float32)
    scale = np.float32(deviation * _SPREAD)
    for i in range(len(keys)):
        word = scrambled(keys[i] ^ scrambled(np.uint64(seed)))
        for f in range(factors):
            total = np.int64(0)
            for _ in range(2):
                word += GAMMA
                bits = scrambled(word)
                for shift in range(0, 64, 16):
                    total += np.int64(bits >> np.uint64(shift) & np.uint64(0xFFFF))
            # eight times 65535 / 2, the mean, is an integer
            rows[i, f] = np.float32(total - 262140) * scale
    return rows


@kernel
def scrambled(word: np.uint64) -> np.uint64:
    """Return the word after SplitMix64's finaliser (Steele, Lea and Flood, 2014)."""
    word = (word ^ word >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ word >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return word ^ word >> np.uint64(31)
