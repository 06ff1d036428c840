"""A catalogue of any size as the job's own pipeline has learnt it."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from conf.problems import checked
from jobs import parameters
from models.arrays.deep import DeepArrays
from models.columns.lists import Recommended
from models.columns.users import Users
from models.ranking.model import Ranking
from operators.learn_users.micro_batch import MicroBatch
from operators.learn_users.pipeline import Pipeline
from operators.params import LearningParams, LearnUsersParams
from scripts.tools.benchmarks.candidates.exact import Scores, scores_of
from scripts.tools.console import ToolError
from scripts.tools.data.behaviour import BLOCK, Block, Generated
from scripts.tools.data.generator import GeneratorParams
from scripts.tools.evaluate.stream.pipeline import Notebook
from scripts.tools.evaluate.stream.records import batches

_PLACES = 100
"""Items of a cluster."""
_ITEMS_A_VISITOR = 20
_ITEMS_A_USER = 10
_LEAST_USERS = 1_000
_PACE_MS = 200
"""Event time between two events."""
_BEGIN_MS = 1_700_000_000_000


@dataclass(frozen=True)
class Walk:
    """Every item of a catalogue once, by visitors of some items each: the job receives them all."""

    items: int

    @property
    def events(self) -> int:
        """One an item."""
        return self.items

    def blocks(self) -> Iterator[Block]:
        """Yield the events, block by block."""
        begin = _BEGIN_MS - _PACE_MS * self.items
        for first in range(0, self.items, BLOCK):
            numbers = range(first, min(first + BLOCK, self.items))
            yield Block(
                event_ids=[f"walk-{n}" for n in numbers],
                users=[f"visitor-{n // _ITEMS_A_VISITOR}" for n in numbers],
                items=[f"item-{n}" for n in numbers],
                types=["view"] * len(numbers),
                times=[begin + _PACE_MS * n for n in numbers],
                values=[None] * len(numbers),
            )


@dataclass(frozen=True)
class World:
    """A walk through the whole catalogue, then generated behaviour: Zipf's law in each cluster.

    Parameters
    ----------
    items
        Size of the catalogue; the generator adds a few on the way.
    """

    items: int

    @property
    def events(self) -> int:
        """Return how many there are."""
        return self.items + self.behaviour.events

    @property
    def behaviour(self) -> Generated:
        """Return what users do after the walk."""
        params = GeneratorParams(
            start_ms=_BEGIN_MS,
            users=max(_LEAST_USERS, self.items // _ITEMS_A_USER),
            clusters=max(1, self.items // _PLACES),
            places=_PLACES,
        )
        return Generated(max(20_000, self.items // 2), params)

    def blocks(self) -> Iterator[Block]:
        """Yield the events, block by block."""
        return chain(Walk(self.items).blocks(), self.behaviour.blocks())


class Learner(Pipeline):
    """The job's pipeline; what it has learnt is asked for lists of single users."""

    def __init__(self, params: LearnUsersParams) -> None:
        super().__init__(params, clock_ms=_now_ms)
        self._memory = Notebook()
        self._names: set[str] = set()

    def take(self, world: World, on_progress: Callable[[int], None]) -> None:
        """Learn all events of a world."""
        done = 0
        for keys, values, _ in batches(world):
            numbers = range(done, done + len(keys))
            batch = MicroBatch(0, keys, values, numbers, [_now_ms()] * len(keys))
            self.process(batch, self._memory)
            self._names.update(key.decode() for key in keys if key)
            done += len(keys)
            on_progress(done)

    def users(self, count: int, seed: int = 1) -> list[Users]:
        """Return some of the users that came back after the walk, each by itself, as they are."""
        known = sorted(name for name in self._names if not name.startswith("visitor"))
        draw = np.random.default_rng(seed)
        chosen = draw.choice(len(known), min(count, len(known)), replace=False)
        names = [known[n] for n in chosen.tolist()]
        return [self._user_state.decode([self._memory.get(name)], [name]) for name in names]

    def recommend(self, user: Users) -> Recommended:
        """Return the list of one user, made by the job's own objective."""
        return self.model.recommend(self.items, user, self._params.k, DeepArrays.none())

    def scores(self, user: Users) -> Scores | None:
        """Return the exact scores of one user, see `exact.scores_of`."""
        learning = replace(self.learning, ranking=self._learn.knobs.served)
        return scores_of(self.items, user, learning, self._learn.popularity.weights)

    @property
    def learning(self) -> LearningParams:
        """Return what it learns by."""
        return self._params.learning

    @property
    def model(self) -> Ranking:
        """The ranking model."""
        found = self._learn.objective
        if not isinstance(found, Ranking):
            message = f"learning.objective: expected ranking, got {found}; leave it"
            raise ToolError(message)
        return found


def learner(model: str, items: int) -> Learner:
    """Return a pipeline without a deep model that has room for so many items."""
    limit = items + items // 10 + 1_000
    sections = {
        "learning": {"ranking": {"model": model}},
        "items": {"limit": limit},
        "users": {"buckets": 1},
        "deep": {"enabled": False},
        "recommend": {"enabled": False},
        "evaluation": {"share": 0.0},
    }
    return Learner(parameters.learn_users(checked(sections)))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
