r"""Learning to rank by pairs: Bayesian personalised ranking with an offset from transitions.

For an event (u, b) and each sampled item j, with the logits :math:`\ell` of `models.scoring`:

.. math:: g = w\,\sigma(\ell_j - \ell_b), \quad
    q_b \mathrel{+}= g p_u, \quad q_j \mathrel{-}= g p_u, \quad p_u \mathrel{+}= g (q_b - q_j)

(Rendle et al., BPR, UAI 2009; w is the event's weight), all from old values, each row with its
own AdaGrad step (Duchi et al., 2011). The transitions are inside the logits, so that the factors
learn only what the counts miss.
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
    TransitionArrays,
    UserArrays,
    Window,
)
from models.compiled import kernel
from models.history import contains, remember
from models.initial import GAMMA, scrambled
from models.items import count_event
from models.scoring import is_own, rank_of, share_of, weigh
from models.transitions import add
from models.vectors import dot, move, norm

_START = np.float32(0.1)
"""What the AdaGrad sums start from: the first steps are not the largest."""


class Knobs(NamedTuple):
    """Hyper-parameters, see `models.params.RankingParams` and `TransitionParams`."""

    rate: float
    bias_rate: float
    decay: float
    radius: float
    smoothing: float
    window_decay: float
    seed: int
    reserve: int


@kernel
def learn_events(
    begin: int,
    events: EventArrays,
    rows: NDArray[np.int32],
    fresh: NDArray[np.bool_],
    sampled: NDArray[np.bool_],
    users: UserArrays,
    window: Window,
    a: ItemArrays,
    t: TransitionArrays,
    scratch: Scratch,
    knobs: Knobs,
    out: LearntArrays,
    pull: NDArray[np.float32],
) -> int:
    """Learn events in order; return where it stopped for want of room for transitions.

    `pull` (1, F) is scratch memory.
    """
    for e in range(begin, len(rows)):
        u, weight, key, row = events.user[e], events.weight[e], events.item[e], rows[e]
        if weight > 0:
            if len(t.successor) - t.top[0] < knobs.reserve:
                return e
            if sampled[u] and users.history_length[u] > 0 and not is_own(users, u, key):
                out.rank[e], out.popularity_rank[e] = rank_of(
                    row, u, users, window, a, t, scratch, knobs.window_decay, knobs.smoothing
                )
            if row >= 0:
                _compare(e, u, row, fresh[e], events, users, window, a, t, knobs, out, pull)
                if fresh[e]:
                    count_event(a, row, events.time[e])
                    follow(window, u, row, weight, t, knobs.window_decay)
                remember(window.rows, window.length, u, row)
            remember(users.history, users.history_length, u, key)
        elif weight < 0:
            remember(users.excluded, users.excluded_length, u, key)
        users.events[u] += 1
    return len(rows)


@kernel
def apply_events(
    begin: int,
    batch: BatchArrays,
    fresh: NDArray[np.bool_],
    window: Window,
    a: ItemArrays,
    t: TransitionArrays,
    knobs: Knobs,
) -> int:
    """Learn the item side of events another worker accepted; otherwise as `learn_events`."""
    for e in range(begin, len(batch.item)):
        u, item = batch.user[e], batch.item[e]
        if item < 0 or not batch.weight[e] > 0:
            continue
        if len(t.successor) - t.top[0] < knobs.reserve:
            return e
        if fresh[e]:
            _move_compared(e, u, batch, a, knobs)
            if batch.owned[item]:
                count_event(a, batch.rows[item], batch.time)
            _follow_owned(e, u, batch, window, t, knobs.window_decay)
        remember(window.rows, window.length, u, item)
    return len(batch.item)


@kernel
def _move_compared(e, u, batch, a, knobs):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    """Move an event's item and its negatives by the gradients another worker found."""
    length = norm(batch.factors, u)
    for s in range(batch.gradients.shape[1]):
        item = batch.item[e] if s == 0 else batch.negatives[e, s - 1]
        if item >= 0 and batch.owned[item] and batch.gradients[e, s] != 0:
            move_item(a, batch.rows[item], batch.gradients[e, s], batch.factors, u, length, knobs)


