"""Rank: the best items for every user of the micro-batch."""

import numpy as np
from numpy.typing import NDArray

from models.columns import Recommended, Users
from models.deep.serving import Deep
from models.items import Items
from models.ranking import Ranking
from models.rating import Rating


class Rank:
    """Recommends from the whole catalogue; trending items where a user's history says nothing."""

    def __init__(self, *, k: int) -> None:
        self._k = k
        self._trending = np.empty(0, np.uint64)

    def trend(self, keys: NDArray[np.uint64]) -> None:
        """Take a new list of trending items, best first."""
        self._trending = keys

    def __call__(
        self, items: Items, objective: Ranking | Rating, users: Users, deep: Deep
    ) -> Recommended:
        """Return the k best items of every user, see `models.columns.Recommended`."""
        rows = items.rows(self._trending, register=False)
        return objective.recommend(items, users, self._k, rows[rows >= 0], deep.score(items, users))
