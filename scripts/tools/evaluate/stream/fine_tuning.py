"""Rounds of fine-tuning beside a pass, as the job runs them."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.columns.learnt import NOT_SCORED
from models.deep.privacy import Privacy
from models.deep.shape import Shape
from operators.fine_tune.privacy_budget import PrivacyBudget
from operators.fine_tune.rounds import Conclusion, RoundParams, conclude, prepare, write_columns
from operators.fine_tune.trainer import Trainer, TrainerParams
from operators.learn_users.micro_batch import MicroBatch
from scripts.tools.console import ToolError, progress
from scripts.tools.evaluate.common.figures import Ranked
from scripts.tools.evaluate.common.output import SLICES, first_of
from scripts.tools.evaluate.stream.passes import Beside, Pass, Report
from scripts.tools.evaluate.stream.pipeline import Notebook
from scripts.tools.evaluate.stream.rounds import Round
from state.codec.sealed import StateError
from state.keyed.tuner_state import TunerState
from state.store.model_store import WEIGHTS, Manifest, ModelStore
from state.topics.model_pointer import ModelPointer


@dataclass
class FineTuning(Beside):
    """Fine-tunes the deep model of a pass every so many events, and waits for it.

    Parameters
    ----------
    one
        The pass.
    shape
        Of the deep model.
    python
        Interpreter that has PyTorch.
    folder
        Empty one, for what the rounds write.
    store
        Where the models are kept.
    every
        Share of the events between two rounds; 0: none.
    steps, seed
        Of a round.
    frozen
        Whether the model of the last slice's begin goes on unchanged beside.
    """

    one: Pass
    shape: Shape
    python: Path
    folder: Path
    store: Path
    every: float
    steps: int | None
    seed: int
    frozen: bool
    rounds: list[Round] = field(default_factory=list)
    privacy: Privacy | None = None
    """Budget of all rounds; None: without."""
    seconds: float = 0.0
    """Spent on training."""

    def __post_init__(self) -> None:
        events = self.one.data.events
        self._step = max(1, int(events * self.every))
        self._next = self._step if self.every > 0 else events + 1
        self._examples: list[tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.int64]]] = []
        self._trained = 0
        self._manifest: Manifest | None = None
        self._store = ModelStore(str(self.store))
        self._budget = PrivacyBudget(self.privacy, TunerState())
        self._kept: Pass | None = None

    def before(self, batch: MicroBatch) -> None:
        """Let the model that is not fine-tuned any more take the micro-batch, too."""
        if self._kept is not None:
            self._kept.pipeline.process(batch, self._kept.memory)

    def after(self, outcome: Any, done: int, report: Report) -> None:
        """Keep the examples; freeze, or fine-tune, where it is time to."""
        if outcome.examples is not None:
            examples = outcome.examples
            self._examples.append((examples.user, examples.item, examples.time))
        events = self.one.data.events
        if self.frozen and self._kept is None and done >= int(events * SLICES["last20"]):
            memory = Notebook(self.one.memory)
            self._kept = Pass(self.one.data, self.one.pipeline.copied(), memory)
        if self._next <= done < events:
            self._next += self._step
            report(done, f"round {len(self.rounds) + 1}")
            self._fine_tune(self.folder / f"round-{len(self.rounds) + 1}")

    def ranked(self, model: str) -> Ranked:
        """Return the ranked events of a deep model; none before its first round."""
        if model == "deep_frozen":
            if self._kept is None:
                return Ranked(np.empty(0, np.int64), np.empty(0, np.int32))
            numbers, ranks = self._kept.numbers, self._kept.ranks("deep_rank")
            late = numbers >= first_of("last20", self.one.data.events)
            return _known(numbers[late], ranks[late], {})
        column = {"deep": "deep_rank", "blend": "rank"}[model]
        return _known(self.one.numbers, self.one.ranks(column), self.one.coverage(model))

    def _fine_tune(self, folder: Path) -> None:
        """Run one round as the job does, and wait for it."""
        if not self._examples or self._budget.exhausted:
            return
        number = len(self.rounds) + 1
        columns = zip(*self._examples, strict=True)
        users, items, times = (np.concatenate(column) for column in columns)
        self._examples = [(users, items, times)]
        params = RoundParams(
            shape=self.shape, steps=self.steps, seed=self.seed, privacy=self.privacy
        )
        parent = self._manifest
        prepare(
            folder,
            params,
            number=number,
            new_from=self._trained,
            store=self._store,
            parent=parent.version if parent else 0,
            spent=self._budget.ledger.privacy,
        )
        write_columns(folder, {"users": users, "items": items, "times": times})
        self._budget.begin()
        seconds = self._train(folder)
        self._budget.charge(folder)
        if self._budget.exhausted:
            progress(f"round {number}: {self._budget.reached()}")
            return
        try:
            done = conclude(folder, params, self._store, version=number, parent=parent, offsets={})
        except StateError as error:
            raise ToolError(str(error)) from None
        self._take_over(done, seconds, len(users), first=parent is None)

    def _take_over(self, done: Conclusion, seconds: float, events: int, *, first: bool) -> None:
        """Serve the model of a round that the gate accepted, and note the round."""
        blend, report = self.one.pipeline.deep.blend, done.report
        if done.manifest is not None:
            if first and (expected := report.expected) is not None:
                blend.expect(expected.events, expected.gains, expected.squares, expected.variances)
            self._serve(done.manifest)
            self._trained = events
        self.rounds.append(
            Round(
                len(self.rounds) + 1,
                report.events,
                report.steps,
                seconds,
                report.loss[-1] if report.loss else None,
                report.champion.get("hr_at_10"),
                report.challenger.get("hr_at_10"),
                blend.deep,
                done.verdict.reason,
            )
        )

    def _train(self, folder: Path) -> float:
        trainer = Trainer(TrainerParams(python=str(self.python), nice=0), folder)
        while (ended := trainer.poll()) is None:
            time.sleep(0.05)
        self.seconds += ended.seconds
        if not ended.ok:
            raise ToolError(f"trainer: expected a round, got {ended.reason}")
        return ended.seconds

    def _serve(self, manifest: Manifest) -> None:
        self._manifest = manifest
        pointer = ModelPointer(
            sequence=manifest.version,
            model=manifest.version,
            root=manifest.root,
            sha256=manifest.files[WEIGHTS].sha256,
            shape=manifest.shape,
        )
        self.one.pipeline.deep.swap(self._store.load(pointer, self.shape))


def _known(numbers: NDArray[np.int64], ranks: NDArray[np.int32], more: dict[str, float]) -> Ranked:
    known = ranks != NOT_SCORED
    return Ranked(numbers[known], ranks[known], more)
