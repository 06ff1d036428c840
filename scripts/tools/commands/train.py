"""Train the deep model from files as the job does: same trainer, same gate, same store.

Files may be larger than memory: of an event, 24 bytes are kept on disk (under TMPDIR). The trainer
holds as many of each in memory, and about 150 for a moment while it sorts.
"""

import argparse
import math
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from models.deep.shape import NETWORKS, Shape
from operators.fine_tune import rounds
from operators.fine_tune.rounds import RoundParams
from operators.fine_tune.trainer import Ended, Trainer, TrainerParams
from scripts.tools.cluster.paths import store_uri, trainer_python
from scripts.tools.commands.demo_view import console
from scripts.tools.console import ToolError, answer, positive, progress, run
from scripts.tools.data import columns, train_events
from scripts.tools.data.train_events import EVENT_BYTES, SORTING_BYTES, Prepared
from state.codec.sealed import StateError
from state.store.model_store import Manifest, ModelStore

Told = Callable[[Mapping[str, Any]], None]
"""Called with what the trainer says of itself: step, steps, loss."""


@dataclass(frozen=True)
class Round:
    """What became of one round."""

    version: int
    accepted: bool
    parent: int
    events: int
    items: int
    steps: int
    seconds: float
    loss: float | None
    champion: float | None
    """HR@10 of the parent on the held-out users."""
    challenger: float | None
    verdict: str

    @classmethod
    def of(cls, version: int, parent: int, seconds: float, done: rounds.Conclusion) -> "Round":
        """Return it from the trainer's report."""
        report = done.report
        return cls(
            version=version,
            accepted=done.manifest is not None,
            parent=parent,
            events=report.events,
            items=report.items,
            steps=report.steps,
            seconds=round(seconds, 2),
            loss=report.loss[-1] if report.loss else None,
            champion=report.champion.get("hr_at_10"),
            challenger=report.challenger.get("hr_at_10"),
            verdict=done.verdict.reason,
        )


@dataclass
class Training:
    """Rounds one after the other, each from the last one that the gate let pass.

    Parameters
    ----------
    store
        Where the versions go; their numbers follow the newest one there.
    params
        How a round trains.
    python
        Interpreter of an environment with torch.
    parent
        Version to start from; None: from nothing.
    """

    store: ModelStore
    params: RoundParams
    python: Path
    parent: Manifest | None = None
    rounds: list[Round] = field(default_factory=list)

    def run(self, data: Prepared, folder: Path, told: Told) -> None:
        """Train a round on each slice, with those before it to replay.

        Raises
        ------
        ToolError
            If a trainer fails or the store cannot be read or written.
        """
        newest = max(self.store.versions(), default=0)
        trained = 0
        for number, end in enumerate(data.ends, start=1):
            here = folder / f"round-{number}"
            if self._round(data, here, number, newest + number, trained, told):
                trained = end

    def _round(
        self, data: Prepared, folder: Path, slices: int, version: int, new_from: int, told: Told
    ) -> bool:
        parent = self.parent.version if self.parent else 0
        rounds.prepare(
            folder, self.params, number=version, new_from=new_from, store=self.store, parent=parent
        )
        data.lay_out(folder, slices)
        ended = self._wait(folder, told)
        if not ended.ok:
            raise ToolError(f"trainer: expected a round, got {ended.reason}")
        done = rounds.conclude(
            folder, self.params, self.store, version=version, parent=self.parent, offsets={}
        )
        self.rounds.append(Round.of(version, parent, ended.seconds, done))
        self.parent = done.manifest or self.parent
        return done.manifest is not None

    def _wait(self, folder: Path, told: Told) -> Ended:
        params = TrainerParams(
            python=str(self.python), threads=self.params.threads, nice=0, seconds=math.inf
        )
        trainer = Trainer(params, folder)
        try:
            while (ended := trainer.poll()) is None:
                told(trainer.progress().told())
                time.sleep(0.1)
        finally:
            trainer.kill()
        return ended


def main() -> int:
    """Read the command line and train.

    Returns
    -------
    int
        0, or 1 where the gate let no round pass.
    """
    options = _parser().parse_args()
    python = trainer_python()
    if python is None:
        message = "torch: expected .venv-train, got none; run scripts/setup --train"
        raise ToolError(message)
    uri = store_uri(options.out)
    with tempfile.TemporaryDirectory(prefix="streamrec-train-") as folder:
        try:
            training = _training(options, uri, python)
            _train(training, options, Path(folder))
        except StateError as error:
            raise ToolError(str(error)) from None
    _show(training, uri, as_json=options.json)
    return 0 if any(one.accepted for one in training.rounds) else 1


