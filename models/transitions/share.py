r"""What transitions say of an item to a user: its share of all that followed the last ones.

.. math:: x_j = \log(1 + s_j / \epsilon) - \alpha \log n_j,
    \quad s_j = \frac{1}{T} \sum_h c_h C[x_h][j],
    \quad c_h = \delta^{h-1} n_{x_h}^{-\alpha},
    \quad T = \sum_h c_h R[x_h]

over the user's last items x_1 (newest), x_2, …
"""

import numpy as np

from models.arrays import SIZE, TRASH, ItemArrays, TransitionArrays, Window, Work
from models.compiled import Integer, Real, kernel
from models.component import TRANSITIONS
from models.logarithm import log1p
from models.transitions.rows import weight_of


@kernel
def weigh(window: Window, u: Integer, a: ItemArrays, t: TransitionArrays, decay: Real) -> Real:
    """Set the coefficients c_h / T of a user's window; return T, 0 where nothing ever followed."""
    step = np.float32(1)
    total = 0.0
    for at in range(window.length[u] - 1, -1, -1):
        row = window.rows[u, at]
        window.coefficient[at] = step * a.discount[row]
        total += window.coefficient[at] * t.total[row]
        step *= np.float32(decay)
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
def part_of(work: Work, u: Integer, row: Integer, total: Real) -> Real:
    """Return the score of one item; `total` is what `weigh` returned."""
    share = np.float32(0)
    if total > 0:
        for at in range(work.window.length[u]):
            weight = weight_of(work.transitions, work.window.rows[u, at], row)
            share += work.window.coefficient[at] * weight
    return work.items.log_discount[row] + log1p(share / np.float32(work.knobs.smoothing))


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
