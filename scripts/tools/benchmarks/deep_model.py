"""A deep model for a benchmark, trained from the stream by one round."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from scripts.tools.benchmarks.progress import Consumption
from scripts.tools.benchmarks.stage import Job, Stage
from scripts.tools.benchmarks.terminal import progress_bar
from scripts.tools.cluster.paths import TRAINER_PYTHON
from scripts.tools.commands import control
from scripts.tools.console import ToolError
from scripts.tools.kafka.client import KafkaAddress, consumer

NO_ROUNDS = ("fine_tune.every_events=0", "fine_tune.every_time=0s", "fine_tune.drift=false")
"""Rounds only where one is asked for."""
_EXAMPLES = 200_000
"""Events that were learnt before the round begins."""
_MODEL_SECONDS = 300.0


class Status(msgspec.Struct):
    """Where fine-tuning stands."""

    kind: str
    status: str = ""
    model: int = 0
    verdict: str = ""


@dataclass
class Watched(Consumption):
    """What was consumed, and where fine-tuning stands."""

    status: Status = field(default_factory=lambda: Status("fine_tune", "idle"))

    def add(self, value: bytes) -> None:
        """Take in one record of the metrics topic."""
        if b'"kind":"fine_tune"' in value:
            self.status = msgspec.json.decode(value, type=Status)
        else:
            super().add(value)


def trainer() -> Path:
    """Return the interpreter with torch.

    Raises
    ------
    ToolError
        If there is none.
    """
    if not TRAINER_PYTHON.exists():
        message = f"torch: expected {TRAINER_PYTHON}, got none; run scripts/setup --train"
        raise ToolError(message)
    return TRAINER_PYTHON


def served_from(here: Stage) -> list[str]:
    """Return the settings of jobs that share the models of one store, and train none by itself."""
    store = here.local.run_dir / "models"
    return [*NO_ROUNDS, f"fine_tune.python={trainer()}", f"fine_tune.store={store}"]


def train(here: Stage, settings: Sequence[str]) -> int:
    """Let a job train one model from the stream, and return its version."""
    with here.job("model", settings) as job, progress_bar() as bar:
        task = bar.add_task("a deep model: learning", total=None)
        metrics = job.config.kafka.topics.recommendation_metrics
        with consumer(here.address, [metrics], isolation="read_uncommitted") as client:
            seen, asked = Watched(client), False
            deadline = time.monotonic() + _MODEL_SECONDS
            while not seen.status.model:
                seen.poll(0.5)
                bar.update(task, completed=seen.total)
                if not asked and seen.total >= _EXAMPLES:
                    control.ask_new_job(here.address, job.config, "fine_tune_now")
                    asked = True
                    bar.update(task, description="a deep model: training")
                if time.monotonic() > deadline:  # rounds go on where the topic is dry
                    message = f"expected a model within {_MODEL_SECONDS:g} s, got {seen.status}"
                    raise ToolError(f"full_deep: {message}; see the logs")
            return seen.status.model


def swap_in(address: KafkaAddress, job: Job, version: int) -> float:
    """Have a running job serve a model; return when it said yes, ms."""
    found = control.ask_new_job(address, job.config, "promote_model", model=version)
    if not found.get("ok"):
        message = f"expected model {version} served, got {found.get('message', 'no reason')}"
        raise ToolError(f"full_deep: {message}")
    return time.time() * 1000
