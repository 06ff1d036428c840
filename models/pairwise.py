r"""Learning to rank by pairs: Bayesian personalised ranking with an offset from transitions.

For an event (u, b) and each sampled item j, with the scores :math:`\ell` of `models.scoring`:

.. math:: g = w\,\sigma(\ell_j - \ell_b), \quad
    q_b \mathrel{+}= g p_u, \quad q_j \mathrel{-}= g p_u, \quad p_u \mathrel{+}= g (q_b - q_j)

(Rendle et al., BPR, UAI 2009; w is the event's weight), all from old values, each row with its
own AdaGrad step (Duchi et al., JMLR 2011). The transitions are inside the scores, so that the
factors learn only what the counts miss.
"""

import numpy as np
from numpy.typing import NDArray

from models.arrays import (
    SKIPPED,
    BatchArrays,
    EventArrays,
    ItemArrays,
    Knobs,
    LearntArrays,
    TransitionArrays,
    Window,
    Work,
)
from models.compiled import Integer, Real, Truth, kernel
from models.counts import count_event
from models.history import remember, remember_positive
from models.initial import GAMMA
from models.marks import is_new
from models.negatives import draw_negative, first_word
from models.past import note_past
from models.ranks import rank_all
from models.scoring import score_of, weigh
from models.transitions import add
from models.vectors import move, norm

_START = np.float32(0.1)
"""What the AdaGrad sums start from: the first steps are not the largest."""


@kernel
def learn_events(
    begin: Integer,
    events: EventArrays,
    rows: NDArray[np.int32],
    fresh: NDArray[np.bool_],
    scored: NDArray[np.bool_],
    work: Work,
    out: LearntArrays,
) -> Integer:
    """Learn events in order; return where it stopped for want of room for transitions."""
    users, window, knobs = work.users, work.window, work.knobs
    for e in range(begin, len(rows)):
        u, weight, key, row = events.user[e], events.weight[e], events.item[e], rows[e]
        time = events.time[e]
        if weight > 0:
            if len(work.transitions.successor) - work.transitions.top[0] < knobs.reserve:
                return e
            if scored[e] and users.history_length[u] > 0:
                rank_all(e, u, key, row, time, work, out)
            if row >= 0 and events.counts[e]:
                _compare(e, row, fresh[e], events, work, out)
                if fresh[e]:
                    _count(e, row, events, work)
                    _follow(e, u, row, events, work)
            if row >= 0:
                remember(window.rows, window.length, u, row)
            remember_positive(users, u, key, events.gap[e])
            note_past(users, u, key, weight >= knobs.strong, time, events.hide[e])
        elif weight < 0:
            remember(users.excluded, users.excluded_length, u, key)
        users.events[u] += 1
    return len(rows)


@kernel
def apply_events(
    begin: Integer,
    batch: BatchArrays,
    fresh: NDArray[np.bool_],
    window: Window,
    a: ItemArrays,
    t: TransitionArrays,
    knobs: Knobs,
) -> Integer:
    """Learn the item side of events another worker accepted; otherwise as `learn_events`.

    An event of weight 0 is one that does not count: it is only remembered.
    """
    for e in range(begin, len(batch.item)):
        u, item = batch.user[e], batch.item[e]
        if item < 0 or not batch.weight[e] >= 0:
            continue
        if len(t.successor) - t.top[0] < knobs.reserve:
            return e
        if fresh[e] and batch.weight[e] > 0:
            _move_compared(e, u, batch, a, knobs)
            if batch.owned[item] and is_new(batch.until, a, batch.rows[item], batch.coordinate[e]):
                count_event(a, batch.rows[item], batch.time)
            _follow_owned(e, u, batch, window, a, t, knobs.window_decay)
        remember(window.rows, window.length, u, item)
    return len(batch.item)


@kernel
def _compare(
    e: Integer, row: Integer, fresh: Truth, events: EventArrays, work: Work, out: LearntArrays
) -> None:
    """Take one pairwise step for each of an event's negatives."""
    u, users, a, pull = events.user[e], work.users, work.items, work.scratch.pull
    total = weigh(work.window, u, a, work.transitions, work.knobs.window_decay)
    aim = score_of(work, u, row, total)
    word = first_word(events.identity[e], work.knobs.seed)
    for f in range(pull.shape[1]):
        pull[0, f] = 0
    whole = np.float32(0)
    for s in range(out.negatives.shape[1]):
        word += GAMMA
        other = draw_negative(word, s % 2 == 0, events.item[e], u, users, a)
        out.negatives[e, s] = other
        if other >= 0:
            ahead = aim - score_of(work, u, other, total)
            g = events.weight[e] / (np.float32(1) + np.exp(ahead))
            out.gradients[e, 1 + s] = -g
            whole += g
            for f in range(pull.shape[1]):
                pull[0, f] -= g * a.factors[other, f]
    out.gradients[e, 0] = whole
    for f in range(pull.shape[1]):
        pull[0, f] += whole * a.factors[row, f]
    if fresh:
        _move_items(e, row, events.coordinate[e], work, u, out)
    _move_user(work, u)


