"""The job's pipeline over a file: what it is made of, and the ranks it finds on the way."""

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conf.problems import checked
from jobs import parameters
from models.columns.events import Events
from models.columns.learnt import NOT_SCORED
from models.columns.users import Users
from models.components import NEIGHBOURS, TRANSITIONS
from models.deep.serving import Deep
from models.ranking.model import Ranking
from operators.learn_users.pipeline import Pipeline
from operators.learn_users.stages.learn import LearnedBatch
from operators.params import LearnUsersParams
from scripts.tools.evaluate.stream.pipeline_models import Alone, Noted
from state.keyed.descriptors import entry_of
from state.topics.window import Sums

RANKS = (
    "rank", "online_rank", "deep_rank", "transition_rank",
    "popularity_rank",
)  # fmt: skip
"""Columns of `models.columns.learnt.Learnt` that are kept."""
_LISTED = 4
"""One user in so many that had a ranked event has a list made: for coverage."""


@dataclass(frozen=True)
class Variant:
    """The ranking model of one pass.

    Parameters
    ----------
    ranking
        What differs in `learning.ranking`.
    alone
        Component that ranks alone, see `models.components`; factors are not learnt then.
    """

    ranking: dict[str, Any]
    alone: int | None = None


VARIANTS = {
    "online": Variant({}),
    "fixed": Variant({"adaptive": False}),
    "light": Variant({"model": "light"}),
    "hybrid": Variant({"model": "full", "neighbour_weight": 0}),
    "factors": Variant({"model": "full", "neighbour_weight": 0, "popularity": False}),
    "neighbours": Variant({"model": "full"}, alone=NEIGHBOURS),
    "transitions": Variant({"model": "full", "neighbour_weight": 0}, alone=TRANSITIONS),
}
"""Passes through the pipeline, by name."""


class Notebook(dict[str, bytes]):
    """Memory of users."""

    def put(self, key: str, value: bytes) -> None:
        """Remember."""
        self[key] = value

    def remove(self, key: str) -> None:
        """Forget."""
        del self[key]


