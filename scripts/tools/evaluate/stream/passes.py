"""Passes over a stream: one through the pipeline for every model that learns by itself."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.columns.learnt import UNKNOWN
from operators.learn_users.micro_batch import MicroBatch
from scripts.tools.data.behaviour import Blocks
from scripts.tools.evaluate.common.figures import Ranked
from scripts.tools.evaluate.stream.pipeline import VARIANTS, Notebook, Observed
from scripts.tools.evaluate.stream.records import batches

Report = Callable[[int, str], None]
"""Is told how many events are done, and of what."""

OWN = ("online", "fixed", "light", "hybrid", "factors", "neighbours", "transitions", "popularity")
"""Models that a pass through the pipeline ranks."""
DEEP = ("deep", "deep_frozen", "blend")
MODELS = (
    "online", "fixed", "light", "hybrid", "factors", "neighbours", "transitions",
    "bpr", "popularity", "decayed_popularity", "item_knn", *DEEP,
)  # fmt: skip
"""Models that can be asked for; deep ones come with the pass of `online`."""
_COLUMNS = {
    "transitions": "transition_rank",
    "popularity": "popularity_rank",
}


@dataclass
class Pass:
    """One pass through the pipeline.

    Parameters
    ----------
    data
        The stream.
    pipeline
        Nothing of it is used elsewhere.
    """

    data: Blocks
    pipeline: Observed
    memory: Notebook = field(default_factory=Notebook)
    fates: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    recommended: dict[str, set[int]] = field(default_factory=dict)
    weights: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    """After each micro-batch: events done, and the weights of scores by name."""
    listing: bool = True
    """Whether lists are made, for coverage."""

    def run(self, name: str, report: Report, beside: "Beside | None" = None) -> None:
        """Take all events once, in stored order."""
        done = 0
        for keys, values, times in batches(self.data):
            batch = MicroBatch(0, keys, values, range(done, done + len(keys)), times)
            if beside is not None:
                beside.before(batch)
            outcome = self.pipeline.process(batch, self.memory)
            done += len(keys)
            self._count(outcome)
            if self.listing:
                self._list()
            self.weights.append((done, self.pipeline.weights()))
            report(done, name)
            if beside is not None:
                beside.after(outcome, done, report)

    def _count(self, outcome: Any) -> None:
        metrics = outcome.metrics
        self.fates.update(
            accepted=metrics.accepted,
            duplicate=metrics.duplicates,
            late=metrics.late,
            rejected=metrics.rejected,
        )
        self.codes.update(headers["err.code"].decode() for _, _, headers in outcome.dead_letters)

    def _list(self) -> None:
        asked = self.pipeline.asked
        for model, rows in self.pipeline.lists(self.memory, asked).items() if asked else ():
            self.recommended.setdefault(model, set()).update(np.unique(rows[rows >= 0]).tolist())

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Places of the ranked events."""
        return np.concatenate([np.empty(0, np.int64), *self.pipeline.numbers])

    def ranks(self, column: str) -> NDArray[np.int32]:
        """Return the ranks in a column of `pipeline.RANKS`."""
        return np.concatenate([np.empty(0, np.int32), *self.pipeline.found[column]])

    @property
    def cold(self) -> int:
        """Ranked events whose item nobody could have listed."""
        return int(np.count_nonzero(self.ranks("popularity_rank") == UNKNOWN))

    def coverage(self, model: str) -> dict[str, float]:
        """Return the share of the known items that were on a list of a model."""
        if model not in self.recommended:
            return {}
        known = int((self.pipeline.items.count > 0).sum())
        return {"coverage": len(self.recommended[model]) / max(1, known)}


def weights_of(passes: dict[str, Pass]) -> list[tuple[int, dict[str, float]]]:
    """Return the weights of the pass of `online` over the stream; none where they are all fixed."""
    found = passes["online"].weights if "online" in passes else []
    return found if found and found[-1][1] else []


class Beside:
    """What goes on beside a pass."""

    def before(self, batch: MicroBatch) -> None:
        """Look at a micro-batch before it is taken."""

    def after(self, outcome: Any, done: int, report: Report) -> None:
        """Look at what came of it."""


def needed(models: Sequence[str], *, ablation: bool = False) -> list[str]:
    """Return the passes through the pipeline that models need, in the order of `VARIANTS`.

    >>> needed(["online", "transitions", "bpr"])
    ['online']
    >>> needed(["popularity"])
    ['transitions']
    """
    passes = {"fixed", "light", "hybrid", "factors", "neighbours"} & set(models)
    if {"online", *DEEP} & set(models):
        passes.add("online")
    if ablation:
        passes |= {"online", "hybrid", "factors", "transitions"}
    if "transitions" in models and "online" not in passes:
        passes.add("transitions")
    if "popularity" in models and not passes:  # any pass ranks by it
        passes.add("transitions")
    return [name for name in VARIANTS if name in passes]


def own(models: Sequence[str], passes: dict[str, Pass]) -> dict[str, Ranked]:
    """Return the ranked events of the models that the passes rank."""
    costs = {name: one.pipeline.costs() for name, one in passes.items()}
    found = {}
    for model in models:
        if model not in OWN:
            continue
        name = _pass_of(model, passes)
        one, more = passes[name], {}
        if name == model:
            more = {**one.coverage("online"), **costs[name]}
        column = _COLUMNS.get(model, "online_rank")
        found[model] = Ranked(one.numbers, one.ranks(column), more)
    return found


def _pass_of(model: str, passes: dict[str, Pass]) -> str:
    """Return the pass that ranks a model: its own, or that of `online`, else any."""
    return next(name for name in (model, "online", *passes) if name in passes)
