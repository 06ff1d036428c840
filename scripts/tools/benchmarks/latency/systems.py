"""What answers: the job and the bare pipe with either delivery guarantee, and River."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from scripts.tools.benchmarks.baseline import River
from scripts.tools.benchmarks.latency.ages import Ages, Arrival, live
from scripts.tools.benchmarks.latency.feed import Feed
from scripts.tools.benchmarks.stage import Job, Stage
from scripts.tools.benchmarks.throughput import KINDS, LIMIT
from scripts.tools.benchmarks.watching import watching
from scripts.tools.commands.submit import JOB
from scripts.tools.console import ToolError
from scripts.tools.kafka.client import consumer

SETTINGS = ("flink.micro_batch=100ms", "flink.bundle_time=20ms", "flink.checkpoint_interval=1s")
"""For low latency: small micro-batches that do not wait for a full bundle."""
_CATCH_UP_SECONDS = 180.0


@dataclass(frozen=True)
class System:
    """A job, and who reads its answers.

    Parameters
    ----------
    delivery
        Of the job.
    isolation
        Of the consumer that belongs to it.
    module
        Of the job.
    """

    delivery: str
    isolation: str
    module: str = JOB

    @property
    def settings(self) -> tuple[str, ...]:
        """Return what its configuration differs in."""
        return (*SETTINGS, f"kafka.delivery={self.delivery}")


GUARANTEES = {
    "at_least_once": System("at-least-once", "read_uncommitted"),
    "exactly_once": System("exactly-once", "read_committed"),
}
PIPES = {
    f"pipe.{name}": System(one.delivery, one.isolation, KINDS[LIMIT].module)
    for name, one in GUARANTEES.items()
}
"""The same without a model: every user of a micro-batch is answered with an empty list."""
RIVER = "river"


def of_job(
    here: Stage, feed: Feed, system: System, name: str, settings: Sequence[str], arrival: Arrival
) -> Ages:
    """Run a job that catches up first, and return its ages."""
    every = [*system.settings, *settings]
    with here.job(name, every, system.module) as job:
        _catch_up(here, job, feed.sent)
        answers = job.config.kafka.topics.recommendations
        with consumer(here.address, [answers], isolation=system.isolation) as client:
            return live(client, feed, arrival)


def of_river(
    here: Stage, feed: Feed, river: River, name: str, settings: Sequence[str], arrival: Arrival
) -> Ages:
    """Run River, which catches up first, and return its ages."""
    with here.outputs(name, settings) as (config, _):
        answers = config.kafka.topics.recommendations
        log = here.local.run_dir / "logs" / f"{name}.log"
        with (
            river.answering(answers, log),
            consumer(here.address, [answers], isolation="read_uncommitted") as client,
        ):
            return live(client, feed, arrival)


def _catch_up(here: Stage, job: Job, events: int) -> None:
    deadline = time.monotonic() + _CATCH_UP_SECONDS
    with watching(here, job, isolation="read_uncommitted") as consumed:
        while consumed.total < events:
            consumed.poll(0.5)
            if time.monotonic() > deadline:
                topic = job.config.kafka.topics.recommendation_metrics
                message = f"expected the job to read {events:,} events in {_CATCH_UP_SECONDS:.0f} s"
                raise ToolError(f"{topic}: {message}, got {consumed.total:,}; see its logs")
