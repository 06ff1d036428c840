"""Differences: what a worker has learnt of items between two messages.

Every worker moves the factors of its own copy at once. What the others have not been told is the
difference to `ItemArrays.told`, which everybody adds up: one row a second or two, however many
events moved it. What half precision cannot say stays for the next time. Steps that others take as
well are shortened before they are told, see `models.items.damping`.

K = 2 F + 4 numbers a row: factors, factors as context, bias, and the AdaGrad sums of the three.
Where factors m and bias have variances v, K = 3 F + 2: m / v and 1 / v of factors and bias, in
which what several have learnt adds up without going too far (the information form of a Kalman
filter: Mutambara, Decentralized Estimation and Control, 1998), and the factors as context.
"""

import numpy as np
from numpy.typing import NDArray

from models.arrays.items import MOVED, TOLD, ItemArrays
from models.columns.accepted import AcceptedBatch
from models.columns.events import OFFSET_BITS
from models.compiled import Integer, Truth, compiled
from models.factors.steps import START
from models.index.ceilings import raise_all
from models.index.moved import next_moved, note
from models.items.damping import Together, shorten
from models.params.rating import GROWTH

_SINGLES = ("bias", "gradient_sum", "context_gradient_sum", "bias_gradient_sum")
_MOST = np.float32(60_000)
"""Half precision reaches 65,504."""
_GROWTH = np.float32(GROWTH)


def width_of(factors: int, context: int, variances: int = 0) -> int:
    """Return K; 0 in a model with neither, whose events tell what they moved."""
    if variances:
        return 2 * variances + context
    return factors + context + len(_SINGLES) if context else 0


def vectors(a: ItemArrays, rows: NDArray[np.int32] | slice) -> NDArray[np.float32]:
    """Return (m, K) what is learnt of rows."""
    if a.told.shape[1] == 0:
        return a.told[rows]
    if a.variance.shape[1]:  # m / v, 1 / v
        precision = 1 / a.variance[rows]
        means = np.hstack([a.factors[rows], a.bias[rows][:, None]])
        return np.hstack([precision * means, precision, a.context[rows]])
    return np.hstack(
        [a.factors[rows], a.context[rows], *(getattr(a, n)[rows][:, None] for n in _SINGLES)]
    )


def take(
    a: ItemArrays, most: int, *, received: bool = False, together: Together | None = None
) -> tuple[NDArray[np.int32], NDArray[np.float16]]:
    """Return the rows that wait longest to be told, and their differences; they are told now.

    Parameters
    ----------
    most : int
        Rows at most.
    received : bool
        Only those of which an authoritative row was received; the others wait on.
    together : Together, optional
        How others learn at the same time; without, nobody does.

    Returns
    -------
    int32[m], float16[m, K]
    """
    waiting = int(a.counters[MOVED] - a.counters[TOLD])
    rows = _next(a, min(most, waiting), waiting, received)
    moved = untold(a, rows)
    if together and together.ratio > 1 and not a.variance.shape[1]:  # information adds up as it is
        _shorten(a, rows, moved, together)
    differences = np.clip(moved, -_MOST, _MOST).astype(np.float16)
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
    _set_within(a, rows, vectors(a, rows) + differences, radius)


def add_batch(
    a: ItemArrays,
    batch: AcceptedBatch,
    rows: NDArray[np.int32],
    owned: NDArray[np.bool_] | None,
    until: NDArray[np.int64],
    radius: float,
) -> None:
    """Add what a batch says of rows that may be changed and do not contain it yet.

    Parameters
    ----------
    rows : int32[D]
        Of the batch's keys, -1 for none.
    owned : bool[D], optional
        Keys whose rows are to be changed, by default all.
    until
        See `models.index.marks`.
    """
    moved, newest = rows[batch.moved], batch.coordinate[-1]
    taken = (moved >= 0) & (until[a.mark[moved], newest >> OFFSET_BITS] < newest)
    if owned is not None:
        taken &= owned[batch.moved]
    add(a, moved[taken], batch.differences[taken], radius)


def replace(
    a: ItemArrays, rows: NDArray[np.int32], before: NDArray[np.float32], radius: float
) -> None:
    """Keep what nobody was told yet of rows that were overwritten; `before` is what was not."""
    if a.told.shape[1]:
        a.told[rows] = vectors(a, rows)
        some = before.any(axis=1)
        _set_within(a, rows[some], a.told[rows[some]] + before[some], radius)


def untold(a: ItemArrays, rows: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return (m, K) what nobody was told yet."""
    return vectors(a, rows) - a.told[rows]


def _shorten(
    a: ItemArrays, rows: NDArray[np.int32], moved: NDArray[np.float32], together: Together
) -> None:
    """Take back, here too, what several workers together would move rows too far."""
    told, factors = a.told[rows], a.factors.shape[1]
    bias = factors + a.context.shape[1]
    for columns, of, rate in (
        (slice(factors), "gradient_sum", together.rate),
        (slice(factors, bias), "context_gradient_sum", together.rate),
        (bias, "bias_gradient_sum", together.bias_rate),
    ):
        at = bias + _SINGLES.index(of)
        before, added = START + told[:, at], moved[:, at]
        shorten(moved[:, columns], before, added, ratio=together.ratio, rate=rate)
    _set(a, rows, told + moved)
    raise_all(a, rows)


def _set_within(
    a: ItemArrays, rows: NDArray[np.int32], values: NDArray[np.float32], radius: float
) -> None:
    """Set rows, shortened to the ball; what that takes away is nobody's to tell.

    Every copy shortens by itself. Told as well, it would be taken off once by each.
    """
    _set(a, rows, values)
    for columns in (a.factors, a.context):
        length = np.linalg.norm(columns[rows], axis=1, keepdims=True)
        columns[rows] *= np.minimum(1, radius / np.maximum(length, 1e-12))
    a.bias[rows] = np.clip(a.bias[rows], -radius, radius)
    a.told[rows] += vectors(a, rows) - values
    raise_all(a, rows)


def _set(a: ItemArrays, rows: NDArray[np.int32], values: NDArray[np.float32]) -> None:
    if a.variance.shape[1]:
        _set_means(a, rows, values)
        return
    factors, context = a.factors.shape[1], a.context.shape[1]
    a.factors[rows] = values[:, :factors]
    a.context[rows] = values[:, factors : factors + context]
    for n, name in enumerate(_SINGLES, factors + context):
        # sums of squares cannot fall below none
        single = values[:, n] if name == "bias" else np.maximum(values[:, n], 0)
        getattr(a, name)[rows] = single


def _set_means(a: ItemArrays, rows: NDArray[np.int32], values: NDArray[np.float32]) -> None:
    """Set rows from the information form; variances stay in (0, GROWTH x first value]."""
    factors, width = a.factors.shape[1], a.variance.shape[1]
    precision = np.maximum(values[:, width : 2 * width], 1 / (_GROWTH * a.first_variance))
    means = values[:, :width] / precision
    a.variance[rows] = 1 / precision
    a.factors[rows], a.bias[rows] = means[:, :factors], means[:, factors]
    a.context[rows] = values[:, 2 * width :]


@compiled
def _next(a: ItemArrays, most: Integer, waiting: Integer, received: Truth) -> NDArray[np.int32]:
    rows, n = np.empty(most, np.int32), 0
    for _ in range(waiting):  # once round at most: those that wait on are last again
        if n == most:
            break
        row = next_moved(a)
        if row < 0:
            break
        if received and a.mark[row] == 0:
            note(a, row)
        else:
            rows[n] = row
            n += 1
    return rows[:n].copy()
