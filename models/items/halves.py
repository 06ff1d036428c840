"""Accepted events in two parts: what one record of the loop cannot hold travels in several."""

import numpy as np
from numpy.typing import NDArray

from models.arrays.work import Window
from models.columns.accepted import AcceptedBatch
from models.compiled import compiled
from models.items.dictionary import Dictionary
from models.users.history import empty_window, pack, remember, unpack


def halves(batch: AcceptedBatch, window: int) -> tuple[AcceptedBatch, AcceptedBatch]:
    """Return the first and the second half of the events; learning both is learning the whole.

    Parameters
    ----------
    batch : AcceptedBatch
        Of two events or more.
    window : int
        Last items of a user that an event is learnt after; 0 where there is no context.
    """
    middle = _cut(batch.coordinate)
    context = (batch.context, batch.context_start)
    later = _context_after(batch, middle, window) if window else context
    half = len(batch.moved) // 2
    return (
        _part(batch, slice(0, middle), slice(0, half), *context),
        _part(batch, slice(middle, None), slice(half, None), *later),
    )


def _cut(coordinate: NDArray[np.int64]) -> int:
    """Return about the middle, between two records where there are two."""
    edges = np.flatnonzero(np.diff(coordinate)) + 1
    middle = len(coordinate) // 2
    return int(edges[np.abs(edges - middle).argmin()]) if len(edges) else middle


def _context_after(
    batch: AcceptedBatch, events: int, window: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return every user's context once the first events are known, as indices into the keys."""
    last = empty_window(len(batch.context_start) - 1, window)
    unpack(last, batch.context, batch.context_start)
    _advance(last, batch.user[:events], batch.item[:events])
    return pack(last)


@compiled
def _advance(window: Window, user: NDArray[np.int32], item: NDArray[np.int32]) -> None:
    for e in range(len(user)):
        remember(window.rows, window.length, user[e], item[e])


def _part(
    batch: AcceptedBatch,
    events: slice,
    moved: slice,
    context: NDArray[np.int32],
    context_start: NDArray[np.int32],
) -> AcceptedBatch:
    """Return some of the events, with the users and keys they need and no others."""
    users, user = np.unique(batch.user[events], return_inverse=True)
    lengths = np.diff(context_start)[users]
    start = np.zeros(len(users) + 1, np.int32)
    np.cumsum(lengths, out=start[1:])
    chosen = np.repeat(context_start[users] - start[:-1], lengths) + np.arange(start[-1])
    negatives = batch.negatives[events]
    known, (item, own, compared, rows) = Dictionary()(
        len(batch.keys),
        batch.item[events],
        context[chosen],
        negatives.reshape(-1),
        batch.moved[moved],
    )
    return AcceptedBatch(
        origin=batch.origin,
        bucket=batch.bucket,
        keys=batch.keys[known],
        ids=[batch.ids[key] for key in known[: int(item.max()) + 1].tolist()],
        user=user.astype(np.int32),
        item=item,
        coordinate=batch.coordinate[events],
        weight=batch.weight[events],
        value=batch.value[events] if len(batch.value) else batch.value,
        time=batch.time,
        age=batch.age[events] if len(batch.age) else batch.age,
        context=own,
        context_start=start,
        factors=batch.factors[users],
        negatives=compared.reshape(negatives.shape),
        gradients=batch.gradients[events],
        user_keys=batch.user_keys[users] if len(batch.user_keys) else batch.user_keys,
        position=batch.position[events] if len(batch.position) else batch.position,
        moved=rows,
        differences=batch.differences[moved],
    )
