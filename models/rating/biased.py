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

from models.arrays.events import BatchArrays, EventArrays, LearntArrays
from models.arrays.items import SKIPPED, ItemArrays
from models.arrays.users import UserArrays
from models.arrays.work import Scratch
from models.compiled import Integer, Real, Truth, entry, kernel
from models.index.marks import is_new
from models.numeric.finite import finite
from models.numeric.vectors import dot, move, norm
from models.rating.shared import (
    Scale,
    clipped,
    count_rating,
    is_due,
    is_rating,
    mean_rating,
    remember_event,
)


class Knobs(NamedTuple):
    """Hyper-parameters, see `models.params.rating.RatingParams`."""

    rate: float
    bias_rate: float
    decay: float
    bias_decay: float
    radius: float


class Work(NamedTuple):
    """Everything that kernels need at hand, with the users of one micro-batch."""

    users: UserArrays
    items: ItemArrays
    scratch: Scratch
    knobs: Knobs
    scale: Scale


@entry
def learn_events(
    events: EventArrays,
    rows: NDArray[np.int32],
    fresh: NDArray[np.bool_],
    scored: NDArray[np.bool_],
    work: Work,
    until: NDArray[np.int64],
    out: LearntArrays,
    before: NDArray[np.float32],
) -> Integer:
    """Learn events in order; see `models.rating.model.Rating.learn`.

    Returns
    -------
    int
        Number of ratings learnt, r. The first r rows of `before` (n, F) are set to the factors of
        their users before each, and `out.user` to the row of each.
    """
    learnt = 0
    for e in range(len(rows)):
        u = events.user[e]
        if rows[e] >= 0 and events.counts[e] and is_rating(events.value[e], work.scale):
            error = events.value[e] - predict(work, u, rows[e])
            if scored[e]:
                out.error[e] = events.value[e] - clipped(predict(work, u, rows[e]), work.scale)
            out.gradients[e, 0] = error
            for f in range(before.shape[1]):
                before[learnt, f] = work.users.factors[u, f]
            out.user[e] = learnt
            learnt += 1
            new = fresh[e] and is_new(until, work.items, rows[e], events.coordinate[e])
            _step(e, u, rows[e], error, new, events, work)
        remember_event(e, events, work.users, work.scale.strong)
    return learnt


@entry
def apply_events(
    batch: BatchArrays, fresh: NDArray[np.bool_], a: ItemArrays, knobs: Knobs, scale: Scale
) -> None:
    """Learn the item side of ratings another worker accepted."""
    for e in range(len(batch.item)):
        if fresh[e] and is_due(e, batch, a, scale):
            row = batch.rows[batch.item[e]]
            _move_item(a, row, batch.gradients[e, 0], batch.factors, batch.user[e], knobs)
            count_rating(a, row, batch.value[e], batch.time[e])


@kernel
def predict(work: Work, u: Integer, row: Integer) -> Real:
    """Return a predicted rating, not clipped to the range."""
    product = dot(work.users.factors, u, work.items.factors, row)
    known = mean_rating(work.items, work.scale) + work.users.bias[u] + work.items.bias[row]
    return np.float32(known + product)


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
        count_rating(a, row, events.value[e], events.time[e])


@kernel
def _move_item(
    a: ItemArrays, row: Integer, error: Real, factors: NDArray[np.float32], u: Integer, knobs: Knobs
) -> None:
    """Take the item's side of one step."""
    if not finite(error * norm(factors, u)):
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
