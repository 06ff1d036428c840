"""What a worker learns of items between two messages, as differences of the rows it moved.

Every worker moves the factors of its own copy at once. What the others have not been told is the
difference to `ItemArrays.told`, which everybody adds up: one row a second or two, however many
events moved it. What half precision cannot say stays for the next time.

K = 2 F + 4 numbers a row: factors, factors as context, bias, and the AdaGrad sums of the three.
"""

import numpy as np
from numpy.typing import NDArray

from models.arrays import MOVED, TOLD, ItemArrays
from models.compiled import Integer, compiled
from models.items.moved import next_moved

_SINGLES = ("bias", "gradient_sum", "context_gradient_sum", "bias_gradient_sum")
_MOST = np.float32(60_000)
"""Half precision reaches 65,504."""


def width_of(factors: int, context: int) -> int:
    """Return K; 0 in a model without context factors, whose events tell what they moved."""
    return factors + context + len(_SINGLES) if context else 0


def vectors(a: ItemArrays, rows: NDArray[np.int32] | slice) -> NDArray[np.float32]:
    """Return (m, K) what is learnt of rows."""
    if a.told.shape[1] == 0:
        return a.told[rows]
    return np.hstack(
        [a.factors[rows], a.context[rows], *(getattr(a, n)[rows][:, None] for n in _SINGLES)]
    )


def take(a: ItemArrays, most: int) -> tuple[NDArray[np.int32], NDArray[np.float16]]:
    """Return the rows that wait longest to be told, and their differences; they are told now.

    Parameters
    ----------
    most : int
        Rows at most.

    Returns
    -------
    int32[m], float16[m, K]
    """
    waiting = int(a.counters[MOVED] - a.counters[TOLD])
    rows = _next(a, min(most, waiting))
    differences = np.clip(vectors(a, rows) - a.told[rows], -_MOST, _MOST).astype(np.float16)
    a.told[rows] += differences
    return rows, differences


def add(
    a: ItemArrays, rows: NDArray[np.int32], differences: NDArray[np.float16], radius: float
) -> None:
    """Add what others have learnt of some distinct rows.

    Parameters
    ----------
    radius : float
        Largest norm of a factor vector, and largest bias: two who go the same way go too far.
    """
    a.told[rows] += differences
    _set(a, rows, vectors(a, rows) + differences)
    for columns in (a.factors, a.context):
        length = np.linalg.norm(columns[rows], axis=1, keepdims=True)
        columns[rows] *= np.minimum(1, radius / np.maximum(length, 1e-12))
    a.bias[rows] = np.clip(a.bias[rows], -radius, radius)


def replace(a: ItemArrays, rows: NDArray[np.int32], before: NDArray[np.float32]) -> None:
    """Keep what nobody was told yet of rows that were overwritten; `before` is what was not."""
    if a.told.shape[1]:
        a.told[rows] = vectors(a, rows)
        _set(a, rows, a.told[rows] + before)


def untold(a: ItemArrays, rows: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return (m, K) what nobody was told yet."""
    return vectors(a, rows) - a.told[rows]


def _set(a: ItemArrays, rows: NDArray[np.int32], values: NDArray[np.float32]) -> None:
    factors, context = a.factors.shape[1], a.context.shape[1]
    a.factors[rows] = values[:, :factors]
    a.context[rows] = values[:, factors : factors + context]
    for n, name in enumerate(_SINGLES, factors + context):
        # sums of squares cannot fall below none
        single = values[:, n] if name == "bias" else np.maximum(values[:, n], 0)
        getattr(a, name)[rows] = single


@compiled
def _next(a: ItemArrays, most: Integer) -> NDArray[np.int32]:
    rows = np.empty(most, np.int32)
    for n in range(most):
        row = next_moved(a)
        if row < 0:
            return rows[:n].copy()
        rows[n] = row
    return rows
