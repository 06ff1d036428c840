"""What stands for the model of the pipeline: one component alone; one whose time is measured."""

import time
from collections import deque
from dataclasses import replace
from typing import Any

import numpy as np

from models.arrays.deep import DeepArrays
from models.arrays.lesson import Lesson
from models.arrays.work import Work
from models.columns.learnt import Learnt
from models.columns.lists import Recommended
from models.columns.users import Users
from models.components import COMPONENTS
from models.items.table import Items
from models.objective import Objective
from models.ranking.model import Ranking
from models.ranking.ranks import RANKED

_LEARNT_AGAIN, _RANKED_AGAIN = 20, 4
"""Last micro-batches that are learnt once more, and with ranks, to measure the time of it."""


class Alone(Ranking):
    """The ranking model with one component that counts.

    Parameters
    ----------
    component
        See `models.components`.
    more
        As of `Ranking`.
    """

    def __init__(self, component: int, **more: Any) -> None:
        super().__init__(more.pop("params"), **more)
        self._alone = np.arange(COMPONENTS) == component

    def _work(self, items: Items, users: Users, deep: DeepArrays) -> Work:
        work = super()._work(items, users, deep)
        work.scratch.weights[:] = self._alone
        return work


class Noted:
    """A model that remembers what it was last told."""

    def __init__(self, model: Objective) -> None:
        self._model = model
        self._told: deque[tuple[Items, Users, Lesson]]
        self._told = deque(maxlen=_LEARNT_AGAIN)

    def learn(self, items: Items, users: Users, lesson: Lesson) -> Learnt:
        """Learn."""
        self._told.append((items, _copied(users), lesson))
        return self._model.learn(items, users, lesson)

    def costs(self) -> dict[str, float]:
        """Return the CPU time of learning an event, and of ranking one before, µs."""
        learning = self._us_an_event(_LEARNT_AGAIN, ranked=False)
        both = self._us_an_event(_RANKED_AGAIN, ranked=True)
        return {"us_an_event": learning, "us_a_ranking": max(0.0, both - learning)}

    def _us_an_event(self, batches: int, *, ranked: bool) -> float:
        """Return the CPU time of learning the last micro-batches once more, µs an event.

        Users are as they were: what is their own by now was not then, or it would not be ranked.
        """
        if isinstance(self._model, Ranking):
            self._model.ranked = float(RANKED)  # as in the job
        told = [(items, _copied(users), lesson) for items, users, lesson in self._told][-batches:]
        events = sum(len(lesson) for *_, lesson in told)
        begin = time.process_time()
        for items, users, lesson in told:
            scored = np.full_like(lesson.scored, ranked)
            again = replace(lesson, scored=scored, deep=DeepArrays.none())
            self._model.learn(items, users, again)
        return 1e6 * (time.process_time() - begin) / max(1, events)

    def apply(self, *columns: Any, **more: Any) -> None:
        """Learn the item side of what others accepted."""
        self._model.apply(*columns, **more)

    def recommend(self, *columns: Any, **more: Any) -> Recommended:
        """Recommend."""
        return self._model.recommend(*columns, **more)


def _copied(users: Users) -> Users:
    return users.take(np.arange(len(users), dtype=np.int32))
