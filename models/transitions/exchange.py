"""Transition rows on their way out of a worker and into another."""

import numpy as np
from numpy.typing import NDArray

from models.arrays.transitions import TransitionArrays
from models.compiled import Integer, compiled, entry
from models.transitions.rows import heaviest, replace


@compiled
def entries(
    t: TransitionArrays, x: Integer, limit: Integer
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return successors and weights of the heaviest entries of a row, in no order."""
    held = heaviest(t, x, limit)
    return t.spare_successor[:held].copy(), t.spare_weight[:held].copy()


@compiled
def export_rows(
    t: TransitionArrays, rows: NDArray[np.int32], limit: Integer
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
    """Return bounds, successor rows and weights of the heaviest entries of rows."""
    start = np.zeros(len(rows) + 1, np.int64)
    for n in range(len(rows)):
        start[n + 1] = start[n] + min(t.fill[rows[n]], limit)
    successors = np.empty(start[-1], np.int32)
    weights = np.empty(start[-1], np.float32)
    for n in range(len(rows)):
        held = heaviest(t, rows[n], limit)
        successors[start[n] : start[n + 1]] = t.spare_successor[:held]
        weights[start[n] : start[n + 1]] = t.spare_weight[:held]
    return start, successors, weights


@entry
def replace_row(
    t: TransitionArrays,
    row: Integer,
    successors: NDArray[np.int32],
    weights: NDArray[np.float32],
) -> None:
    """Replace a row of transitions; successors that have no row here are left out."""
    replace(t, row, successors, weights)
