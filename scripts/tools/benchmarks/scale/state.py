"""A job with the state of millions of users, next to the same job with little state."""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from scripts.tools.benchmarks.progress import Consumption
from scripts.tools.benchmarks.scale.world import World
from scripts.tools.benchmarks.stage import Job, Stage
from scripts.tools.benchmarks.terminal import progress_bar
from scripts.tools.benchmarks.throughput import KINDS, SETTINGS, rated
from scripts.tools.cluster import processes
from scripts.tools.console import ToolError
from scripts.tools.kafka.client import consumer
from scripts.tools.kafka.produce import replay
from scripts.tools.results import Result

SMALL = (20_000, 4_000)
"""Users and items of the job that the other is compared with: those of the generator."""
USERS_VERTEX = "learn-users"
_SILENCE_SECONDS = 120.0


@dataclass(frozen=True)
class State:
    """What one job did with its state."""

    rate: float
    """Events a second."""
    checkpoint_s: float
    """Median duration of a checkpoint."""
    bytes: int
    """Of the users' state in the last checkpoint."""
    loop_bytes: float
    """Bytes a second that the loop's topics grew by."""


def measure(here: Stage, options: argparse.Namespace) -> list[Result]:
    """Run both jobs, one after the other."""
    users, items = SMALL
    small = World(min(users, options.users), min(items, options.items), options.events)
    large = World(options.users, options.items, options.events)
    return results(options.users, _run(here, small, options), _run(here, large, options))


def results(users: int, small: State, large: State) -> list[Result]:
    """Return the figures of the job with much state, beside those of the other."""
    name = f"scale.users_{short(users)}"

    def compared(figure: str, unit: str, of: Callable[[State], float]) -> Result:
        value, peer = of(large), of(small)
        return Result(f"{name}.{figure}", value, unit, peer=peer, ratio=value / peer)

    return [
        Result(f"{name}.relative", large.rate / small.rate, "share"),
        compared("rate", "events/s", lambda one: one.rate),
        compared("checkpoint_s", "s", lambda one: one.checkpoint_s),
        Result(f"{name}.bytes_per_user", large.bytes / users, "bytes"),
        compared("loop", "bytes/s", lambda one: one.loop_bytes),
    ]


def short(count: int) -> str:
    """Return a count as part of a name.

    >>> short(2_000_000), short(50_000), short(1_234)
    ('2m', '50k', '1234')
    """
    for unit, letter in ((1_000_000, "m"), (1_000, "k")):
        if count % unit == 0:
            return f"{count // unit}{letter}"
    return str(count)


def _run(here: Stage, world: World, options: argparse.Namespace) -> State:
    topic = f"users-{world.users}"
    settings = [
        *SETTINGS,
        f"flink.parallelism={options.slots}",
        f"kafka.topics.user_behavior={topic}",
        f"items.limit={2 * max(options.items, SMALL[1])}",
        *KINDS[options.kind].settings,
        *options.overrides,
    ]
    _fill(here, topic, world, settings)
    with here.job(topic, settings) as job:
        return _Watch(here, job, world, options).state()


def _fill(here: Stage, topic: str, world: World, settings: list[str]) -> None:
    with here.outputs(f"fill-{topic}", settings), progress_bar() as bar:
        task = bar.add_task(f"{world.users:,} users: preload", total=world.events)
        replay(
            rated(world.blocks()),
            here.address,
            topic,
            on_progress=lambda n: bar.update(task, completed=n),
        )


