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
from numpy.typing import NDArray

from models.arrays import SIZE, ItemArrays, Scratch, TransitionArrays, UserArrays, Window
from models.best import keep_best
from models.columns import FACTORS, NEW, POPULAR, TRANSITION, TRENDING, UNKNOWN
from models.compiled import compiled, kernel
from models.history import contains
from models.items import NEW_BELOW, row_of
from models.transitions import weight_of
from models.vectors import dot


@kernel
def weigh(window: Window, u: int, a: ItemArrays, t: TransitionArrays, decay: float) -> float:
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
def share_of(window: Window, u: int, t: TransitionArrays, row: int) -> float:
    """Return the share of one item; `weigh` first."""
    share = np.float32(0)
    for at in range(window.length[u]):
        share += window.coefficient[at] * weight_of(t, window.rows[u, at], row)
    return share


@kernel
def source_of(window: Window, u: int, t: TransitionArrays, row: int) -> int:
    """Return the row of the window that gives an item the largest part of its share."""
    source, most = -1, np.float32(0)
    for at in range(window.length[u]):
        part = window.coefficient[at] * weight_of(t, window.rows[u, at], row)
        if part > most:
            source, most = window.rows[u, at], part
    return source


@kernel
def boost_all(
    scratch: Scratch, window: Window, u: int, t: TransitionArrays, smoothing: float
) -> int:
    """Set the boost of every item with a share; return how many were touched."""
    touched = 0
    for at in range(window.length[u]):
        row, scale = window.rows[u, at], window.coefficient[at] / np.float32(smoothing)
        for slot in range(t.start[row], t.start[row] + t.capacity[row]):
            follower = t.successor[slot]
            if follower >= 0:
                if scratch.boost[follower] == 0:
                    scratch.touched[touched] = follower
                    touched += 1
                scratch.boost[follower] += scale * t.weight[slot]
    for n in range(touched):
        row = scratch.touched[n]
        scratch.boost[row] = np.log(np.float32(1) + scratch.boost[row])
    return touched


@kernel
def clear_boosts(scratch: Scratch, touched: int) -> None:
    """Undo `boost_all`."""
    for n in range(touched):
        scratch.boost[scratch.touched[n]] = 0


@kernel
def mark_own(scratch: Scratch, a: ItemArrays, users: UserArrays, u: int) -> int:
    """Mark the items of a user's history and exclusions; return the mark."""
    scratch.stamp[0] += 1
    mark = scratch.stamp[0]
    for at in range(users.history_length[u]):
        row = row_of(a, users.history[u, at])
        if row >= 0:
            scratch.mark[row] = mark
    for at in range(users.excluded_length[u]):
        row = row_of(a, users.excluded[u, at])
        if row >= 0:
            scratch.mark[row] = mark
    return mark


@kernel
def is_own(users: UserArrays, u: int, key: np.uint64) -> bool:
    """Return whether an item is in a user's history or exclusions."""
    return contains(users.history, users.history_length, u, key) or contains(
        users.excluded, users.excluded_length, u, key
    )


@kernel
def rank_of(
    target: int,
    u: int,
    users: UserArrays,
    window: Window,
    a: ItemArrays,
    t: TransitionArrays,
    scratch: Scratch,
    decay: float,
    smoothing: float,
) -> tuple[int, int]:
    """Return the 0-based rank of an item among all known ones that are not the user's own.

    Ties count half. The second rank is by popularity; it is the first one too where the user's
    last items say nothing, as it is in recommendations.
    """
    if target < 0 or a.count[target] == 0:
        return UNKNOWN, UNKNOWN
    mark = mark_own(scratch, a, users, u)
    total = weigh(window, u, a, t, decay)
    touched = boost_all(scratch, window, u, t, smoothing) if total > 0 else 0
    aim = _score(target, u, users, a, scratch)
    above, level, more, equal = 0, 1, 0, 1
    for row in range(a.counters[SIZE]):
        if a.count[row] == 0 or scratch.mark[row] == mark or row == target:
            continue
        more += a.count[row] > a.count[target]
        equal += a.count[row] == a.count[target]
        if total > 0:
            score = _score(row, u, users, a, scratch)
            above += score > aim
            level += score == aim
    clear_boosts(scratch, touched)
    popularity = more + equal // 2
    return (above + level // 2 if total > 0 else popularity), popularity


@kernel
def _score(row: int, u: int, users: UserArrays, a: ItemArrays, scratch: Scratch) -> float:
    known = a.bias[row] + a.log_discount[row] + scratch.boost[row]
    return dot(users.factors, u, a.factors, row) + known


@compiled
def constant_scores(a: ItemArrays) -> NDArray[np.float32]:
    """Return what an item's score has for every user; -inf where it cannot be recommended."""
    size = a.counters[SIZE]
    scores = np.full(size, -np.inf, np.float32)
    for row in range(size):
        if a.named[row] and a.count[row] > 0:
            scores[row] = a.bias[row] + a.log_discount[row]
    return scores


@kernel
def recommend_block(
    begin: int,
    products: NDArray[np.float32],
    constants: NDArray[np.float32],
    fallback: NDArray[np.int32],
    popular: NDArray[np.int32],
    users: UserArrays,
    window: Window,
    a: ItemArrays,
    t: TransitionArrays,
    scratch: Scratch,
    decay: float,
    smoothing: float,
    out: tuple,  # type: ignore[type-arg]
) -> None:
    """Recommend to the users from `begin`, whose factor products (B, items) are given."""
    for n in range(len(products)):
        u = begin + n
        mark = mark_own(scratch, a, users, u)
        if weigh(window, u, a, t, decay) > 0:
            touched = boost_all(scratch, window, u, t, smoothing)
            _take_best(u, products[n], constants, mark, window, a, t, scratch, out)
            clear_boosts(scratch, touched)
        else:
            taken = take_in_order(u, 0, fallback, TRENDING, constants, mark, scratch, out)
            take_in_order(u, taken, popular, POPULAR, constants, mark, scratch, out)


@kernel
def _take_best(u, products, constants, mark, window, a, t, scratch, out):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202, E501
    """Fill a user's list with the best scores, and say why."""
    rows, scores, reasons, sources = out
    held = 0
    for row in range(len(constants)):
        score = products[row] + constants[row] + scratch.boost[row]
        if (held < rows.shape[1] or score > scores[u, held - 1]) and scratch.mark[row] != mark:
            if score > -np.inf:
                held = keep_best(rows[u], scores[u], held, row, score)
    for at in range(held):
        row = rows[u, at]
        if scratch.boost[row] > 0:
            reasons[u, at] = TRANSITION
            sources[u, at] = source_of(window, u, t, row)
        else:
            reasons[u, at] = NEW if a.count[row] < NEW_BELOW else FACTORS


@kernel
def take_in_order(u, taken, candidates, reason, constants, mark, scratch, out):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202, E501
    """Append candidates to a user's list as they come; return its length."""
    rows, scores, reasons, _ = out
    for n in range(len(candidates)):
        row = candidates[n]
        if taken == rows.shape[1]:
            break
        if row >= 0 and constants[row] > -np.inf and scratch.mark[row] != mark:
            scratch.mark[row] = mark
            rows[u, taken] = row
            scores[u, taken] = np.float32(1) / (1 + taken)
            reasons[u, taken] = reason
            taken += 1
    return taken