@kernel
def _follow_owned(e, u, batch, window, t, decay):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202, E501
    """Count that an item followed those of the window whose rows may be changed."""
    row = batch.rows[batch.item[e]]
    step = np.float32(batch.weight[e])
    for at in range(window.length[u] - 1, -1, -1):
        before = window.rows[u, at]
        if row >= 0 and before != batch.item[e] and batch.owned[before]:
            add(t, batch.rows[before], row, step)
        step *= np.float32(decay)


@kernel
def follow(
    window: Window, u: int, row: int, weight: float, t: TransitionArrays, decay: float
) -> None:
    """Count that an item followed those of the window, the nearest most."""
    step = np.float32(weight)
    for at in range(window.length[u] - 1, -1, -1):
        if window.rows[u, at] != row:
            add(t, window.rows[u, at], row, step)
        step *= np.float32(decay)


@kernel
def _compare(e, u, row, fresh, events, users, window, a, t, knobs, out, pull):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202, E501
    """Take one pairwise step for each of an event's negatives."""
    total = weigh(window, u, a, t, knobs.window_decay)
    length = norm(users.factors, u)
    logit = _logit(row, u, users, window, a, t, total, knobs.smoothing)
    word = scrambled(events.identity[e] ^ scrambled(np.uint64(knobs.seed)))
    pull[0] = 0
    whole = np.float32(0)
    for s in range(out.negatives.shape[1]):
        word += GAMMA
        other = _draw(word, s % 2 == 0, events.item[e], u, users, a)
        out.negatives[e, s] = other
        if other >= 0:
            ahead = logit - _logit(other, u, users, window, a, t, total, knobs.smoothing)
            g = events.weight[e] / (np.float32(1) + np.exp(ahead))
            out.gradients[e, 1 + s] = -g
            whole += g
            for f in range(pull.shape[1]):
                pull[0, f] -= g * a.factors[other, f]
    out.gradients[e, 0] = whole
    for f in range(pull.shape[1]):
        pull[0, f] += whole * a.factors[row, f]
    if fresh:
        move_item(a, row, whole, users.factors, u, length, knobs)
        for s in range(out.negatives.shape[1]):
            if out.negatives[e, s] >= 0:
                g = out.gradients[e, 1 + s]
                move_item(a, out.negatives[e, s], g, users.factors, u, length, knobs)
    square = norm(pull, 0)
    if np.isfinite(square):
        users.gradient_sum[u] += square / np.float32(pull.shape[1])
        step = np.float32(knobs.rate) / np.sqrt(_START + users.gradient_sum[u])
        move(users.factors, u, step, pull, 0, knobs.decay, knobs.radius)
    else:
        a.counters[SKIPPED] += 1


@kernel
def move_item(
    a: ItemArrays,
    row: int,
    g: float,
    factors: NDArray[np.float32],
    u: int,
    length: float,
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
def _logit(row, u, users, window, a, t, total, smoothing):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202, E501
    known = a.bias[row] + a.log_discount[row]
    if total > 0:
        share = share_of(window, u, t, row)
        known += np.log(np.float32(1) + share / np.float32(smoothing))
    return dot(users.factors, u, a.factors, row) + known


@kernel
def _draw(word: np.uint64, uniform: bool, key: np.uint64, u: int, users: UserArrays, a: ItemArrays) -> int:
    """Return a known item that is not the user's, or -1: uniform, or by popularity at first."""
    if uniform:
        row = _below(word, a.counters[SIZE])
    else:
        known = min(a.counters[EVENTS], len(a.recent))
        row = np.int64(a.recent[_below(word, known)]) if known > 0 else np.int64(-1)
    if _suits(row, key, u, users, a):
        return row
    row = _below(scrambled(word), a.counters[SIZE])
    return row if _suits(row, key, u, users, a) else np.int64(-1)


@kernel
def _suits(row: int, key: np.uint64, u: int, users: UserArrays, a: ItemArrays) -> bool:
    if row < 0 or a.count[row] == 0 or a.keys[row] == key:
        return False
    return not contains(users.history, users.history_length, u, a.keys[row])


@kernel
def _below(word: np.uint64, limit: int) -> int:
    """Return a number in [0, limit), by the upper half of a random word."""
    upper = scrambled(word) >> np.uint64(32)
    return np.int64(upper * np.uint64(limit) >> np.uint64(32))
