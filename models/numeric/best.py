"""The few best of many: a short list kept in order while everything is looked at once."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.compiled import Integer, Real, Truth, kernel


@kernel
def keep_best(
    rows: NDArray[np.int32],
    scores: NDArray[Any],
    u: Integer,
    held: Integer,
    row: Integer,
    score: Real,
) -> Integer:
    """Insert a row into list u, if it is one of the best so far; of equals the lowest row is first.

    Parameters
    ----------
    rows, scores : (U, k) arrays
        The first `held` places of row u are in use, best first.

    Returns
    -------
    int
        Places in use now.
    """
    at = held
    if held == rows.shape[1]:
        if held == 0 or not _before(row, score, rows[u, held - 1], scores[u, held - 1]):
            return held
        at -= 1
    else:
        held += 1
    while at > 0 and _before(row, score, rows[u, at - 1], scores[u, at - 1]):
        rows[u, at] = rows[u, at - 1]
        scores[u, at] = scores[u, at - 1]
        at -= 1
    rows[u, at] = row
    scores[u, at] = score
    return held


@kernel
def _before(row: Integer, score: Real, other: Integer, its_score: Real) -> Truth:
    return score > its_score or (score == its_score and row < other)
