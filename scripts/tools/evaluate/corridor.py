"""The pass over a file that `scripts/evaluate` makes."""

import copy
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conf.schema import JobConfig
from jobs import parameters
from models.columns import NOT_SCORED, Events
from models.deep.gate import gains
from models.deep.serving import Deep
from operators.corridor import Corridor
from operators.params import LearnUsersParams
from operators.rounds import RoundParams, conclude, prepare, write_columns
from operators.stages.learn import Taught
from operators.trainer import Trainer, TrainerParams
from scripts.tools.cluster.paths import trainer_python
from scripts.tools.console import ToolError
from scripts.tools.data.behaviour import Block, Source
from scripts.tools.evaluate.output import SLICES, first_of, row
from scripts.tools.kafka.produce import encoded
from state.codec import StateError
from state.model_store import WEIGHTS, Manifest, ModelStore
from state.topics.model_pointer import ModelPointer
from state.topics.window import Sums

MODELS = ("online", "deep", "deep_frozen", "blend", "popularity", "transitions")
_RANKS = {
    "online": "online_rank",
    "deep": "deep_rank",
    "blend": "rank",
    "popularity": "popularity_rank",
    "transitions": "transition_rank",
}
BATCH = 512
_COVERAGE_OF = 4
"""One ranked event in so many has its list looked at for coverage."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the command line asks for."""

    every: int = 20
    fine_tune_every: float = 0.05
    frozen: bool = False
    steps: int = 250
    seed: int = 1
    keep: Path | None = None
    network: str = "recurrent"
    model: str = "full"


@dataclass(frozen=True)
class Round:
    """One round of fine-tuning."""

    number: int
    events: int
    steps: int
    seconds: float
    loss: float | None
    before: float | None
    after: float | None
    weight: float
    """Share of the deep score in the blend when the round began."""
    verdict: str

    def as_cells(self) -> list[str]:
        """Return the round as a row of a table."""
        figures = (self.loss, self.before, self.after)
        return [
            str(self.number),
            f"{self.events:,}",
            str(self.steps),
            f"{self.seconds:.1f}",
            *("" if value is None else f"{value:.4f}" for value in figures),
            f"{self.weight:.3f}",
            self.verdict,
        ]

    def as_mapping(self) -> dict[str, Any]:
        """Return the round for JSON."""
        return asdict(self)


class _Notebook(dict[str, bytes]):
    """Memory of users."""

    def put(self, key: str, value: bytes) -> None:
        self[key] = value


