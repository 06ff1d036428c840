"""Lists of recommendations, and what stands in them where nothing is known of the user."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.arrays.items import ItemArrays
from models.arrays.users import UserArrays
from models.arrays.work import Scratch
from models.columns.lists import BY_POPULAR, BY_TRENDING, Recommended
from models.compiled import Integer, entry, kernel
from models.index.ceilings import listable
from models.popularity.levels import most_popular
from models.users.own import mark_own

_BLOCK = 1 << 18
"""Numbers in one matrix of products; 1 MB, so that it stays in the processor's cache."""


_RECENT = 64
"""Most last items of a user that neighbours are looked for by."""


class Lists(NamedTuple):
    """The columns of `models.columns.lists.Recommended`, and what every user's list starts from."""

    rows: NDArray[np.int32]
    scores: NDArray[np.float32]
    reasons: NDArray[np.uint8]
    sources: NDArray[np.int32]
    constants: NDArray[np.float32]
    """(items,) part of an item's score that is every user's; -inf: never recommended. Empty where
    lists do without."""

    wanted: NDArray[np.bool_]
    """(k,) scratch: items of the list at hand whose source is looked for."""
    given: NDArray[np.float32]
    """(k, D) scratch: what each of the user's last items gives them."""

    @classmethod
    def of(cls, out: Recommended, constants: NDArray[np.float32]) -> "Lists":
        """Return the columns of `out` themselves, to be filled."""
        k = out.rows.shape[1]
        wanted, given = np.zeros(k, np.bool_), np.zeros((k, _RECENT), np.float32)
        return cls(out.rows, out.scores, out.reasons, out.sources, constants, wanted, given)


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
    users: UserArrays,
    a: ItemArrays,
    scratch: Scratch,
    lists: Lists,
    fallback: NDArray[np.int32],
    *,
    alone: bool = False,
) -> None:
    """Give users whose list is empty trending items, then popular ones.

    Those are looked for among all items, where there may be too few that are trending.

    Parameters
    ----------
    fallback : int32[m]
        Trending rows, best first.
    alone : bool
        Whether no popular items follow, so that a list may be short.
    """
    empty = lists.rows[:, :1].min(axis=1, initial=0) < 0
    if empty.any():
        needed = lists.rows.shape[1] + int(users.past_length[empty].max()) + users.excluded.shape[1]
        known = np.unique(fallback)
        enough = (a.named[known] & (a.counts[known] > 0) & ~a.unavailable[known]).sum() >= needed
        popular = fallback[:0] if enough or alone else most_popular(a, needed)
        _fill_empty(users, a, scratch, lists, fallback, popular)


@entry
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
            taken = _append(u, 0, fallback, BY_TRENDING, mark, a, scratch, lists)
            _append(u, taken, popular, BY_POPULAR, mark, a, scratch, lists)


@kernel
def _append(
    u: Integer,
    taken: Integer,
    candidates: NDArray[np.int32],
    reason: Integer,
    mark: Integer,
    a: ItemArrays,
    scratch: Scratch,
    lists: Lists,
) -> Integer:
    """Append candidates to a list that holds `taken` items; return how many it then holds."""
    for n in range(len(candidates)):
        row = candidates[n]
        if taken == lists.rows.shape[1]:
            break
        if row >= 0 and listable(a, row) and scratch.mark[row] != mark:
            scratch.mark[row] = mark
            lists.rows[u, taken] = row
            lists.scores[u, taken] = np.float32(1) / (1 + taken)
            lists.reasons[u, taken] = reason
            taken += 1
    return taken
