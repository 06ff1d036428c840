"""Ratings among a user's events, each learnt by the filter of `models.rating.kalman`."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.arrays.deep import DeepArrays
from models.arrays.events import BatchArrays, EventArrays, LearntArrays
from models.arrays.items import ItemArrays
from models.arrays.users import UserArrays
from models.compiled import Integer, Real, Truth, entry, kernel
from models.deep.part import part_of
from models.index.marks import is_new
from models.index.moved import note
from models.rating.kalman import held_by, learn_sides
from models.rating.kalman_arrays import Kalman
from models.rating.shared import (
    Scale,
    clipped,
    count_rating,
    is_due,
    is_rating,
    mean_rating,
    remember_event,
)
from models.rating.stacking import add_event


class Work(NamedTuple):
    """Everything that kernels need at hand, with the users of one micro-batch."""

    users: UserArrays
    items: ItemArrays
    scale: Scale
    model: Kalman
    rated: NDArray[np.uint64]
    """(U, H) keys of the items in the model's rings."""
    deep: DeepArrays
    """What the refitted model says of the ratings."""


@entry
def learn_events(
    events: EventArrays,
    rows: NDArray[np.int32],
    fresh: NDArray[np.bool_],
    scored: NDArray[np.bool_],
    work: Work,
    until: NDArray[np.int64],
    out: LearntArrays,
) -> None:
    """Learn events in order; see `models.rating.ekf.FilteredRating.learn`."""
    for e in range(len(rows)):
        if rows[e] >= 0 and events.counts[e] and is_rating(events.value[e], work.scale):
            new = fresh[e] and is_new(until, work.items, rows[e], events.coordinate[e])
            expected = _learn_rating(e, rows[e], new, events, work)
            if scored[e]:
                expected = _served(e, rows[e], events.value[e], expected, work, out)
                out.error[e] = events.value[e] - expected
        remember_event(e, events, work.users, work.scale.strong)


@entry
def count_events(batch: BatchArrays, fresh: NDArray[np.bool_], a: ItemArrays, scale: Scale) -> None:
    """Count the ratings another worker accepted; what they taught comes as differences."""
    for e in range(len(batch.item)):
        if fresh[e] and is_due(e, batch, a, scale):
            count_rating(a, batch.rows[batch.item[e]], batch.value[e], batch.time[e])


@kernel
def _served(
    e: Integer, row: Integer, value: Real, expected: Real, work: Work, out: LearntArrays
) -> Real:
    """Return what is predicted to whoever asks, and let the weights' sums know of both models."""
    deep, first = work.deep, clipped(expected, work.scale)
    if len(deep.row) == 0 or deep.row[e] < 0:
        return first
    second = clipped(part_of(deep, deep.row[e], row), work.scale)
    return add_event(first, second, deep.weight, value, out.loss)


@kernel
def _learn_rating(e: Integer, row: Integer, new: Truth, events: EventArrays, work: Work) -> Real:
    """Learn one rating, of items only where it is new; return what was predicted before."""
    model, a, u, value = work.model, work.items, events.user[e], events.value[e]
    before = model.users.past_count[u]
    if new:
        _note_moved(u, row, model, a)
    model.mean[0] = mean_rating(a, work.scale)
    expected = learn_sides(model, u, row, value, events.time[e], new)
    if model.users.past_count[u] > before:
        work.rated[u, before % work.rated.shape[1]] = events.item[e]
    if new:
        count_rating(a, row, value, events.time[e])
    return expected


@kernel
def _note_moved(u: Integer, row: Integer, model: Kalman, a: ItemArrays) -> None:
    """Queue what a rating moves: its item, and those that the user rated last."""
    note(a, row)
    for at in range(held_by(model.users, u)):
        if model.users.past_item[u, at] >= 0:
            note(a, model.users.past_item[u, at])
