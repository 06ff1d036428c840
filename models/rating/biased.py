r"""Biased matrix factorisation of ratings, one SGD step an event.

.. math:: \hat r = \mu + b_u + b_i + p_u q_i, \quad e = r - \hat r
.. math:: b \mathrel{+}= \eta_b (e - \lambda_b b), \quad
    p \mathrel{+}= \eta (e q - \lambda p), \quad q \mathrel{+}= \eta (e p - \lambda q)

all from old values; μ is the running mean of the ratings (Koren, Bell and Volinsky, IEEE
Computer 42(8), 2009; River's BiasedMF takes this step, with rates that its squared loss doubles).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.arrays import (
    EVENTS,
    SIZE,
    SKIPPED,
    BatchArrays,
    EventArrays,
    ItemArrays,
    LearntArrays,
    Scratch,
    UserArrays,
)
from models.best import keep_best
from models.columns import FACTORS, NEW
from models.compiled import Integer, Real, Truth, compiled, entry, kernel
from models.items.marks import is_new
from models.lists import Lists
from models.popularity.counts import count_event
from models.users.history import remember, remember_positive
from models.users.own import mark_own
from models.users.past import note_past
from models.vectors import dot, move, norm

_LAST = np.float32(1e6)
"""Taken off the scores of items that are to come last, while they are ordered."""


class Knobs(NamedTuple):
    """Hyper-parameters, see `models.params.RatingParams`."""

    rate: float
    bias_rate: float
    decay: float
    bias_decay: float
    radius: float
    lowest: float
    highest: float
    support: int
    strong: float


class Work(NamedTuple):
    """Everything that kernels need at hand, with the users of one micro-batch."""

    users: UserArrays
    items: ItemArrays
    scratch: Scratch
    knobs: Knobs


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
    """Learn events in order; see `models.rating.model.Rating.learn`."""
    users = work.users
    for e in range(len(rows)):
        u, weight = events.user[e], events.weight[e]
        if rows[e] >= 0 and events.counts[e] and is_rating(events.value[e], work.knobs):
            error = events.value[e] - predict(work, u, rows[e])
            if scored[e]:
                out.error[e] = events.value[e] - _clipped(predict(work, u, rows[e]), work.knobs)
            out.gradients[e, 0] = error
            new = fresh[e] and is_new(until, work.items, rows[e], events.coordinate[e])
            _step(e, u, rows[e], error, new, events, work)
        if weight > 0:
            users.positives[u] += 1
            remember_positive(users, u, events.item[e], events.gap[e])
            strong = weight >= work.knobs.strong
            note_past(users, u, events.item[e], strong, events.time[e], events.hide[e])
        elif weight < 0:
            remember(users.excluded, users.excluded_length, u, events.item[e])
        users.events[u] += 1


@entry
def apply_events(batch: BatchArrays, fresh: NDArray[np.bool_], a: ItemArrays, knobs: Knobs) -> None:
    """Learn the item side of ratings another worker accepted."""
    for e in range(len(batch.item)):
        item, u, value = batch.item[e], batch.user[e], batch.value[e]
        if not (fresh[e] and item >= 0 and batch.owned[item] and is_rating(value, knobs)):
            continue
        row = batch.rows[item]
        if is_new(batch.until, a, row, batch.coordinate[e]):
            _move_item(a, row, batch.gradients[e, 0], batch.factors, u, knobs)
            _count(a, row, value, batch.time)


@kernel
def is_rating(value: Real, knobs: Knobs) -> Truth:
    """Return whether a value lies in the rating range; NaN does not."""
    return knobs.lowest <= value <= knobs.highest


@kernel
def predict(work: Work, u: Integer, row: Integer) -> Real:
    """Return a predicted rating, not clipped to the range."""
    product = dot(work.users.factors, u, work.items.factors, row)
    known = mean_rating(work.items, work.knobs) + work.users.bias[u] + work.items.bias[row]
    return np.float32(known + product)


@kernel
def mean_rating(a: ItemArrays, knobs: Knobs) -> Real:
    """Return the mean of all ratings learnt; the middle of the range before the first."""
    if a.counters[EVENTS] > 0:
        return a.value_total[0] / a.counters[EVENTS]
    return (knobs.lowest + knobs.highest) / 2


@compiled
def constant_predictions(a: ItemArrays, knobs: Knobs) -> NDArray[np.float32]:
    """Return each item's part of the score; -inf where it cannot be recommended."""
    constants, mean = np.full(a.counters[SIZE], -np.inf, np.float32), mean_rating(a, knobs)
    for row in range(len(constants)):
        if a.named[row] and a.counts[row] > 0:
            constants[row] = a.bias[row] + mean
            if a.counts[row] < knobs.support:
                constants[row] -= _LAST
    return constants


@entry
def list_block(begin: Integer, products: NDArray[np.float32], work: Work, lists: Lists) -> None:
    """Recommend what they would rate highest to the users from `begin`, see `models.lists`.

    The list of a user without a history stays empty.
    """
    users, a, scratch = work.users, work.items, work.scratch
    for n in range(len(products)):
        u, held = begin + n, 0
        if users.history_length[u] == 0:
            continue
        mark = mark_own(scratch, a, users, u, users.session_last[u])
        for row in range(len(lists.constants)):
            if lists.constants[row] > -np.inf and scratch.mark[row] != mark:
                score = lists.constants[row] + products[n, row]
                held = keep_best(lists.rows, lists.scores, u, held, row, score)
        for at in range(held):
            row = lists.rows[u, at]
            lists.scores[u, at] = predict(work, u, row)
            lists.reasons[u, at] = NEW if a.counts[row] < work.knobs.support else FACTORS


@kernel
def _clipped(rating: Real, knobs: Knobs) -> Real:
    return min(knobs.highest, max(knobs.lowest, rating))


@kernel
def _step(
    e: Integer,
    u: Integer,
    row: Integer,
    error: Real,
    fresh: Truth,
    events: EventArrays,
    work: Work,
) -> None:
    """Move the user, and the item along the user's old factors where that is due."""
    users, a, knobs, old = work.users, work.items, work.knobs, work.scratch.pull
    for f in range(old.shape[1]):
        old[0, f] = users.factors[u, f]
    step, keep = np.float32(knobs.rate * error), knobs.rate * knobs.decay
    move(users.factors, u, step, a.factors, row, keep, knobs.radius)
    users.bias[u] = _moved(users.bias[u], error, knobs)
    if fresh:
        _move_item(a, row, error, old, 0, knobs)
        _count(a, row, events.value[e], events.time[e])


@kernel
def _move_item(
    a: ItemArrays, row: Integer, error: Real, factors: NDArray[np.float32], u: Integer, knobs: Knobs
) -> None:
    """Take the item's side of one step."""
    if not np.isfinite(error * norm(factors, u)):
        a.counters[SKIPPED] += 1
        return
    step, keep = np.float32(knobs.rate * error), knobs.rate * knobs.decay
    move(a.factors, row, step, factors, u, keep, knobs.radius)
    a.bias[row] = _moved(a.bias[row], error, knobs)


@kernel
def _moved(bias: Real, error: Real, knobs: Knobs) -> Real:
    """Return a bias after one step."""
    moved = bias + knobs.bias_rate * (error - knobs.bias_decay * bias)
    return min(knobs.radius, max(-knobs.radius, moved))


@kernel
def _count(a: ItemArrays, row: Integer, value: Real, time: Integer) -> None:
    a.value_sum[row] += value
    a.value_total[0] += value
    count_event(a, row, time)