@dataclass
class _Watch:
    """The job from its first micro-batch to its last."""

    here: Stage
    job: Job
    world: World
    options: argparse.Namespace
    times: list[float] = field(default_factory=list)
    loop: list[int] = field(default_factory=list)

    def state(self) -> State:
        """Let the round pass and the warm-up, and measure what follows."""
        metrics = self.job.config.kafka.topics.recommendation_metrics
        with (
            consumer(self.here.address, [metrics], isolation="read_uncommitted") as client,
            progress_bar() as bar,
        ):
            consumed = Consumption(client)
            task = bar.add_task(f"{self.world.users:,} users: learnt", total=self.world.events)
            self._until(consumed, self.world.round.events, lambda n: bar.update(task, completed=n))
            begin = consumed.times[-1] + 1000 * self.options.warm_up
            end = begin + 1000 * self.options.seconds
            last = self.world.events
            while consumed.total < 0.97 * last and consumed.times[-1] < end:
                self._look(consumed)
                bar.update(task, completed=consumed.total)
            end = min(end, consumed.times[-1])
        if end - begin < 500 * self.options.seconds:
            message = f"expected {self.options.seconds:g} s of work after the warm-up"
            raise ToolError(f"scale: {message}, got {(end - begin) / 1000:.0f} s; raise --events")
        return self._measured(consumed, begin, end)

    def _until(
        self, consumed: Consumption, events: int, on_progress: Callable[[int], None]
    ) -> None:
        """Look on until so many events are learnt."""
        seen, since = 0, time.monotonic()
        while consumed.total < events:
            self._look(consumed)
            on_progress(consumed.total)
            if consumed.total > seen:
                seen, since = consumed.total, time.monotonic()
            if time.monotonic() - since > _SILENCE_SECONDS:
                message = f"expected {events:,} events learnt, got {seen:,} and no more"
                raise ToolError(f"scale: {message}; see the logs")

    def _look(self, consumed: Consumption) -> None:
        consumed.poll(1.0)
        topics = self.job.config.kafka.topics
        self.times.append(time.time() * 1000)
        self.loop.append(
            topic_bytes(
                processes.home(self.here.local.run_dir) / "kafka" / "data",
                (topics.accepted_events, topics.model_updates),
            )
        )

    def _measured(self, consumed: Consumption, begin: float, end: float) -> State:
        path = f"/jobs/{self.job.id}/checkpoints"
        done = [
            one
            for one in self.here.local.flink.rest.get(path)["history"]
            if one["status"] == "COMPLETED"
        ]
        if not done:
            message = "expected a checkpoint while the job ran, got none"
            raise ToolError(f"scale: {message}; raise --seconds")
        details = self.here.local.flink.rest.get(f"{path}/details/{done[0]['id']}")
        vertices = self.here.local.flink.rest.get(f"/jobs/{self.job.id}")["vertices"]
        seconds = (end - begin) / 1000
        first, last = np.interp([begin, end], self.times, self.loop)
        return State(
            rate=consumed.between(begin, end) / seconds,
            checkpoint_s=checkpoint_seconds(done, begin),
            bytes=state_bytes(details, vertices),
            loop_bytes=float(last - first) / seconds,
        )


def checkpoint_seconds(done: Sequence[dict[str, Any]], begin: float) -> float:
    """Return the median duration of the checkpoints that ended after an instant (ms).

    Parameters
    ----------
    done
        Completed ones, newest first; where none ended so late, the newest counts.
    """
    ended = [one for one in done if one["trigger_timestamp"] + one["end_to_end_duration"] >= begin]
    durations = [float(one["end_to_end_duration"]) for one in ended or done[:1]]
    return statistics.median(durations) / 1000


def state_bytes(details: dict[str, Any], vertices: list[dict[str, Any]]) -> int:
    """Return the size of the state of the users' task in a checkpoint."""
    ids = {vertex["id"] for vertex in vertices if USERS_VERTEX in vertex["name"]}
    return sum(int(task["state_size"]) for key, task in details["tasks"].items() if key in ids)


def topic_bytes(data: Path, topics: tuple[str, ...]) -> int:
    """Return the size of all partitions of some topics, from the broker's folder."""
    total = 0
    for topic in topics:
        for log in data.glob(f"{topic}-[0-9]*/*.log"):
            try:
                total += log.stat().st_size
            except FileNotFoundError:  # cleaned up meanwhile
                continue
    return total
