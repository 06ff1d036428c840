"""Lists of recommendations: the best scores, or candidates in a given order, and why."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.arrays import SIZE, DeepArrays, ItemArrays, Scratch, UserArrays, Work
from models.best import keep_best
from models.columns import DEEP, FACTORS, NEW, POPULAR, TRANSITION, TRENDING, Recommended
from models.compiled import Integer, Real, compiled, kernel
from models.items import NEW_BELOW
from models.popularity import most_popular
from models.scoring import (
    boost_all,
    clear_boosts,
    constant_of,
    deep_score,
    mark_own,
    source_of,
    weigh,
)

_BLOCK = 1 << 18
"""Numbers in one matrix of products; 1 MB, so that it stays in the processor's cache."""


class Lists(NamedTuple):
    """The columns of `models.columns.Recommended`, and what every user's list starts from."""

    rows: NDArray[np.int32]
    scores: NDArray[np.float32]
    reasons: NDArray[np.uint8]
    sources: NDArray[np.int32]
    constants: NDArray[np.float32]
    """(items,) part of an item's score that is every user's; -inf: never recommended."""

    @classmethod
    def of(cls, out: Recommended, constants: NDArray[np.float32]) -> "Lists":
        """Return the columns of `out` themselves, to be filled."""
        return cls(out.rows, out.scores, out.reasons, out.sources, constants)


@compiled
def constant_scores(a: ItemArrays) -> NDArray[np.float32]:
    """Return what an item's score has for every user; -inf where it cannot be recommended."""
    size = a.counters[SIZE]
    scores = np.full(size, -np.inf, np.float32)
    for row in range(size):
        if a.named[row] and a.counts[row] > 0:
            scores[row] = constant_of(a, row)
    return scores


@kernel
def add_deep(begin: Integer, products: NDArray[np.float32], share: Real, deep: DeepArrays) -> None:
    """Add what the deep model says to the products (B, items) of the users from `begin`."""
    for n in range(len(products)):
        for row in range(products.shape[1]):
            products[n, row] += np.float32(share) * deep_score(deep, begin + n, row)


@kernel
def list_block(begin: Integer, products: NDArray[np.float32], work: Work, lists: Lists) -> None:
    """Recommend to the users from `begin`, whose factor products (B, items) are given.

    The list of a user whose last items say nothing stays empty.
    """
    for n in range(len(products)):
        u = begin + n
        if weigh(work.window, u, work.items, work.transitions, work.knobs.window_decay) > 0:
            mark = mark_own(work.scratch, work.items, work.users, u, work.users.session_last[u])
            touched = boost_all(work, u)
            _list_best(u, products, n, mark, work, lists)
            clear_boosts(work.scratch, touched)


def blocks(
    users: NDArray[np.float32], items: NDArray[np.float32]
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield blocks of the products of all users' and all items' factors, a few users at a time.

    Yields
    ------
    int, float32[B, items]
        First user of the block, and the products.
    """
    size = max(1, _BLOCK // max(1, len(items)))
    for begin in range(0, len(users), size):
        yield begin, users[begin : begin + size] @ items.T


def fill_empty(
    users: UserArrays, a: ItemArrays, scratch: Scratch, lists: Lists, fallback: NDArray[np.int32]
) -> None:
    """Give users whose list is empty trending items, then popular ones.

    Parameters
    ----------
    fallback : int32[m]
        Trending rows, best first.
    """
    if lists.rows.size and (lists.rows[:, 0] < 0).any():
        own = int(users.past_length.max()) + users.excluded.shape[1]
        popular = most_popular(a, lists.rows.shape[1] + own)
        _fill_empty(users, a, scratch, lists, fallback, popular)


@kernel
def _fill_empty(
    users: UserArrays,
    a: ItemArrays,
    scratch: Scratch,
    lists: Lists,
    fallback: NDArray[np.int32],
    popular: NDArray[np.int32],
) -> None:
    for u in range(len(lists.rows)):
        if lists.rows[u, 0] < 0:
            mark = mark_own(scratch, a, users, u, users.session_last[u])
            taken = _append(u, 0, fallback, TRENDING, mark, scratch, lists)
            _append(u, taken, popular, POPULAR, mark, scratch, lists)


@kernel
def _append(
    u: Integer,
    taken: Integer,
    candidates: NDArray[np.int32],
    reason: Integer,
    mark: Integer,
    scratch: Scratch,
    lists: Lists,
) -> Integer:
    """Append candidates to a list that holds `taken` items; return how many it then holds."""
    for n in range(len(candidates)):
        row = candidates[n]
        if taken == lists.rows.shape[1]:
            break
        if row >= 0 and lists.constants[row] > -np.inf and scratch.mark[row] != mark:
            scratch.mark[row] = mark
            lists.rows[u, taken] = row
            lists.scores[u, taken] = np.float32(1) / (1 + taken)
            lists.reasons[u, taken] = reason
            taken += 1
    return taken


@kernel
def _list_best(
    u: Integer, products: NDArray[np.float32], n: Integer, mark: Integer, work: Work, lists: Lists
) -> None:
    """Fill a user's list with the best scores, and say why."""
    boost, marks, deep = work.scratch.boost, work.scratch.mark, work.deep
    held, limit = 0, lists.rows.shape[1]
    worst = np.float32(-np.inf)
    for row in range(len(lists.constants)):
        score = products[n, row] + lists.constants[row] + boost[row]
        if score > worst and marks[row] != mark:
            held = keep_best(lists.rows, lists.scores, u, held, row, score)
            if held == limit:
                worst = lists.scores[u, held - 1]
    mean_told, mean_score = np.float32(0), np.float32(0)
    for at in range(held):
        mean_told += _told(u, lists.rows[u, at], deep) / np.float32(held)
        mean_score += lists.scores[u, at] / np.float32(held)
    for at in range(held):
        row = lists.rows[u, at]
        # the deep model is why where it lifts an item above the rest of the list most
        told = _told(u, row, deep) - mean_told
        if told > 0 and told > lists.scores[u, at] - mean_score - told:
            lists.reasons[u, at] = DEEP
        elif boost[row] > 0:
            lists.reasons[u, at] = TRANSITION
            lists.sources[u, at] = source_of(work.window, u, work.transitions, row)
        else:
            lists.reasons[u, at] = NEW if work.items.counts[row] < NEW_BELOW else FACTORS


@kernel
def _told(u: Integer, row: Integer, deep: DeepArrays) -> Real:
    """Return the deep model's part of an item's score, 0 without one."""
    if len(deep.y) == 0:
        return np.float32(0)
    share = np.float32(deep.weights[1] / deep.weights[0])
    return share * deep_score(deep, u, row)
