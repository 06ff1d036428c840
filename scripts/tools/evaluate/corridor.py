"""The job's corridor over a file: what it is made of, and the ranks it finds on the way."""

import copy
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conf.schema import JobConfig
from jobs import parameters
from models.arrays import DeepArrays, Work
from models.columns import NOT_SCORED, Events, Learnt, Recommended, Users
from models.component import COMPONENTS, TRANSITIONS
from models.deep.serving import Deep
from models.items.table import Items
from models.objective import Objective
from models.ranking.model import Ranking
from operators.corridor import Corridor
from operators.params import LearnUsersParams
from operators.stages.learn import Taught
from scripts.tools.data.behaviour import Block, Blocks
from scripts.tools.kafka.produce import encoded
from state.topics.window import Sums

RANKS = (
    "rank", "online_rank", "deep_rank", "transition_rank", "neighbour_rank", "hybrid_rank",
    "popularity_rank",
)  # fmt: skip
"""Columns of `models.columns.Learnt` that are kept."""
BATCH = 512
_LISTED = 4
"""One user in so many that had a ranked event has a list made: for coverage."""
_LEARNT_AGAIN, _RANKED_AGAIN = 20, 4
"""Last micro-batches that are learnt once more, and with ranks, to measure the time of it."""


@dataclass(frozen=True)
class Variant:
    """The ranking model of one pass.

    Parameters
    ----------
    ranking
        What differs in `learning.ranking`.
    alone
        Component that ranks alone, see `models.component`; factors are not learnt then.
    """

    ranking: dict[str, Any]
    alone: int | None = None


VARIANTS = {
    "online": Variant({}),
    "light": Variant({"model": "light"}),
    "hybrid": Variant({"model": "full", "neighbours": 0}),
    "transitions": Variant({"model": "full", "neighbours": 0}, alone=TRANSITIONS),
}
"""Passes through the corridor, by name."""