@kernel
def _move_items(
    e: Integer, row: Integer, coordinate: Integer, work: Work, u: Integer, out: LearntArrays
) -> None:
    """Move an event's item and its negatives along the user's factors."""
    factors, a, knobs = work.users.factors, work.items, work.knobs
    length = norm(factors, u)
    for s in range(1 + out.negatives.shape[1]):
        moved = row if s == 0 else out.negatives[e, s - 1]
        if moved >= 0 and is_new(work.until, a, moved, coordinate):
            _move_item(a, moved, out.gradients[e, s], factors, u, length, knobs)


@kernel
def _move_user(work: Work, u: Integer) -> None:
    """Move a user along the sum of the gradients."""
    users, pull, knobs = work.users, work.scratch.pull, work.knobs
    square = norm(pull, 0)
    if np.isfinite(square):
        users.gradient_sum[u] += square / np.float32(pull.shape[1])
        step = np.float32(knobs.rate) / np.sqrt(_START + users.gradient_sum[u])
        move(users.factors, u, step, pull, 0, knobs.decay, knobs.radius)
    else:
        work.items.counters[SKIPPED] += 1


@kernel
def _move_compared(e: Integer, u: Integer, batch: BatchArrays, a: ItemArrays, knobs: Knobs) -> None:
    """Move an event's item and its negatives by the gradients another worker found."""
    length = norm(batch.factors, u)
    for s in range(batch.gradients.shape[1]):
        item = batch.item[e] if s == 0 else batch.negatives[e, s - 1]
        if (
            item >= 0
            and batch.owned[item]
            and is_new(batch.until, a, batch.rows[item], batch.coordinate[e])
        ):
            g = batch.gradients[e, s]
            _move_item(a, batch.rows[item], g, batch.factors, u, length, knobs)


@kernel
def _move_item(
    a: ItemArrays,
    row: Integer,
    g: Real,
    factors: NDArray[np.float32],
    u: Integer,
    length: Real,
    knobs: Knobs,
) -> None:
    """Move an item by g along user factors whose squared norm is `length`."""
    square = g * g
    if not np.isfinite(square * length):
        a.counters[SKIPPED] += 1
        return
    a.gradient_sum[row] += square * length / np.float32(factors.shape[1])
    step = np.float32(knobs.rate) * g / np.sqrt(_START + a.gradient_sum[row])
    move(a.factors, row, step, factors, u, knobs.decay, knobs.radius)
    a.bias_gradient_sum[row] += square
    step = np.float32(knobs.bias_rate) * g / np.sqrt(_START + a.bias_gradient_sum[row])
    limit = np.float32(knobs.radius)
    a.bias[row] = max(-limit, min(limit, a.bias[row] + step))


@kernel
def _count(e: Integer, row: Integer, events: EventArrays, work: Work) -> None:
    if is_new(work.until, work.items, row, events.coordinate[e]):
        count_event(work.items, row, events.time[e])


@kernel
def _follow(e: Integer, u: Integer, row: Integer, events: EventArrays, work: Work) -> None:
    """Count that an item followed those of the window, the nearest most."""
    window, step = work.window, np.float32(events.weight[e])
    for at in range(window.length[u] - 1, -1, -1):
        before = window.rows[u, at]
        if before != row and is_new(work.until, work.items, before, events.coordinate[e]):
            add(work.transitions, before, row, step)
        step *= np.float32(work.knobs.window_decay)


@kernel
def _follow_owned(
    e: Integer,
    u: Integer,
    batch: BatchArrays,
    window: Window,
    a: ItemArrays,
    t: TransitionArrays,
    decay: Real,
) -> None:
    """Count that an item followed those of the window whose rows may be changed."""
    row = batch.rows[batch.item[e]]
    step = np.float32(batch.weight[e])
    for at in range(window.length[u] - 1, -1, -1):
        before = window.rows[u, at]
        if (
            row >= 0
            and before != batch.item[e]
            and batch.owned[before]
            and is_new(batch.until, a, batch.rows[before], batch.coordinate[e])
        ):
            add(t, batch.rows[before], row, step)
        step *= np.float32(decay)
