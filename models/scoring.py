r"""Scores of the whole catalogue for one user: transitions and factors.

.. math:: \ell_j = p_u q_j + b_j + \log(\epsilon + s_j) - \alpha \log n_j,
    \quad s_j = \frac{1}{T} \sum_h c_h C[x_h][j],
    \quad c_h = \delta^{h-1} n_{x_h}^{-\alpha},
    \quad T = \sum_h c_h R[x_h]

over the user's last items x_1 (newest), x_2, …: the share s of an item among all that followed
those. The constant log ε is left out of scores: an item without share has the boost 0, one with
a share log(1 + s / ε).
"""

import numpy as np

from models.arrays import (
    DeepArrays,
    ItemArrays,
    Scratch,
    TransitionArrays,
    UserArrays,
    Window,
    Work,
)
from models.compiled import Integer, Real, Truth, kernel
from models.history import contains
from models.lookup import mark_short, row_of
from models.past import is_past, minute_of
from models.transitions import weight_of
from models.vectors import dot, joined


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
def share_of(window: Window, u: Integer, t: TransitionArrays, row: Integer) -> Real:
    """Return the share of one item; `weigh` first."""
    share = np.float32(0)
    for at in range(window.length[u]):
        share += window.coefficient[at] * weight_of(t, window.rows[u, at], row)
    return share


@kernel
def source_of(window: Window, u: Integer, t: TransitionArrays, row: Integer) -> Integer:
    """Return the row of the window that gives an item the largest part of its share."""
    source, most = -1, np.float32(0)
    for at in range(window.length[u]):
        part = window.coefficient[at] * weight_of(t, window.rows[u, at], row)
        if part > most:
            source, most = window.rows[u, at], part
    return source


@kernel
def boost_all(work: Work, u: Integer) -> Integer:
    """Set the boost of every item with a share; return how many were touched. `weigh` first."""
    boost, touched = work.scratch.boost, work.scratch.touched
    window, t = work.window, work.transitions
    n = 0
    for at in range(window.length[u]):
        row = window.rows[u, at]
        scale = window.coefficient[at] / np.float32(work.knobs.smoothing)
        for slot in range(t.start[row], t.start[row] + t.capacity[row]):
            follower = t.successor[slot]
            if follower >= 0:
                part = scale * t.weight[slot]
                # without a branch: it would be mispredicted every other time
                touched[n] = follower
                n += (boost[follower] == 0) & (part > 0)
                boost[follower] += part
    for at in range(n):
        boost[touched[at]] = np.log(np.float32(1) + boost[touched[at]])
    return n


@kernel
def clear_boosts(scratch: Scratch, touched: Integer) -> None:
    """Undo `boost_all`."""
    for n in range(touched):
        scratch.boost[scratch.touched[n]] = 0


@kernel
def mark_own(
    scratch: Scratch, a: ItemArrays, users: UserArrays, u: Integer, time: Integer
) -> Integer:
    """Mark the items of a user's past and exclusions at a time, ms; return the mark."""
    scratch.stamp[0] += 2  # the odd ones are for whoever marks something besides
    mark = scratch.stamp[0]
    timed, minute = users.past_until.shape[1] > 0, minute_of(time)
    for at in range(users.past_length[u]):
        if not timed or users.past_until[u, at] > minute:
            mark_short(a, users.past[u, at], scratch.mark, mark)
    for at in range(users.excluded_length[u]):
        row = row_of(a, users.excluded[u, at])
        if row >= 0:
            scratch.mark[row] = mark
    return mark


@kernel
def is_own(users: UserArrays, u: Integer, key: Integer, time: Integer) -> Truth:
    """Return whether an item is in a user's past or exclusions at a time, ms."""
    excluded = contains(users.excluded, users.excluded_length, u, key)
    return excluded or is_past(users, u, key, time)


@kernel
def constant_of(a: ItemArrays, row: Integer) -> Real:
    """Return the part of an item's score that is every user's."""
    return a.bias[row] + a.log_discount[row]


@kernel
def score_of(work: Work, u: Integer, row: Integer, total: Real) -> Real:
    """Return the score of one item, without boosts of all; `total` is what `weigh` returned."""
    a = work.items
    known = constant_of(a, row)
    if total > 0:
        share = share_of(work.window, u, work.transitions, row)
        known += np.log(np.float32(1) + share / np.float32(work.knobs.smoothing))
    return dot(work.users.factors, u, a.factors, row) + known


@kernel
def deep_score(deep: DeepArrays, y: Integer, row: Integer) -> Real:
    """Return what the deep model says of an item to a user, given as a row of `deep.y`."""
    if len(deep.output) == 0:
        return dot(deep.y, y, deep.targets, row) + deep.bias[row]
    return joined(deep.y, y, deep.targets, row, deep.output) + deep.bias[row]