class Alone(Ranking):
    """The ranking model with one component that counts.

    Parameters
    ----------
    component
        See `models.component`.
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
        self._told: deque[tuple[Items, Users, tuple[Any, ...], dict[str, Any]]]
        self._told = deque(maxlen=_LEARNT_AGAIN)

    def learn(self, items: Items, users: Users, *columns: Any, **more: Any) -> Learnt:
        """Learn."""
        self._told.append((items, _copied(users), columns, more))
        return self._model.learn(items, users, *columns, **more)

    def us_an_event(self, batches: int, *, ranked: bool) -> float:
        """Return the CPU time of learning the last micro-batches once more, µs an event.

        Users are as they were: what is their own by now was not then, or it would not be ranked.
        """
        if isinstance(self._model, Ranking):
            self._model.ranks_parts = False  # the job does not ask for them
        told = [(a, _copied(users), b, more) for a, users, b, more in self._told][-batches:]
        events = sum(len(more["scored"]) for *_, more in told)
        begin = time.process_time()
        for items, users, columns, more in told:
            scored = np.full_like(more["scored"], ranked)
            again = {**more, "scored": scored, "deep": DeepArrays.none()}
            self._model.learn(items, users, *columns, **again)
        return 1e6 * (time.process_time() - begin) / max(1, events)

    def apply(self, *columns: Any, **more: Any) -> None:
        """Learn the item side of what others accepted."""
        self._model.apply(*columns, **more)

    def recommend(self, *columns: Any, **more: Any) -> Recommended:
        """Recommend."""
        return self._model.recommend(*columns, **more)


class Notebook(dict[str, bytes]):
    """Memory of users."""

    def put(self, key: str, value: bytes) -> None:
        """Remember."""
        self[key] = value


class Observed(Corridor):
    """The job's corridor, with the ranked events chosen by number and their ranks kept.

    Parameters
    ----------
    params
    every
        One event in so many is ranked.
    alone
        See `Variant`.
    """

    def __init__(self, params: LearnUsersParams, every: int, alone: int | None = None) -> None:
        super().__init__(params, clock_ms=lambda: time.time_ns() // 1_000_000)
        self._every = every
        if alone is not None:
            learning = params.learning
            self._learn.objective = Alone(
                alone,
                params=learning.ranking,
                users=learning.users,
                transitions=learning.transitions,
                neighbours=learning.sequences,
            )
        if isinstance(self._learn.objective, Ranking):
            self._learn.objective.ranks_parts = True
        self._learn.objective = self._noted = Noted(self._learn.objective)
        self.found: dict[str, list[NDArray[np.int32]]] = {name: [] for name in RANKS}
        self.numbers: list[NDArray[np.int64]] = []
        self.asked: list[str] = []
        self._events: Events | None = None

    @property
    def params(self) -> LearnUsersParams:
        """What it was made with."""
        return self._params

    @property
    def deep(self) -> Deep:
        """The deep model."""
        return self._learn.deep

    def copied(self) -> "Observed":
        """Return a corridor that goes on from here by itself."""
        # decoders keep nothing, and cannot be copied
        return copy.deepcopy(self, {id(self._decode): self._decode})

    def scored(self, ids: list[str], events: Events) -> NDArray[np.bool_]:
        """Return which events are ranked: every so many of the stream."""
        self._events = events
        chosen: NDArray[np.bool_] = events.coordinate % self._every == 0
        self.asked = [ids[u] for u in np.unique(events.user[chosen]).tolist()]
        return chosen

    def evaluate(self, taught: Taught, metrics: Sums) -> None:
        """Keep the ranks."""
        super().evaluate(taught, metrics)
        if self._events is None:
            return
        # nobody's first event is ranked
        at = np.flatnonzero(taught.learnt.rank != NOT_SCORED)
        self.numbers.append(self._events.coordinate[at])
        for name, ranks in self.found.items():
            ranks.append(getattr(taught.learnt, name)[at])
        if self.deep.model is not None:
            self.deep.blend.learn(taught.learnt.loss)

    def costs(self) -> dict[str, float]:
        """Return the CPU time of learning an event, and of ranking one before, µs.

        The last micro-batches are learnt again with all that is learnt by now: call it when all
        is done.
        """
        learning = self._noted.us_an_event(_LEARNT_AGAIN, ranked=False)
        both = self._noted.us_an_event(_RANKED_AGAIN, ranked=True)
        return {"us_an_event": learning, "us_a_ranking": max(0.0, both - learning)}

    def lists(self, memory: Notebook) -> dict[str, NDArray[np.int32]]:
        """Return the lists that each model would give to some users now, as item rows."""
        chosen = [user for user in self.asked[::_LISTED] if user in memory]
        if not chosen:
            return {}
        users = self._user_state.decode([memory[user] for user in chosen], chosen)
        model, found = self.deep.model, {}
        if model is not None:
            found = self._deep_lists(users)
            self.deep.model = None
        found["online"] = self._listed(users)
        self.deep.model = model
        return found

    def _deep_lists(self, users: Users) -> dict[str, NDArray[np.int32]]:
        blend = self.deep.blend
        weight, found = blend.deep, {"blend": self._listed(users)}
        blend.deep = 1e6
        found["deep"] = self._listed(users)
        blend.deep = weight
        return found

    def _listed(self, users: Users) -> NDArray[np.int32]:
        return self._rank(self._learn.items, self._learn.objective, users, self.deep).rows


def observed(variant: Variant, config: dict[str, Any], every: int) -> Observed:
    """Return a corridor for a file of any age, with one bucket of all users.

    Parameters
    ----------
    config
        Sections of the configuration that are not the job's defaults.
    every
        One event in so many is ranked.
    """
    learning = config.get("learning", {})
    given = {**learning.get("ranking", {}), **variant.ranking}
    sections = {**config, "learning": {**learning, "ranking": given}}
    sections["users"] = {"buckets": 1, "recent_events": 512, **config.get("users", {})}
    sections["recommend"] = {"enabled": False, **config.get("recommend", {})}
    params = parameters.learn_users(JobConfig.model_validate(sections))
    params = replace(params, policy=replace(params.policy, earliest_ms=0))
    if variant.alone is None:
        return Observed(params, every)
    ranking = replace(params.learning.ranking, context=0, negatives=0)
    learning_params = replace(params.learning, ranking=ranking)
    return Observed(replace(params, learning=learning_params), every, variant.alone)


def _copied(users: Users) -> Users:
    return users.take(np.arange(len(users), dtype=np.int32))


def batches(data: Blocks) -> Iterator[tuple[list[bytes | None], list[bytes | None]]]:
    """Yield the events as records: keys and values of a micro-batch."""
    for block in data.blocks():
        records = list(encoded(positive(block)))
        for at in range(0, len(records), BATCH):
            part = records[at : at + BATCH]
            yield [key for key, _ in part], [value for _, value in part]


def positive(block: Block) -> Block:
    """Return the events, ratings as views: in this protocol every one of them is a positive."""
    if set(block.types) != {"rating"}:
        return block
    size = len(block)
    return Block(
        block.event_ids, block.users, block.items, ["view"] * size, block.times, [None] * size
    )
