"""Newcomers: described items that hardly anybody has met, each shown to those it may suit.

Nothing was learnt of such an item. What its categories are worth to a user stands for it: how many
of the user's last items are of them, against how many of everybody's are. Of all lists the fourth
that a newcomer suits best get one, in the middle, until it has been in as many as it is promised.
Those of best items would say less: what a user likes most is soon had, and not listed again.
"""

from collections.abc import Callable, Sequence
from math import ceil

import numpy as np
from numpy.typing import NDArray

from models.catalogue.catalogue import Facts
from models.columns.lists import BY_NEW, Recommended
from models.columns.users import Users
from models.items.table import NEW_BELOW, Items

_TRIES = 8
"""Newcomers of a category, and categories, that are looked at for a user."""
_SHARE, _STEP = 0.25, 0.02
"""Share of lists that get a newcomer, and how fast the bar moves to where that is so."""
_WITHOUT = ""
"""Stands for the category of items that have none."""


class Newcomers:
    """Newcomers of one worker.

    Parameters
    ----------
    impressions : int
        Lists that each is put into, by all workers together.
    """

    def __init__(self, impressions: int) -> None:
        self._impressions = impressions
        self._ids: dict[int, str] = {}
        self._listed: dict[int, int] = {}
        self._names: dict[int, tuple[str, ...]] = {}
        self._pools: dict[str, list[int]] = {}
        self._places: dict[tuple[str, int], int] = {}
        self._usual: dict[str, float] = {}
        self._lists, self._bar = 0, 1.0

    def meet(self, key: int, item: str, facts: Facts, items: Items) -> None:
        """Take a described item for a newcomer unless others have met it."""
        self.leave(key)
        if self._listed.get(key, 0) >= self._impressions or _met(items, key):
            return
        self._ids[key] = item
        self._names[key] = tuple(dict.fromkeys(facts.categories)) or (_WITHOUT,)
        for name in self._names[key]:
            pool = self._pools.setdefault(name, [])
            self._places[name, key] = len(pool)
            pool.append(key)

    def leave(self, key: int) -> None:
        """Take an item for a newcomer no more."""
        self._ids.pop(key, None)
        for name in self._names.pop(key, ()):
            pool, place = self._pools[name], self._places.pop((name, key))
            last = pool.pop()
            if last != key:
                pool[place], self._places[name, last] = last, place
            if not pool:
                del self._pools[name]

    def join(  # lists and all that they are held against
        self,
        lists: Recommended,
        propensities: NDArray[np.float32],
        users: Users,
        seeds: NDArray[np.uint64],
        items: Items,
        hidden: NDArray[np.bool_],
        most_per_category: int,
        workers: int,
    ) -> None:
        """Put a newcomer into the fourth of lists that one suits best; the last item makes room.

        Parameters
        ----------
        lists, propensities
            (U, k), changed in place.
        seeds : uint64[U]
            The same seed draws the same.
        hidden : bool[K]
            Kinds of items that may not be listed.
        most_per_category : int
            Items of one category in a list; 0: as many as come.
        workers : int
            Of the job: each keeps its part of the promise.
        """
        if not self._pools:
            return
        promised = ceil(self._impressions / workers)
        place = lists.rows.shape[1] // 2
        for u, seed in enumerate(seeds.tolist()):
            listed = [row for row in lists.rows[u].tolist() if row >= 0]
            found = self._choose(listed, users, u, seed, items, hidden)
            if found is None:
                continue
            key, chance = found
            stays = listed[: lists.rows.shape[1] - 1]
            if most_per_category and _full(items, key, stays, most_per_category):
                continue
            row = _row_of(items, key, self._ids[key])
            if row < 0:
                self.leave(key)  # the table is full
                continue
            _insert(lists, propensities, u, min(place, len(listed)), len(listed), row, chance)
            self._listed[key] = self._listed.get(key, 0) + 1
            if self._listed[key] >= promised:
                self.leave(key)

    def _choose(
        self,
        listed: Sequence[int],
        users: Users,
        u: int,
        seed: int,
        items: Items,
        hidden: NDArray[np.bool_],
    ) -> tuple[int, float] | None:
        """Return a newcomer for a user, and with which probability it was chosen; or None."""
        last = users.history[u, : users.history_length[u]].tolist()
        own = {*last, *users.excluded[u].tolist()}
        own.update(items.keys[list(listed)].tolist())
        ranked = self._categories_for(last, items, seed)
        if not ranked or not self._passes(ranked[0][1]):
            return None
        met: list[int] = []

        def suits(key: int) -> bool:
            if key in own or hidden[items.catalogue.kind_of(key)] or not items.is_available(key):
                return False
            if _met(items, key):
                met.append(key)
                return False
            return True

        found = None
        for name, _ in ranked[:_TRIES]:
            found = _draw(self._pools[name], seed, suits)
            if found is not None:
                break
        for key in met:
            self.leave(key)
        return found

    def _passes(self, worth: float) -> bool:
        """Return whether a list is among those that a newcomer suits best."""
        below = worth < self._bar
        self._bar += _STEP * (1 - _SHARE - below)
        return not below

    def _categories_for(
        self, last: Sequence[int], items: Items, seed: int
    ) -> list[tuple[str, float]]:
        """Return the categories of newcomers, and what each is worth to a user, 1 as to everybody.

        The best first; of a user whose last items say nothing, any.
        """
        worth: dict[str, float] = {}
        catalogue = items.catalogue
        for key in last:
            for name in catalogue.kinds[catalogue.kind_of(key)].categories:
                worth[name] = worth.get(name, 0.0) + 1
        self._lists, total = self._lists + 1, sum(worth.values())
        for name, mine in worth.items():
            self._usual[name] = self._usual.get(name, 0.0) + mine / total
        lift = {
            name: mine / total * self._lists / self._usual[name]
            for name, mine in worth.items()
            if name in self._pools
        }
        known = sorted(lift.items(), key=lambda one: -one[1])
        if known:
            return known
        names = list(self._pools)
        return [(names[(seed + n) % len(names)], 1.0) for n in range(min(_TRIES, len(names)))]


