"""The few best of many: a short list kept in order while everything is looked at once."""

import numpy as np
from numpy.typing import NDArray

from models.compiled import kernel


@kernel
def keep_best(
    rows: NDArray[np.int32], scores: NDArray[np.float32], held: int, row: int, score: float
) -> int:
    """Insert a row into the best so far, if it is one of them; of equals the first stays first.

    Parameters
    ----------
    rows, scores : (k,) arrays, the first `held` in use, best first.

    Returns
    -------
    int
        Entries held now.
    """
    if held == len(rows):
        if held == 0 or not score > scores[held - 1]:
            return held
        at = held - 1
    else:
        at = held
        held += 1
    while at > 0 and score > scores[at - 1]:
        rows[at] = rows[at - 1]
        scores[at] = scores[at - 1]
        at -= 1
    rows[at] = row
    scores[at] = score
    return held
