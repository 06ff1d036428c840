"""A look at how far a job is."""

import contextlib
from collections.abc import Iterator

from scripts.tools.benchmarks.progress import Consumption
from scripts.tools.benchmarks.stage import Job, Stage
from scripts.tools.kafka.client import consumer


@contextlib.contextmanager
def watching(here: Stage, job: Job, *, isolation: str) -> Iterator[Consumption]:
    """Give what a job's accounting says was consumed; `read_committed`: what it has committed."""
    topic = job.config.kafka.topics.recommendation_metrics
    with consumer(here.address, [topic], isolation=isolation) as client:
        yield Consumption(client)
