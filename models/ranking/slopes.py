r"""Gradients of an event's worth by each knob, which `models.weights.knobs` follow.

What the rank of an event's item t is worth, made smooth in the scores s of all items that may be
recommended:

.. math:: y_j = \frac{s_j - s_t}{\tau \sigma}, \quad p_j = \frac{1}{1 + e^{-y_j}}, \quad
    w = \left(1 + \tfrac{1}{10} \sum_{j \ne t} p_j\right)^{-1}

with :math:`\sigma` the standard deviation of the 30 best scores, so that the scale of all scores
says nothing, as in ranks. With :math:`x_{kj}` the slope of :math:`s_j` by knob k in notches and
:math:`\kappa_j = p_j (1 - p_j)`,

.. math:: g_k = -\frac{w^2}{10} \left[ \sum_j \kappa_j \frac{x_{kj} - x_{kt}}{\tau \sigma}
    - \frac{\mathrm{cov}_{30}(s, x_k)}{\sigma^2} \sum_j \kappa_j y_j \right]
"""

import numpy as np
from numpy.typing import NDArray

from models.arrays.items import SIZE, ItemArrays
from models.arrays.weights import KNOBS
from models.arrays.work import TRASH, Scratch, Work
from models.compiled import Integer, Real, Truth, kernel
from models.components import FACTORS, NEIGHBOURS
from models.numeric.best import keep_best
from models.numeric.finite import finite
from models.numeric.logarithm import exp2, log1p
from models.transitions.share import LN_2, log_count
from models.weights.knobs import NOTCHES, learn
from models.weights.ranks import SOFT, worth

_WIDTH = 0.25
"""tau"""
_FARTHEST = 12.0
"""|y| beyond which an item is surely before or behind, whatever the knobs: p is 1 or 0 to 1e-5."""
_DECAY, _NORM, _FACTORS, _NEIGHBOURS = range(KNOBS)
_OWN, _ITS, _SUM, _MEAN = range(4)
"""Rows of `TunedArrays.slopes`: of the event's item, of the one at hand, sums and means."""
_SHARE, _BACK, _KNOWN, _FIRST = range(4)
"""Columns of `Scratch.slopes`: r, the same with each source times its steps back, times its log n,
and r by the starts."""


@kernel
def learn_event(u: Integer, mark: Integer, target: Integer, work: Work) -> None:
    """Learn from the joint scores, as they were served, which way the knobs should go."""
    t, scratch, size = work.tuned, work.scratch, work.items.counters[SIZE]
    sigma = _spread(scratch.joint, work.items, scratch, mark)
    if sigma > 0:
        back, known = _fill(u, work)
        served = _set_gradient(sigma, mark, target, back, known, work)
        whole = finite(served)
        for k in range(KNOBS):
            whole &= finite(t.gradient[k])
        if whole:
            learn(t)
            if _moved(t.steps):
                first = _worth_at_start(mark, target, work)
                lost = t.worse[0] + first - served
                t.worse[0] = lost if lost > 0 else 0.0
        scratch.slopes[:size] = 0
        scratch.slopes[len(scratch.slopes) - TRASH :] = 0


@kernel
def _moved(steps: NDArray[np.float64]) -> Truth:
    moved = False
    for k in range(KNOBS):
        moved |= steps[k] != 0
    return moved


@kernel
def _spread(scores: NDArray[np.float32], a: ItemArrays, scratch: Scratch, mark: Integer) -> Real:
    """Set the rows of the best scores; return their standard deviation, 0 where they are few."""
    held, limit, worst = 0, scratch.best.shape[1], np.float32(-np.inf)
    for row in range(a.counters[SIZE]):
        score = scores[row]
        if score > worst and a.counts[row] > 0 and scratch.mark[row] != mark:
            held = keep_best(scratch.best, scratch.best_scores, 0, held, row, score)
            if held == limit:
                worst = scratch.best_scores[0, limit - 1]
    if held < limit:
        return 0.0
    mean, square = 0.0, 0.0
    for n in range(held):
        mean += scratch.best_scores[0, n] / held
    for n in range(held):
        off = scratch.best_scores[0, n] - mean
        square += off * off / held
    return np.sqrt(square)


@kernel
def _fill(u: Integer, work: Work) -> tuple[Real, Real]:
    """Set `Scratch.slopes` of what follows; return T' / T and T'' / T of the user's window.

    The coefficients of the window are those that were served.
    """
    window, t, knobs, slopes = work.window, work.transitions, work.knobs, work.scratch.slopes
    newest, total, back, known = window.length[u] - 1, 0.0, 0.0, 0.0
    for at in range(newest, -1, -1):
        row = window.rows[u, at]
        size, own = log_count(work.items, row), window.coefficient[at] * t.total[row]
        back += (newest - at) * own
        known += size * own
        total += _at_start(newest - at, size, work) * t.total[row]
    trash = len(slopes) - TRASH
    for at in range(newest, -1, -1):
        row = window.rows[u, at]
        size, steps = log_count(work.items, row), np.float32(newest - at)
        scale = window.coefficient[at] / np.float32(knobs.smoothing)
        first = np.float32(_at_start(newest - at, size, work) / (total * knobs.smoothing))
        for slot in range(t.start[row], t.start[row] + t.capacity[row]):
            follower = t.successor[slot]
            to = follower if follower >= 0 else trash + (slot & TRASH - 1)
            share = scale * t.weight[slot]
            slopes[to, _SHARE] += share
            slopes[to, _BACK] += steps * share
            slopes[to, _KNOWN] += size * share
            slopes[to, _FIRST] += first * t.weight[slot]
    return back, known


