"""Rank: the best items for every user of the micro-batch."""

from models.columns.lists import Recommended
from models.columns.users import Users
from models.deep.serving import Deep
from models.items.table import Items
from models.objective import Objective


class Rank:
    """Recommends from the whole catalogue; trending items where a user's history says nothing."""

    def __init__(self, *, k: int) -> None:
        self._k = k

    def __call__(self, items: Items, objective: Objective, users: Users, deep: Deep) -> Recommended:
        """Return the k best items of every user, see `models.columns.lists.Recommended`."""
        return objective.recommend(items, users, self._k, deep.score(items, users))