def _training(options: argparse.Namespace, uri: str, python: Path) -> Training:
    store = ModelStore(uri)
    if options.network == "ncf" and options.layers != 1:
        message = f"--layers: expected 1, as ncf has one hidden layer, got {options.layers}"
        raise ToolError(f"{message}; leave it out", code=2)
    shape = Shape(
        network=options.network, dim=options.dim, width=options.width, layers=options.layers
    )
    params = RoundParams(
        expects=False,
        shape=shape,
        steps=options.steps,
        batch=options.batch,
        rate=options.rate,
        threads=options.threads,
        seed=options.seed,
    )
    parent = store.manifest(options.parent) if options.parent else None
    if parent is not None and parent.shape != shape.to_dict():
        message = f"--parent: expected the shape {shape.to_dict()}, got {parent.shape}"
        raise ToolError(f"{message}; set --network, --dim, --width and --layers to its", code=2)
    return Training(store, params, python, parent)


def _train(training: Training, options: argparse.Namespace, folder: Path) -> None:
    columns = (
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
    )  # fmt: skip
    files = train_events.scanned(options.data, options.columns)
    events = sum(file.rows for file in files)
    progress(
        f"{events:,} events, {options.rounds} round(s); the trainer holds {EVENT_BYTES} bytes of"
        f" each in memory, {_mib(events * EVENT_BYTES)}, and {_mib(events * SORTING_BYTES)} while"
        " it sorts"
    )
    with Progress(*columns, console=console(stderr=True)) as bar:
        reading = bar.add_task("reading", total=events)
        data = train_events.prepare(
            files, folder, options.rounds, lambda done: bar.update(reading, completed=done)
        )
        task = bar.add_task("training", total=options.rounds)

        def told(what: Mapping[str, Any]) -> None:
            number = len(training.rounds)
            loss = f", loss {what['loss']:.3f}" if "loss" in what else ""
            bar.update(
                task,
                completed=number + what.get("step", 0) / max(1, what.get("steps", 1)),
                description=f"round {number + 1}/{options.rounds}{loss}",
            )

        training.run(data, folder, told)
        bar.update(task, completed=options.rounds)


def _mib(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"


def _show(training: Training, uri: str, *, as_json: bool) -> None:
    newest = max((one.version for one in training.rounds if one.accepted), default=0)
    if as_json:
        told = [asdict(one) for one in training.rounds]
        answer({"store": uri, "model": newest, "rounds": told}, as_json=True)
        return
    table = Table("version", "events", "items", "steps", "seconds", "loss", "HR@10 before", "after",
                  "verdict")  # fmt: skip
    for one in training.rounds:
        figures = (one.loss, one.champion, one.challenger)
        table.add_row(
            str(one.version) if one.accepted else f"({one.version})",
            f"{one.events:,}",
            f"{one.items:,}",
            str(one.steps),
            f"{one.seconds:.1f}",
            *("" if value is None else f"{value:.4f}" for value in figures),
            one.verdict,
        )
    console().print(table)
    console().print(f"store {uri}, newest model {newest or 'none: the gate let none pass'}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/train", description=__doc__)
    add = parser.add_argument
    default = RoundParams(shape=Shape())
    whole, real = positive(int), positive(float)
    columns.add_arguments(
        parser,
        "; every row is an event that was liked, but for those of a type that is not",
        required=True,
    )
    add("--out", required=True, metavar="STORE", help="folder or URI of the models")
    add("--parent", type=whole, metavar="N", help="fine-tune this version of the store")
    add(
        "--rounds",
        type=whole,
        default=1,
        metavar="N",
        help="fine-tune in N rounds over slices of time with as many events each (default: 1)",
    )
    add("--steps", type=whole, default=default.steps, metavar="N",
        help="steps a round, at most (default: as fine_tune.steps)")  # fmt: skip
    add("--batch", type=whole, default=default.batch, metavar="N",
        help="rows of sequences a step (default: %(default)s)")  # fmt: skip
    add("--rate", type=real, default=default.rate, metavar="R",
        help="of AdamW, at most (default: as fine_tune.rate)")  # fmt: skip
    add("--network", choices=NETWORKS, default=default.shape.network,
        help="as deep.network (default: %(default)s)")  # fmt: skip
    add("--dim", type=whole, default=default.shape.dim, metavar="N",
        help="length of an item's embeddings (default: %(default)s)")  # fmt: skip
    add("--width", type=whole, default=default.shape.width, metavar="N",
        help="length of a layer's state (default: %(default)s)")  # fmt: skip
    add("--layers", type=whole, default=default.shape.layers, metavar="N",
        help="recurrent layers (default: %(default)s)")  # fmt: skip
    add("--threads", type=whole, default=1, metavar="N", help="of the trainer (default: 1)")
    add("--seed", type=int, default=1, metavar="N", help="of every random choice (default: 1)")
    add("--json", action="store_true", help="print one JSON object")
    return parser


if __name__ == "__main__":
    run(main)