@kernel
def _at_start(steps: Integer, size: Real, work: Work) -> Real:
    """Return the coefficient of an item of the window by the starts of the knobs."""
    start = work.tuned.start
    return start[_DECAY] ** steps * exp2(np.float32(-start[_NORM] * size) / LN_2)


@kernel
def _set_slopes(at: Integer, row: Integer, back: Real, known: Real, work: Work) -> None:
    """Set how the score of an item changes with each knob, by notches."""
    found, scratch, knobs = work.tuned.slopes, work.scratch, work.knobs
    share = np.float64(scratch.slopes[row, _SHARE])
    one = 1 + share
    decay = (scratch.slopes[row, _BACK] - share * back) / (one * knobs.source_decay)
    found[at, _DECAY] = NOTCHES[_DECAY] * decay
    norm = (scratch.slopes[row, _KNOWN] - share * known) / one
    found[at, _NORM] = -NOTCHES[_NORM] * norm
    weights, parts = scratch.weights, scratch.parts
    found[at, _FACTORS] = NOTCHES[_FACTORS] * weights[FACTORS] * parts[FACTORS, row]
    found[at, _NEIGHBOURS] = NOTCHES[_NEIGHBOURS] * weights[NEIGHBOURS] * parts[NEIGHBOURS, row]


@kernel
def _set_gradient(
    sigma: Real, mark: Integer, target: Integer, back: Real, known: Real, work: Work
) -> Real:
    """Set the gradient of the worth of an event's item; return its worth."""
    t, scratch, a = work.tuned, work.scratch, work.items
    x, joint, width = t.slopes, scratch.joint, _WIDTH * sigma
    rank, turned = 0.0, 0.0
    x[_SUM] = 0
    _set_slopes(_OWN, target, back, known, work)
    for row in range(a.counters[SIZE]):
        y = np.float64(joint[row] - joint[target]) / width
        if y < -_FARTHEST or row == target or a.counts[row] == 0 or scratch.mark[row] == mark:
            continue
        if y > _FARTHEST:
            rank += 1
            continue
        p = 1 / (1 + np.exp(-y))
        kappa = p * (1 - p)
        rank += p
        turned += kappa * y
        _set_slopes(_ITS, row, back, known, work)
        for k in range(KNOBS):
            x[_SUM, k] += kappa * (x[_ITS, k] - x[_OWN, k])
    served = worth(rank)
    t.gradient[:] = 0
    _add_covariances(back, known, work)
    for k in range(KNOBS):
        turn = turned * t.gradient[k] / (sigma * sigma)
        t.gradient[k] = -(served * served / SOFT) * (x[_SUM, k] / width - turn)
    return served


@kernel
def _add_covariances(back: Real, known: Real, work: Work) -> None:
    """Add the covariance of the best scores with their slopes to `TunedArrays.gradient`."""
    t, scratch = work.tuned, work.scratch
    x, best, mean = t.slopes, scratch.best, 0.0
    many = best.shape[1]
    for n in range(many):
        mean += scratch.best_scores[0, n] / many
    for n in range(many):
        _set_slopes(_ITS, best[0, n], back, known, work)
        for k in range(KNOBS):  # the mean of the slopes falls out
            t.gradient[k] += (scratch.best_scores[0, n] - mean) * x[_ITS, k] / many


@kernel
def _worth_at_start(mark: Integer, target: Integer, work: Work) -> Real:
    """Return what the event's item would have been worth by the starts of the knobs."""
    t, scratch, a = work.tuned, work.scratch, work.items
    size, scores, parts = a.counters[SIZE], scratch.boost, scratch.parts
    factors = np.float32(t.start[_FACTORS]) - scratch.weights[FACTORS]
    near = np.float32(t.start[_NEIGHBOURS]) - scratch.weights[NEIGHBOURS]
    for row in range(size):
        scores[row] = scratch.joint[row]
        scores[row] += factors * parts[FACTORS, row] + near * parts[NEIGHBOURS, row]
        if scratch.slopes[row, _SHARE] > 0:
            share, first = scratch.slopes[row, _SHARE], scratch.slopes[row, _FIRST]
            scores[row] += log1p(first) - log1p(share)
    rank, width = 0.0, _WIDTH * _spread(scores, a, scratch, mark)
    for row in range(size):
        if row != target and a.counts[row] > 0 and scratch.mark[row] != mark:
            y = np.float64(scores[row] - scores[target]) / width
            if y > _FARTHEST:
                rank += 1
            elif y >= -_FARTHEST:
                rank += 1 / (1 + np.exp(-y))
    scores[:size] = 0
    return worth(rank)
