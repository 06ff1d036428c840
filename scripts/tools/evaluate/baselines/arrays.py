"""Arrays of the baselines as compiled functions see them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class BprArrays(NamedTuple):
    """What BPR learns, F factors; U users, I items."""

    users: NDArray[np.float32]
    """(U, F)"""
    items: NDArray[np.float32]
    """(I, F)"""
    bias: NDArray[np.float32]
    """(I,)"""
    counts: NDArray[np.int64]
    known: NDArray[np.int32]
    """(I,) items with an event, in the order of their first; `size` are in use."""
    size: NDArray[np.int64]
    """(1,)"""
    scores: NDArray[np.float64]
    seen: NDArray[np.int64]
    seed: int
