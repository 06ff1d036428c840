"""What training costs the stream: throughput and checkpoints with and without a round, in turns.

One job, the same model served throughout; rounds are asked for, and stay away in between.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from conf.schema import JobConfig
from scripts.tools.benchmarks.deep_model import NO_ROUNDS, Watched, trainer
from scripts.tools.benchmarks.stage import Job, Stage, stage
from scripts.tools.benchmarks.terminal import progress_bar
from scripts.tools.benchmarks.throughput import SETTINGS, preload
from scripts.tools.commands import control
from scripts.tools.console import ToolError, progress
from scripts.tools.kafka.client import consumer
from scripts.tools.results import Result

_WAIT_SECONDS = 240.0
_CHECKPOINT_SECONDS = 5


@dataclass(frozen=True)
class _Phase:
    """A stretch of time in which a round runs, or none does."""

    training: bool
    begin: float
    end: float


def measure(options: argparse.Namespace) -> list[Result]:
    """Run the job once, with rounds in turns, and return the figures."""
    python = trainer()
    with stage(options.parallelism) as here:
        preload(here, options)
        own = [
            *SETTINGS,
            f"flink.checkpoint_interval={_CHECKPOINT_SECONDS}s",
            f"flink.parallelism={options.parallelism}",
            *NO_ROUNDS,
            f"fine_tune.steps={options.steps}",
            f"fine_tune.python={python}",
            f"fine_tune.store={here.local.run_dir / 'models'}",
        ]
        with here.job("training", [*own, *options.overrides]) as job, progress_bar() as bar:
            task = bar.add_task("training", total=options.events)
            return _Run(here, job, options, lambda n: bar.update(task, completed=n)).figures()


class _Run:
    """The job from its first round to the end of the last phase."""

    def __init__(
        self,
        here: Stage,
        job: Job,
        options: argparse.Namespace,
        on_progress: Callable[[int], None],
    ) -> None:
        self._here, self._config, self._options = here, job.config, options
        self._on_progress = on_progress
        self._checkpoints: dict[int, tuple[float, float]] = {}
        self._rest = here.local.flink.rest
        (running,) = self._rest.running()
        self._job_id = running["jid"]

    def figures(self) -> list[Result]:
        """Alternate and compare."""
        metrics = self._config.kafka.topics.recommendation_metrics
        with consumer(self._here.address, [metrics], isolation="read_uncommitted") as client:
            self._seen = Watched(client)
            self._until(lambda: self._seen.total > 0, "a micro-batch")
            self._pass(self._options.warm_up)
            self._ask(self._config)
            self._until(lambda: self._seen.status.model > 0, "a first model")
            phases = []
            for number in range(self._options.runs):
                if number:
                    self._until(lambda: self._seen.status.status == "idle", "its end")
                phases.append(self._phase(training=False))
                self._ask(self._config)
                self._until(lambda: self._seen.status.status == "training", "a round")
                phases.append(self._phase(training=True))
        return self._compared(phases)

    def _ask(self, config: JobConfig) -> None:
        control.ask_new_job(self._here.address, config, "fine_tune_now")

    def _phase(self, *, training: bool) -> _Phase:
        """Let some seconds pass; a round that ends earlier ends the phase."""
        self._pass(2)
        begin = time.time() * 1000
        deadline = begin + 1000 * self._options.seconds
        while time.time() * 1000 < deadline:
            end = time.time() * 1000
            self._look()
            if training and self._seen.status.status != "training":
                progress("note: the round ended within the phase; raise --steps")
                return _Phase(training, begin, end)
        return _Phase(training, begin, time.time() * 1000)

    def _pass(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._look()

    def _until(self, reached: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _WAIT_SECONDS
        while not reached():
            self._look()
            if time.monotonic() > deadline:
                status = self._seen.status
                raise ToolError(f"benchmark: expected {what} within {_WAIT_SECONDS:g} s, {status}")

    def _look(self) -> None:
        self._seen.poll(0.5)
        self._on_progress(self._seen.total)
        if self._seen.total >= self._options.events:
            raise ToolError(f"{self._options.events:,} events: expected more; raise --events")
        found = self._rest.get(f"/jobs/{self._job_id}/checkpoints")
        for one in found["history"]:
            if one["status"] == "COMPLETED":
                self._checkpoints[one["id"]] = (
                    one["trigger_timestamp"],
                    one["end_to_end_duration"],
                )

    def _compared(self, phases: list[_Phase]) -> list[Result]:
        rates: dict[bool, list[float]] = {True: [], False: []}
        durations: dict[bool, list[float]] = {True: [], False: []}
        for one in phases:
            seconds = (one.end - one.begin) / 1000
            rates[one.training].append(self._seen.between(one.begin, one.end) / seconds)
            durations[one.training] += [
                took for at, took in self._checkpoints.values() if one.begin <= at < one.end
            ]
        return [
            _result("training.throughput", "events/s", rates),
            _result("training.checkpoint_ms", "ms", durations),
        ]


def _result(name: str, unit: str, found: dict[bool, list[float]]) -> Result:
    """Return the figure while training, beside that without."""
    value, peer = statistics.median(found[True]), statistics.median(found[False])
    runs = [*found[True], *found[False]]
    return Result(name, value, unit, peer=peer, ratio=value / peer, runs=runs)
