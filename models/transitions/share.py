r"""The transitions' score of an item: its share of all that followed the user's last items.

.. math:: x_j = \log(1 + s_j / \epsilon) - \alpha \log n_j,
    \quad s_j = \frac{1}{T} \sum_h c_h C[x_h][j],
    \quad c_h = \delta^{h-1} n_{x_h}^{-\alpha},
    \quad T = \sum_h c_h R[x_h]

over the user's last items x_1 (newest), x_2, … The offset that factors are learnt with has one
:math:`\delta` and :math:`\alpha` in both places, those that transitions are learnt with; what is
served has its own ones in c.

>>> from models.example import Example
>>> example = Example()
>>> example.learn([("ann", "tea", "view", 0), ("ann", "cup", "view", 8), ("ben", "pot", "view", 9)])
>>> example.learn([("cat", "tea", "view", 20)])
>>> example.recommend("cat")  # the cup came after the tea
[('cup', 10.07, 'transition'), ('pot', 0.93, 'new')]
"""

import numpy as np
from numpy.typing import NDArray

from models.arrays.items import SIZE, ItemArrays
from models.arrays.transitions import TransitionArrays
from models.arrays.work import TRASH, Window, Work
from models.compiled import Integer, Real, kernel
from models.components import TRANSITIONS
from models.numeric.logarithm import exp2, log1p
from models.transitions.rows import add_weights, look_first, weight_of

LN_2 = np.float32(0.6931471805599453)
"""log 2"""


@kernel
def weigh(window: Window, u: Integer, a: ItemArrays, t: TransitionArrays, decay: Real) -> Real:
    """Set the coefficients c_h / T of a user's window; return T, 0 where nothing ever followed."""
    step = np.float32(1)
    for at in range(window.length[u] - 1, -1, -1):
        window.coefficient[at] = step * a.discount[window.rows[u, at]]
        step *= np.float32(decay)
    return _divide_by_total(window, u, t)


@kernel
def weigh_served(work: Work, u: Integer) -> Real:
    """Do as `weigh` for what is served: with its own decay and exponent."""
    return weigh_by(work, u, work.knobs.source_decay, work.knobs.source_norm)


@kernel
def weigh_by(work: Work, u: Integer, decay: Real, norm: Real) -> Real:
    """Do as `weigh` with a decay and an exponent of the popularity of the user's last items."""
    window, step = work.window, np.float32(1)
    for at in range(window.length[u] - 1, -1, -1):
        size = log_count(work.items, window.rows[u, at])
        window.coefficient[at] = step * exp2(-np.float32(norm) / LN_2 * size)
        step *= np.float32(decay)
    return _divide_by_total(window, u, work.transitions)


@kernel
def log_count(a: ItemArrays, row: Integer) -> Real:
    """Return log n of an item, 0 where it never had an event."""
    count: Integer = max(a.counts[row], 1)
    return log1p(np.float32(count - 1))


@kernel
def _divide_by_total(window: Window, u: Integer, t: TransitionArrays) -> Real:
    """Divide the coefficients of a user's window by T, where it is not 0; return it."""
    total = 0.0
    for at in range(window.length[u] - 1, -1, -1):
        total += window.coefficient[at] * t.total[window.rows[u, at]]
    if total > 0:
        for at in range(window.length[u]):
            window.coefficient[at] /= total
    return total


@kernel
def source_of(window: Window, u: Integer, t: TransitionArrays, row: Integer) -> Integer:
    """Return the row of the window that gives an item the largest part of its share, -1: none."""
    source, most = -1, np.float32(0)
    for at in range(window.length[u]):
        part = window.coefficient[at] * weight_of(t, window.rows[u, at], row)
        if part > most:
            source, most = window.rows[u, at], part
    return source


@kernel
def add_parts(
    work: Work, u: Integer, rows: NDArray[np.int64], total: Real, scores: NDArray[np.float32]
) -> None:
    """Add the score of each of some items to its place in `scores`; rows below 0 are none."""
    shares, first, window, t = (
        work.scratch.shares,
        work.scratch.first,
        work.window,
        work.transitions,
    )
    shares[:] = 0
    if total > 0:
        for at in range(window.length[u]):
            look_first(t, window.rows[u, at], rows, first, at)
        for at in range(window.length[u]):
            scale = window.coefficient[at] / np.float32(work.knobs.smoothing)
            add_weights(t, window.rows[u, at], scale, rows, first, at, shares)
    for n in range(len(rows)):
        scores[n] += work.items.log_discount[max(rows[n], 0)] + log1p(shares[n])


@kernel
def fill(work: Work, u: Integer) -> None:
    """Set the scores of all items; `weigh` first."""
    boost, part, size = (
        work.scratch.boost,
        work.scratch.parts[TRANSITIONS],
        work.items.counters[SIZE],
    )
    window, t, log_discount = work.window, work.transitions, work.items.log_discount
    trash = len(boost) - TRASH
    for at in range(window.length[u]):
        row = window.rows[u, at]
        scale = window.coefficient[at] / np.float32(work.knobs.smoothing)
        for slot in range(t.start[row], t.start[row] + t.capacity[row]):
            # every other slot is empty, in no order: a branch would be mispredicted as often
            follower = t.successor[slot]
            to = follower if follower >= 0 else trash + (slot & TRASH - 1)
            boost[to] += scale * t.weight[slot]
    for row in range(size):
        part[row] = log_discount[row] + log1p(boost[row])
    boost[:size] = 0
    boost[trash:] = 0


@kernel
def touch(work: Work, u: Integer, mark: Integer) -> Integer:
    """Set `Scratch.boost` of all followers and list these; return how many; `weigh` first.

    They are marked and stand in `Scratch.touched`, once each.
    """
    scratch, window, t, held = work.scratch, work.window, work.transitions, 0
    boost, marks, touched = scratch.boost, scratch.mark, scratch.touched
    trash = len(boost) - TRASH
    for at in range(window.length[u]):
        row = window.rows[u, at]
        scale = window.coefficient[at] / np.float32(work.knobs.smoothing)
        for slot in range(t.start[row], t.start[row] + t.capacity[row]):
            # as in `fill`: without a branch
            follower = t.successor[slot]
            lives, place = follower >= 0, max(follower, 0)
            boost[follower if lives else trash + (slot & TRASH - 1)] += scale * t.weight[slot]
            touched[held] = follower
            held += lives & (marks[place] != mark)
            marks[place] = mark if lives else marks[place]
    boost[trash:] = 0
    return held
