"""The contract of an objective: it learns events, applies what others learnt, and recommends."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.arrays.deep import DeepArrays
from models.arrays.lesson import Lesson
from models.columns.accepted import AcceptedBatch
from models.columns.learnt import Learnt
from models.columns.lists import Recommended
from models.columns.users import Users
from models.items.table import Items


class Objective(Protocol):
    """An objective is `Ranking`, `Rating` or `FilteredRating`, or another that keeps the contract.

    - A user's events are learnt in the order given, and change no other user.
    - An event that is not fresh, or does not count, teaches its user at most, never its item.
    - Where a log is cut into micro-batches changes no bit of users and items.
    - Numbers stay finite and vectors in their ball, whatever events say, and messages that
      `state.topics.accepted.decode` lets pass.
    - Who applies a message knows of items what the sender learnt: to half precision where rows
      travel as differences, and else where no user has two events in it.
    - To rank or predict events first, or to recommend, teaches nothing about users and items.
    """

    def learn(self, items: Items, users: Users, lesson: Lesson) -> Learnt:
        """Learn accepted events in order, see `models.ranking.model.Ranking.learn`."""

    def apply(
        self,
        items: Items,
        batch: AcceptedBatch,
        rows: NDArray[np.int32],
        *,
        fresh: NDArray[np.bool_],
        owned: NDArray[np.bool_] | None = None,
    ) -> None:
        """Learn the item side of what another worker accepted."""

    def recommend(self, items: Items, users: Users, k: int, deep: DeepArrays) -> Recommended:
        """Return the k best items of every user."""
