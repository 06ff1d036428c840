"""Lists that nothing was learnt for, to hold a model against: the most popular items, or any."""

import numpy as np
from numpy.typing import NDArray

from models.arrays.items import ItemArrays
from models.arrays.users import UserArrays
from models.arrays.work import Scratch
from models.columns.lists import BY_EXPLORED, BY_POPULAR, BY_TRENDING, Recommended
from models.columns.users import Users
from models.compiled import entry
from models.index.ceilings import listable
from models.items.table import Items
from models.numeric.initial import GAMMA, scrambled
from models.popularity.levels import most_popular
from models.users.own import mark_own


class Yardsticks:
    """Makes such lists; items of the users' past and exclusions are left out, as everywhere."""

    def __init__(self) -> None:
        self._scratch = Scratch.of_size(0, 0, 0)

    def popular(self, items: Items, users: Users, k: int) -> Recommended:
        """Return the k most popular items of each user's others; trending ones where private."""
        out, own = Recommended.empty(len(users), k), UserArrays.of(users)
        needed = k + int(users.past_length.max(initial=0)) + users.excluded.shape[1]
        private = items.private
        rows = items.trending_rows() if private else most_popular(items.arrays, needed)
        _take(rows, own, items.arrays, self._scratch_for(items), out.rows, out.scores)
        out.reasons[:] = BY_TRENDING if private else BY_POPULAR
        return out

    def random(
        self, items: Items, users: Users, k: int, seeds: NDArray[np.uint64]
    ) -> tuple[Recommended, NDArray[np.float32]]:
        """Return k items of each user's others, all of them equally likely, and propensities.

        Parameters
        ----------
        seeds : uint64[U]
            The same seed draws the same.
        """
        out, own = Recommended.empty(len(users), k), UserArrays.of(users)
        propensities = np.ones((len(users), k), np.float32)
        scratch = self._scratch_for(items)
        left = np.empty(items.size, np.int32)
        _draw(seeds, own, items.arrays, scratch, left, out.rows, out.scores, propensities)
        out.reasons[:] = BY_EXPLORED
        return out, propensities

    def _scratch_for(self, items: Items) -> Scratch:
        rows = len(items.arrays.keys)
        if len(self._scratch.mark) < rows:
            self._scratch = Scratch.of_size(rows, 0, 0)
        return self._scratch


@entry
def _take(
    candidates: NDArray[np.int32],
    users: UserArrays,
    a: ItemArrays,
    scratch: Scratch,
    rows: NDArray[np.int32],
    scores: NDArray[np.float32],
) -> None:
    for u in range(len(rows)):
        mark, held = mark_own(scratch, a, users, u, users.session_last[u]), 0
        for n in range(len(candidates)):
            if held == rows.shape[1]:
                break
            row = candidates[n]
            if listable(a, row) and scratch.mark[row] != mark:
                rows[u, held], scores[u, held] = row, np.float32(1) / (1 + held)
                held += 1


@entry
def _draw(
    seeds: NDArray[np.uint64],
    users: UserArrays,
    a: ItemArrays,
    scratch: Scratch,
    left: NDArray[np.int32],
    rows: NDArray[np.int32],
    scores: NDArray[np.float32],
    propensities: NDArray[np.float32],
) -> None:
    for u in range(len(rows)):
        mark, pool, word = mark_own(scratch, a, users, u, users.session_last[u]), 0, seeds[u]
        for row in range(len(left)):
            if listable(a, row) and scratch.mark[row] != mark:
                left[pool] = row
                pool += 1
        many = pool
        for place in range(min(rows.shape[1], many)):
            word += GAMMA
            n = np.int64(scrambled(word) % np.uint64(pool))
            rows[u, place], scores[u, place] = left[n], np.float32(1) / (1 + place)
            propensities[u, place] = np.float32(1) / many
            pool -= 1
            left[n] = left[pool]