class _Observed(Corridor):
    """The job's corridor, with the ranked events chosen by number and their ranks kept."""

    def __init__(self, params: LearnUsersParams, every: int) -> None:
        super().__init__(params, clock_ms=lambda: time.time_ns() // 1_000_000)
        self._every = every
        self.ranks: dict[str, list[NDArray[np.int32]]] = {name: [] for name in _RANKS.values()}
        self.numbers: list[NDArray[np.int64]] = []
        self.asked: list[str] = []
        self._events: Events | None = None

    @property
    def deep(self) -> Deep:
        """The deep model."""
        return self._learn.deep

    def scored(self, ids: list[str], events: Events) -> NDArray[np.bool_]:
        self._events = events
        chosen: NDArray[np.bool_] = events.coordinate % self._every == 0
        self.asked = [ids[u] for u in np.unique(events.user[chosen]).tolist()]
        return chosen

    def evaluate(self, taught: Taught, metrics: Sums) -> None:
        super().evaluate(taught, metrics)
        if self._events is None:
            return
        # repeats of the user's own are not ranked, nor is anybody's first event
        at = np.flatnonzero(taught.learnt.rank != NOT_SCORED)
        self.numbers.append(self._events.coordinate[at])
        for name in self.ranks:
            self.ranks[name].append(getattr(taught.learnt, name)[at])
        if self.deep.model is not None:
            self.deep.blend.learn(taught.learnt.loss)

    def lists(self, memory: _Notebook) -> dict[str, NDArray[np.int32]]:
        """Return the lists that each model would give to some users now, as item rows."""
        chosen = [user for user in self.asked[::_COVERAGE_OF] if user in memory]
        if not chosen:
            return {}
        users = self._user_state.decode([memory[user] for user in chosen], chosen)
        learn, blend = self._learn, self.deep.blend
        found = {"blend": self._rank(learn.items, learn.objective, users, self.deep).rows}
        model, weights = self.deep.model, (blend.online, blend.deep)
        if model is not None:
            blend.online, blend.deep = 1e-6, 1.0
            found["deep"] = self._rank(learn.items, learn.objective, users, self.deep).rows
            blend.online, blend.deep = weights
            self.deep.model = None
        found["online"] = self._rank(learn.items, learn.objective, users, self.deep).rows
        self.deep.model = model
        return found


@dataclass
class Evaluation:
    """One pass; `rows` tells what came of it."""

    settings: Settings
    data: Source
    rounds: list[Round] = field(default_factory=list)
    fates: dict[str, int] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)
    training_seconds: float = 0.0

    def run(self, report: Callable[[int, str], None]) -> None:
        """Take all events once, in stored order."""
        self._params = _params(self.settings)
        self._corridor = _Observed(self._params, self.settings.every)
        self._memory = _Notebook()
        self._frozen: tuple[_Observed, _Notebook] | None = None
        self._recommended: dict[str, set[int]] = {}
        self._examples: list[tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.int64]]] = []
        self._trained = 0
        self._manifest: Manifest | None = None
        fates, codes = Counter[str](), Counter[str]()
        step = max(1, int(self.data.events * self.settings.fine_tune_every))
        next_round = step if self.settings.fine_tune_every > 0 else self.data.events + 1
        freeze_at = int(self.data.events * SLICES["last20"]) if self.settings.frozen else -1
        with tempfile.TemporaryDirectory(prefix="streamrec-") as folder:
            self._store = ModelStore(str(self.settings.keep or Path(folder) / "store"))
            done = 0
            for keys, values in _batches(self.data):
                done += self._take(done, keys, values, fates, codes)
                report(done, "evaluating")
                if 0 <= freeze_at <= done and self._frozen is None:
                    self._frozen = copy.deepcopy((self._corridor, self._memory))
                if done >= next_round and done < self.data.events:
                    next_round += step
                    report(done, f"round {len(self.rounds) + 1}")
                    self._fine_tune(Path(folder) / f"round-{len(self.rounds) + 1}")
        self.fates, self.codes = dict(fates), dict(codes)

    def _take(
        self,
        first: int,
        keys: list[bytes | None],
        values: list[bytes | None],
        fates: Counter[str],
        codes: Counter[str],
    ) -> int:
        numbers = list(range(first, first + len(keys)))
        if self._frozen is not None:
            corridor, memory = self._frozen
            corridor.process(0, keys, values, numbers, numbers, memory)
        outcome = self._corridor.process(0, keys, values, numbers, numbers, self._memory)
        metrics = outcome.metrics
        fates.update(
            accepted=metrics.accepted,
            duplicate=metrics.duplicates,
            late=metrics.late,
            rejected=metrics.rejected,
        )
        codes.update(headers["err.code"].decode() for _, _, headers in outcome.dead_letters)
        if outcome.examples is not None:
            examples = outcome.examples
            self._examples.append((examples.user, examples.item, examples.time))
        for model, rows in self._corridor.lists(self._memory).items():
            self._recommended.setdefault(model, set()).update(np.unique(rows[rows >= 0]).tolist())
        return len(keys)

    def _fine_tune(self, folder: Path) -> None:
        """Run one round as the job does, and wait for it."""
        python = trainer_python()
        if python is None or not self._examples:
            return
        number = len(self.rounds) + 1
        columns = zip(*self._examples, strict=True)
        users, items, times = (np.concatenate(column) for column in columns)
        self._examples = [(users, items, times)]
        params = RoundParams(
            shape=self._params.learning.deep, steps=self.settings.steps, seed=self.settings.seed
        )
        parent: Manifest | None = self._manifest
        prepare(
            folder,
            params,
            number=number,
            new_from=self._trained,
            store=self._store,
            parent=parent.version if parent else 0,
        )
        write_columns(folder, {"users": users, "items": items, "times": times})
        trainer = Trainer(TrainerParams(python=str(python), nice=0), folder)
        while (ended := trainer.poll()) is None:
            time.sleep(0.05)
        self.training_seconds += ended.seconds
        if not ended.ok:
            raise ToolError(f"trainer: expected a round, got {ended.reason}")
        try:
            done = conclude(folder, params, self._store, version=number, parent=parent, offsets={})
        except StateError as error:
            raise ToolError(str(error)) from None
        blend, report = self._corridor.deep.blend, done.report
        if done.manifest is not None:
            self._serve(done.manifest)
            self._trained = len(users)
        self.rounds.append(
            Round(
                number,
                report["events"],
                report["steps"],
                ended.seconds,
                report["loss"][-1] if report["loss"] else None,
                report["champion"].get("hr_at_10"),
                report["challenger"].get("hr_at_10"),
                blend.deep / blend.online,
                done.verdict.reason,
            )
        )

    def _serve(self, manifest: Manifest) -> None:
        self._manifest = manifest
        pointer = ModelPointer(
            sequence=manifest.version,
            model=manifest.version,
            root=manifest.root,
            sha256=manifest.files[WEIGHTS].sha256,
            shape=manifest.shape,
        )
        self._corridor.deep.swap(self._store.load(pointer, self._params.learning.deep))

    def scored(self, part: str) -> int:
        """Return how many events of a slice were ranked."""
        return int(np.count_nonzero(self._within(self._numbers(self._corridor), part)))

    @property
    def cold(self) -> int:
        """Ranked events of items that had never been seen."""
        ranks = self._ranks(self._corridor, "popularity_rank")
        return int(np.count_nonzero(ranks == -1))

    def ranks(self, model: str) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Return number and rank of the ranked events of a model, -1 for an unknown item."""
        corridor = self._corridor
        if model == "deep_frozen":
            if self._frozen is None:
                return np.empty(0, np.int64), np.empty(0, np.int32)
            corridor = self._frozen[0]
        ranks = self._ranks(corridor, _RANKS["deep" if model == "deep_frozen" else model])
        known = ranks != NOT_SCORED
        if model == "deep_frozen":
            known &= self._within(self._numbers(corridor), "last20")
        return self._numbers(corridor)[known], ranks[known]

    def rows(self, models: list[str]) -> list[dict[str, Any]]:
        """Return a row for every model, metric and slice."""
        found = []
        for model in models:
            numbers, ranks = self.ranks(model)
            for part in SLICES:
                chosen = ranks[self._within(numbers, part)]
                figures = _figures(chosen) if len(chosen) else {}
                if part == "all" and model in self._recommended:
                    known = int((self._corridor.items.count > 0).sum())
                    figures["coverage"] = len(self._recommended[model]) / max(1, known)
                found += [row(model, metric, part, value) for metric, value in figures.items()]
        return found

    def _within(self, numbers: NDArray[np.int64], part: str) -> NDArray[np.bool_]:
        within: NDArray[np.bool_] = numbers >= first_of(part, self.data.events)
        return within

    def _numbers(self, corridor: _Observed) -> NDArray[np.int64]:
        return np.concatenate([np.empty(0, np.int64), *corridor.numbers])

    def _ranks(self, corridor: _Observed, name: str) -> NDArray[np.int32]:
        return np.concatenate([np.empty(0, np.int32), *corridor.ranks[name]])


def _figures(ranks: NDArray[np.int32]) -> dict[str, float]:
    hits = (ranks >= 0) & (ranks < 10)
    rate = float(hits.mean())
    precision = rate / 10
    reciprocal = np.where(ranks >= 0, 1 / (np.maximum(ranks, 0) + 1.0), 0.0)
    return {
        "hr@10": rate,
        "ndcg@10": float(gains(ranks).mean()),
        "mrr": float(reciprocal.mean()),
        "precision@10": precision,
        "recall@10": rate,
        "f1@10": 2 * precision * rate / (precision + rate) if rate else 0.0,
    }


def _params(settings: Settings) -> LearnUsersParams:
    """Return the job's own parameters, for a file of any age and one bucket of all users."""
    config = JobConfig.model_validate(
        {
            "users": {"buckets": 1, "recent_events": 512},
            "recommend": {"enabled": False},
            "deep": {"network": settings.network},
            "learning": {"ranking": {"seed": settings.seed, "model": settings.model}},
        }
    )
    params = parameters.learn_users(config)
    policy = replace(params.policy, earliest_ms=0)
    return replace(params, policy=policy)


def _batches(data: Source) -> Iterator[tuple[list[bytes | None], list[bytes | None]]]:
    for block in data.blocks():
        records = list(encoded(_positive(block)))
        for at in range(0, len(records), BATCH):
            part = records[at : at + BATCH]
            yield [key for key, _ in part], [value for _, value in part]


def _positive(block: Block) -> Block:
    """Return the events as views: in this protocol every event is a positive."""
    plain = set(block.types) == {"rating"}
    if not plain:
        return block
    size = len(block)
    return Block(
        block.event_ids, block.users, block.items, ["view"] * size, block.times, [None] * size
    )