class Observed(Pipeline):
    """The job's pipeline, with the ranked events chosen by number and their ranks kept.

    Weights are learnt as in the job, from the events of `evaluation.share` of the users, which are
    ranked as well; which events are chosen changes nothing that is learnt.

    Parameters
    ----------
    params
    every
        One event in so many is ranked.
    more : bool[n], optional
        Of every event of the stream: whether it is ranked in any case.
    alone
        See `Variant`.
    """

    def __init__(
        self,
        params: LearnUsersParams,
        every: int,
        more: NDArray[np.bool_] | None = None,
        alone: int | None = None,
    ) -> None:
        super().__init__(params, clock_ms=lambda: time.time_ns() // 1_000_000)
        self._every, self._more = every, more
        self._ranking: Ranking | None = None
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
            self._learn.objective.ranked = np.inf
            self._ranking = self._learn.objective
        self._learn.objective = self._noted = Noted(self._learn.objective)
        self.found: dict[str, list[NDArray[np.int32]]] = {name: [] for name in RANKS}
        self.numbers: list[NDArray[np.int64]] = []
        self.asked: list[str] = []
        """Users of the last micro-batch whose lists are made: for coverage."""
        self._events: Events | None = None
        self._chosen = np.empty(0, np.bool_)

    @property
    def params(self) -> LearnUsersParams:
        """Return what it was made with."""
        return self._params

    @property
    def deep(self) -> Deep:
        """The deep model."""
        return self._learn.deep

    def copied(self) -> "Observed":
        """Return a pipeline that goes on from here by itself."""
        # decoders keep nothing, and cannot be copied
        return copy.deepcopy(self, {id(self._decode): self._decode})

    def scored(self, ids: list[str], events: Events) -> NDArray[np.bool_]:
        """Return which events are ranked: every so many of the stream, what is more, the job's."""
        if self._ranking is not None:
            self._ranking.taught = self._sampled_below
        self._events = events
        self._chosen = events.coordinate % self._every == 0
        self.asked = [ids[u] for u in np.unique(events.user[self._chosen]).tolist()][::_LISTED]
        if self._more is not None:
            self._chosen = self._chosen | self._more[events.coordinate]
        return self._chosen | super().scored(ids, events)

    def evaluate(self, learned: LearnedBatch, metrics: Sums) -> None:
        """Keep the ranks of the chosen events."""
        super().evaluate(learned, metrics)
        if self._events is None:
            return
        # nobody's first event is ranked
        at = np.flatnonzero((learned.learnt.rank != NOT_SCORED) & self._chosen)
        self.numbers.append(self._events.coordinate[at])
        for name, ranks in self.found.items():
            ranks.append(getattr(learned.learnt, name)[at])
        if self.deep.model is not None:
            self.deep.blend.learn(learned.learnt.loss)

    def weights(self) -> dict[str, float]:
        """Return the weights of scores that follow ranked events, as they are served now."""
        found = self._learn.knobs.values() if self._adaptive else {}
        return found | ({"deep": self.deep.blend.deep} if self.deep.model is not None else {})

    def costs(self) -> dict[str, float]:
        """Return the CPU time of learning an event, and of ranking one before, µs.

        The last micro-batches are learnt again with all that is learnt by now: call it when all
        is done.
        """
        return self._noted.costs()

    def lists(self, memory: Notebook, ids: Sequence[str]) -> dict[str, NDArray[np.int32]]:
        """Return the lists (n, k) that each model would give to n users now, as item rows.

        Of users without a record, all of whose events were refused, they are empty: -1.
        """
        chosen = [user for user in ids if entry_of(user) in memory]
        users = self._user_state.decode([memory[entry_of(user)] for user in chosen], chosen)
        found = self._deep_lists(users) if self.deep.model is not None else {}
        before = self.deep.swap(None)
        found["online"] = self._listed(users)
        self.deep.swap(before)
        if len(chosen) == len(ids):
            return found
        at = np.flatnonzero([entry_of(user) in memory for user in ids])
        return {name: _spread(rows, at, len(ids)) for name, rows in found.items()}

    def _deep_lists(self, users: Users) -> dict[str, NDArray[np.int32]]:
        blend = self.deep.blend
        weight, found = blend.deep, {"blend": self._listed(users)}
        blend.deep = 1e6
        found["deep"] = self._listed(users)
        blend.deep = weight
        return found

    def _listed(self, users: Users) -> NDArray[np.int32]:
        return self.best(users).rows


def _spread(rows: NDArray[np.int32], at: NDArray[np.intp], size: int) -> NDArray[np.int32]:
    """Return rows at their places among others, which are -1."""
    found = np.full((size, rows.shape[1]), -1, np.int32)
    found[at] = rows
    return found


def observed(
    variant: Variant, config: dict[str, Any], every: int, more: NDArray[np.bool_] | None = None
) -> Observed:
    """Return a pipeline for a file of any age, with one bucket of all users.

    Parameters
    ----------
    config
        Sections of the configuration that are not the job's defaults.
    every, more
        See `Observed`.
    """
    learning = config.get("learning", {})
    given = {**learning.get("ranking", {}), **variant.ranking}
    sections = {**config, "learning": {**learning, "ranking": given}}
    sections["users"] = {"buckets": 1, **config.get("users", {})}
    sections["recommend"] = {"enabled": False, **config.get("recommend", {})}
    params = parameters.learn_users(checked(sections))
    params = replace(params, policy=replace(params.policy, earliest_ms=0))
    if variant.alone is None:
        return Observed(params, every, more)
    ranking = replace(params.learning.ranking, context=0, negatives=0)
    learning_params = replace(params.learning, ranking=ranking)
    return Observed(replace(params, learning=learning_params), every, more, variant.alone)
