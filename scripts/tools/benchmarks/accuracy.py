"""Hit rate of the job, and of its model alone on the same events: the pipeline takes nothing away.

Both rank the events of the same sampled users before they learn them. The model alone takes the
events in the order of sending; the job takes them from the topic's partitions, on several subtasks
that tell each other what they learnt.
"""

import argparse
import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from conf.schema import JobConfig
from jobs import parameters
from operators.learn_users.micro_batch import MicroBatch
from operators.learn_users.pipeline import Pipeline
from scripts.tools.benchmarks.scale.subtasks import parallelisms
from scripts.tools.benchmarks.stage import Job, Stage, stage
from scripts.tools.benchmarks.terminal import progress_bar
from scripts.tools.console import ToolError, progress
from scripts.tools.data.behaviour import Blocks, source
from scripts.tools.data.event_times import Window, in_time
from scripts.tools.evaluate.stream.pipeline import Notebook
from scripts.tools.evaluate.stream.records import batches, positive
from scripts.tools.kafka.client import consumer
from scripts.tools.kafka.produce import Pace, replay
from scripts.tools.results import Result

SETTINGS = ("recommend.enabled=false", "deep.enabled=false", "kafka.delivery=at-least-once")
_SILENCE_SECONDS = 120.0


@dataclass(frozen=True)
class Hits:
    """Ranked events, and how many of them were among the first ten."""

    ranked: int
    hits: float

    @property
    def rate(self) -> float:
        """HR@10."""
        return self.hits / self.ranked if self.ranked else float("nan")


def measure(options: argparse.Namespace) -> list[Result]:
    """Send the events through a job at each parallelism, learn them without one; compare."""
    numbers, piped = parallelisms(options.parallelism), {}
    with stage(max(numbers)) as here:
        for number in numbers:
            settings = [
                *SETTINGS,
                f"flink.parallelism={number}",
                f"kafka.topics.user_behavior=user_behavior.{number}",  # a job begins at its begin
                *options.overrides,
            ]
            with here.job(f"accuracy-{number}", settings) as job:
                config = job.config
                events = _events(options, config)
                topic = config.kafka.topics.user_behavior
                with ThreadPoolExecutor(1) as pool:
                    blocks, pace = map(positive, events.blocks()), Pace(rate=options.rate)
                    sent = pool.submit(replay, blocks, here.address, topic, pace=pace)
                    piped[number] = _piped(here, job, events.events)
                    sent.result()
    progress("the same events without a job")
    alone = offline(config, _events(options, config))
    if not all(found.hits for found in (alone, *piped.values())):
        message = f"expected hits of all, got {piped} of the jobs and {alone} of the model"
        raise ToolError(f"accuracy: {message}; give more events, or raise evaluation.share")
    found = []
    for number, hits in piped.items():
        name = f"accuracy.{number}" if len(numbers) > 1 else "accuracy"
        found += [
            Result(f"{name}.hr_at_10", hits.rate, "share", peer=alone.rate,
                   ratio=hits.rate / alone.rate),
            Result(f"{name}.ranked", hits.ranked, "events", peer=alone.ranked),
        ]  # fmt: skip
    return found


def _events(options: argparse.Namespace, config: JobConfig) -> Blocks:
    """Return the events of the file, or generated ones, at times that the job takes."""
    given = source(options.data, columns=options.columns, events=options.events)
    return in_time(given, Window.of(config), "auto")


def offline(config: JobConfig, events: Blocks) -> Hits:
    """Return what the model alone hits, in one pass in the order of the events."""
    pipeline = Pipeline(parameters.learn_users(config), clock_ms=_now_ms)
    memory, number, hits, ranked = Notebook(), 0, 0, 0
    for keys, values, _ in batches(events):
        numbers = range(number, number + len(keys))
        number += len(keys)
        batch = MicroBatch(0, keys, values, numbers, [_now_ms()] * len(keys))
        metrics = pipeline.process(batch, memory).metrics
        hits += metrics.online_hits
        ranked += metrics.scored
    return Hits(ranked, hits)


def _piped(here: Stage, job: Job, events: int) -> Hits:
    """Return what the job hits, once it has consumed all events."""
    name, seen, consumed = f"online_hr_at_{job.config.evaluation.k}", time.monotonic(), 0
    hits, ranked = 0.0, 0
    topic = job.config.kafka.topics.recommendation_metrics
    with (
        consumer(here.address, [topic], isolation="read_uncommitted") as client,
        progress_bar() as bar,
    ):
        task = bar.add_task("learnt", total=events)
        while consumed < events:
            for message in client.consume(1_000, 0.5):
                if message.error() is None and (message.key() or b"").startswith(b"window/"):
                    window = json.loads(message.value() or b"{}")
                    consumed += window["consumed"]
                    ranked += window["scored"]
                    hits += (window[name] or 0) * window["scored"]
                    seen = time.monotonic()
            bar.update(task, completed=consumed)
            if time.monotonic() > seen + _SILENCE_SECONDS:
                told = f"expected {events:,} events learnt, got {consumed:,}"
                raise ToolError(f"{topic}: {told}; see the job's logs")
    return Hits(ranked, hits)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
