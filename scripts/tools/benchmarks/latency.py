"""Freshness: how old an event is when the recommendation it triggered can be read."""

import argparse
import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, fields

import msgspec
import numpy as np
from confluent_kafka import Consumer
from numpy.typing import NDArray

from scripts.tools.benchmarks.baseline import River
from scripts.tools.benchmarks.progress import Consumption
from scripts.tools.benchmarks.stage import Job, Stage, stage
from scripts.tools.benchmarks.terminal import progress_bar
from scripts.tools.cluster.river import environment
from scripts.tools.console import ToolError, progress
from scripts.tools.data.behaviour import Block, Generated
from scripts.tools.kafka.client import KafkaAddress, consumer
from scripts.tools.kafka.produce import Pace, replay
from scripts.tools.results import Result

SETTINGS = ("flink.micro_batch=100ms", "flink.bundle_time=20ms", "flink.checkpoint_interval=1s")
"""For low latency: small micro-batches that do not wait for a full bundle."""
GUARANTEES = {
    "at_least_once": ("kafka.delivery=at-least-once", "read_uncommitted"),
    "exactly_once": ("kafka.delivery=exactly-once", "read_committed"),
}
"""Delivery of the job, and isolation of the consumer that belongs to it."""
RIVER = "river"
_CATCH_UP_SECONDS = 180.0
_LAST_SECONDS = 5.0
"""How long the last answers may take."""

Ages = NDArray[np.float64]
"""Milliseconds from an event's broker timestamp to the moment its answer was read."""


class _Trigger(msgspec.Struct):
    published_at: int


class _Answer(msgspec.Struct):
    """The part of a recommendation that is used here."""

    trigger: _Trigger


@dataclass
class Feed:
    """Events for the topic, without end.

    Parameters
    ----------
    address, topic
        Where they go.
    """

    address: KafkaAddress
    topic: str
    blocks: Iterator[Block] = field(default_factory=lambda: Generated(1 << 40).blocks())
    sent: int = 0

    def send(self, events: int, *, rate: float | None, stop: threading.Event) -> None:
        """Write the next events, so many a second, until all are sent or it is stopped."""

        def look(_sent: int) -> None:
            if stop.is_set():
                raise KeyboardInterrupt

        blocks = first(self.blocks, events)
        replay(blocks, self.address, self.topic, pace=Pace(rate=rate), on_progress=look)
        self.sent += events


def first(blocks: Iterator[Block], events: int) -> Iterator[Block]:
    """Yield the first events of some blocks; what is left of the last block is lost."""
    while events > 0:
        block = next(blocks)
        yield Block(*(getattr(block, column.name)[:events] for column in fields(block)))
        events -= len(block)


def measure(options: argparse.Namespace) -> tuple[list[Result], dict[str, list[Ages]]]:
    """Run everything that is asked for and return the figures, and the ages by system and run."""
    python = environment()
    systems = [*GUARANTEES, RIVER]
    runs: dict[str, list[Ages]] = {name: [] for name in systems}
    with stage(options.parallelism) as here:
        feed = _history(here, options)
        for number in range(options.runs):
            for system in systems if number % 2 == 0 else reversed(systems):
                progress(f"{system}, run {number + 1} of {options.runs}")
                name = f"{system}-{number + 1}"
                if system == RIVER:
                    river = River(python, here.local.brokers, feed.topic)
                    runs[system].append(_river(here, feed, river, name, options))
                else:
                    runs[system].append(_job(here, feed, system, name, options))
    return [figure for name in GUARANTEES for figure in _results(name, runs)], runs


def _history(here: Stage, options: argparse.Namespace) -> Feed:
    with here.outputs("preload", options.overrides) as (config, _):
        feed = Feed(here.address, config.kafka.topics.user_behavior)
    feed.send(options.history, rate=None, stop=threading.Event())
    return feed


def _job(here: Stage, feed: Feed, system: str, name: str, options: argparse.Namespace) -> Ages:
    delivery, isolation = GUARANTEES[system]
    settings = [*SETTINGS, delivery, f"flink.parallelism={options.parallelism}", *options.overrides]
    with here.job(name, settings) as job:
        _catch_up(here, job, feed.sent)
        answers = job.config.kafka.topics.recommendations
        with consumer(here.address, [answers], isolation=isolation) as client:
            return _live(client, feed, options)


def _river(here: Stage, feed: Feed, river: River, name: str, options: argparse.Namespace) -> Ages:
    with here.outputs(name, options.overrides) as (config, _):
        answers = config.kafka.topics.recommendations
        log = here.local.run_dir / "logs" / f"{name}.log"
        with (
            river.answering(answers, log),
            consumer(here.address, [answers], isolation="read_uncommitted") as client,
        ):
            return _live(client, feed, options)


def _catch_up(here: Stage, job: Job, events: int) -> None:
    metrics = job.config.kafka.topics.recommendation_metrics
    deadline = time.monotonic() + _CATCH_UP_SECONDS
    with consumer(here.address, [metrics], isolation="read_uncommitted") as client:
        consumed = Consumption(client)
        while consumed.total < events:
            consumed.poll(0.5)
            if time.monotonic() > deadline:
                message = f"expected the job to read {events:,} events in {_CATCH_UP_SECONDS:.0f} s"
                raise ToolError(f"{metrics}: {message}, got {consumed.total:,}; see its logs")


def _live(client: Consumer, feed: Feed, options: argparse.Namespace) -> Ages:
    """Send events at a steady rate and return the ages of the answers after the warm-up."""
    seconds = options.warm_up + options.seconds
    events = int(options.rate * seconds)
    counted_ms = time.time() * 1000 + 1000 * options.warm_up
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(feed.send, events, rate=options.rate, stop=stop)
        try:
            ages = _listen(client, sending, counted_ms)
        finally:
            stop.set()
        sending.result()
    if len(ages) < 0.2 * options.rate * options.seconds:
        message = f"expected an answer to most of {events:,} events, got {len(ages):,}"
        raise ToolError(f"freshness: {message}; see the logs")
    return ages


def _listen(client: Consumer, sending: "Future[None]", counted_ms: float) -> Ages:
    decode = msgspec.json.Decoder(_Answer).decode
    ages: list[float] = []
    end = None
    with progress_bar() as bar:
        task = bar.add_task("answers", total=None)
        while end is None or time.monotonic() < end:
            if end is None and sending.done():
                end = time.monotonic() + _LAST_SECONDS
            message = client.poll(0.1)  # returns as soon as there is one
            now = time.time() * 1000
            if message is None or message.error() is not None:
                continue
            published = decode(message.value() or b"").trigger.published_at
            if published >= counted_ms:
                ages.append(now - published)
                bar.update(task, completed=len(ages))
    return np.array(ages, np.float64)


def _results(system: str, runs: dict[str, list[Ages]]) -> list[Result]:
    figures = []
    for share in (50, 99):
        own, river = (
            [float(np.percentile(ages, share)) for ages in runs[name]] for name in (system, RIVER)
        )
        value, peer = statistics.median(own), statistics.median(river)
        name = f"freshness.{system}.p{share}_ms"
        figures.append(Result(name, value, "ms", peer=peer, ratio=value / peer, runs=own))
    return figures