def _draw(pool: Sequence[int], seed: int, suits: Callable[[int], bool]) -> tuple[int, float] | None:
    """Return an item of a pool that suits, and with which probability it is drawn; or None.

    It is the first one that suits from a place on that the seed says: so it is drawn from its own
    place, and from those right before it that do not suit.
    """
    many, tries = len(pool), min(_TRIES, len(pool))
    for n in range(tries):
        at = (seed + n) % many
        if suits(pool[at]):
            before = 0
            while before < tries - 1 and not suits(pool[at - 1 - before]):
                before += 1
            return pool[at], (1 + before) / many
    return None


def _met(items: Items, key: int) -> bool:
    """Return whether an item has had some events."""
    row = items.rows(np.array([key], np.uint64), register=False)[0]
    return bool(row >= 0 and items.arrays.counts[row] >= NEW_BELOW)


def _row_of(items: Items, key: int, item: str) -> int:
    """Return the row of an item, which gets one if there are some left; else -1."""
    rows = items.rows(np.array([key], np.uint64), register=items.size < items.limit)
    items.name(rows, [item])
    return int(rows[0])


def _full(items: Items, key: int, listed: Sequence[int], most: int) -> bool:
    """Return whether some category of an item has as many in a list as it may."""
    kinds = items.catalogue.kinds
    others = [kinds[items.arrays.kind[row]].categories for row in listed]
    wanted = kinds[items.catalogue.kind_of(key)].categories
    return any(sum(name in one for one in others) >= most for name in wanted)


def _insert(
    lists: Recommended,
    propensities: NDArray[np.float32],
    u: int,
    place: int,
    held: int,
    row: int,
    chance: float,
) -> None:
    """Put an item into a list of `held` at a place; those behind it move on, and one may go."""
    score = lists.scores[u, min(place, max(held - 1, 0))]
    for column in (lists.rows, lists.scores, lists.reasons, lists.sources, propensities):
        column[u, place + 1 :] = column[u, place:-1].copy()
    lists.rows[u, place], lists.scores[u, place] = row, score
    lists.reasons[u, place], lists.sources[u, place] = BY_NEW, -1
    propensities[u, place] = chance
