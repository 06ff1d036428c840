"""Throughput: how many events a second the job learns from, next to River on the same topic."""

import argparse
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow.parquet as pq

from scripts.tools.benchmarks.baseline import River, RiverFigures
from scripts.tools.benchmarks.progress import Consumption, CpuTime
from scripts.tools.benchmarks.stage import Job, Stage, stage
from scripts.tools.benchmarks.terminal import progress_bar
from scripts.tools.cluster.broker import NAME as BROKER
from scripts.tools.cluster.river import environment
from scripts.tools.console import ToolError, progress
from scripts.tools.data.behaviour import Block, Source, source
from scripts.tools.kafka.client import consumer
from scripts.tools.kafka.produce import replay
from scripts.tools.results import Result

OBJECTIVES = {
    "ranking": ("learning.objective=ranking", "recommend.enabled=true"),
    "rating": ("learning.objective=rating", "recommend.enabled=false"),
}
SETTINGS = (
    "flink.micro_batch=500ms",
    "flink.bundle_size=256",
    "flink.bundle_time=500ms",
    "flink.checkpoint_interval=5s",
)
"""For throughput: few large micro-batches and bundles."""
_RIVER_WARM_UP = 2.0
_SILENCE_SECONDS = 90.0


@dataclass(frozen=True)
class Figures:
    """What one run of the job gave, over its steady part."""

    rate: float
    """Events a second."""
    per_cpu_second: float
    """Events a second of CPU time of TaskManager, workers and JobManager; the broker is apart."""
    cores: dict[str, float]
    """Cores in use, by part."""
    recommendations: float
    """Recommendations a second."""
    startup: float
    """Seconds from `flink run` to the end of the first micro-batch."""


def rated(blocks: Iterable[Block]) -> Iterator[Block]:
    """Make a rating of every event, so that both objectives learn from all of them.

    Where a value is missing, one is made up from the position.
    """
    for block in blocks:
        values: list[float | None] = [
            1.0 + n * 7 % 9 / 2 if v is None else v for n, v in enumerate(block.values)
        ]
        yield replace(block, types=["rating"] * len(block), values=values)


def measure(options: argparse.Namespace) -> list[Result]:
    """Run everything that is asked for and return the figures."""
    python = environment()
    runs: dict[str, list[Figures]] = {name: [] for name in OBJECTIVES}
    peers: list[RiverFigures] = []
    with stage(options.parallelism) as here:
        topic = preload(here, options)
        river = River(python, here.local.brokers, topic)
        for number in range(options.runs):
            # River in the middle and the order turned around every time: nobody has the same place
            first, last = sorted(OBJECTIVES, reverse=number % 2 == 1, key=list(OBJECTIVES).index)
            runs[first].append(_run(here, first, number, options))
            progress(f"river, run {number + 1} of {options.runs}")
            peers.append(river.throughput(warm_up=_RIVER_WARM_UP, seconds=options.river_seconds))
            runs[last].append(_run(here, last, number, options))
    return [*_results("ranking", runs, peers), *_results("rating", runs, peers), _startup(runs)]


def preload(here: Stage, options: argparse.Namespace) -> str:
    """Fill the input topic with what the options ask for; return its name."""
    with here.outputs("preload", options.overrides) as (config, _):
        name = config.kafka.topics.user_behavior
    events = _events(options.data, options.events)
    options.events = events.events
    with progress_bar() as bar:
        task = bar.add_task("preload", total=events.events)
        replay(
            rated(events.blocks()),
            here.address,
            name,
            on_progress=lambda n: bar.update(task, completed=n),
        )
    return name


def _events(data: Path | None, events: int) -> Source:
    if data is None:
        return source(None, events=events)
    if not data.is_file():
        raise ToolError(f"--data: expected a Parquet file, got {data}; check the path")
    rows = pq.read_metadata(data).num_rows
    return source(data, events=None, repeat=max(1, round(events / rows)))


def _run(here: Stage, objective: str, number: int, options: argparse.Namespace) -> Figures:
    settings = [*SETTINGS, f"flink.parallelism={options.parallelism}", *OBJECTIVES[objective]]
    name = f"{objective}-{number + 1}"
    with here.job(name, [*settings, *options.overrides]) as job, progress_bar() as bar:
        task = bar.add_task(f"{objective}, run {number + 1} of {options.runs}", total=None)
        return _watch(here, job, options, lambda n: bar.update(task, completed=n))


def _watch(
    here: Stage, job: Job, options: argparse.Namespace, on_progress: Callable[[int], None]
) -> Figures:
    metrics = job.config.kafka.topics.recommendation_metrics
    cpu = CpuTime(here.local)
    wanted_ms = 1000 * (options.warm_up + options.seconds + 1)
    with consumer(here.address, [metrics], isolation="read_uncommitted") as client:
        consumed = Consumption(client)
        silent = 0.0
        while consumed.total < options.events and silent < _SILENCE_SECONDS:
            before = consumed.total
            consumed.poll(1.0)
            cpu.sample()
            on_progress(consumed.total)
            silent = 0.0 if consumed.total > before else silent + 1.0
            if consumed.times and consumed.times[-1] - consumed.times[0] > wanted_ms:
                break
    return _figures(job, consumed, cpu, options)


def _figures(job: Job, consumed: Consumption, cpu: CpuTime, options: argparse.Namespace) -> Figures:
    begin, end = consumed.steady(
        events=options.events, warm_up=options.warm_up, seconds=options.seconds
    )
    seconds, events = (end - begin) / 1000, consumed.between(begin, end)
    used = cpu.between(begin, end)
    ours = sum(cores for part, cores in used.items() if part != BROKER)
    return Figures(
        rate=events / seconds,
        per_cpu_second=events / ours,
        cores={part: cores / seconds for part, cores in used.items()},
        recommendations=events / seconds * consumed.recommendations_per_event(),
        startup=(consumed.times[0] - job.submitted_ms) / 1000,
    )


def _results(
    objective: str, runs: dict[str, list[Figures]], peers: Sequence[RiverFigures]
) -> list[Result]:
    own, name = runs[objective], f"throughput.{objective}"
    figures = [
        _compared(name, "events/s", [f.rate for f in own], [p.rate for p in peers]),
        _compared(
            f"{name}.per_cpu_second",
            "events/CPU s",
            [f.per_cpu_second for f in own],
            [p.per_cpu_second for p in peers],
        ),
    ]
    if objective == "ranking":
        made = [f.recommendations for f in own]
        figures.append(_figure(f"{name}.recommendations", "recommendations/s", made))
    cores = {part: [f.cores[part] for f in own] for part in own[0].cores}
    return figures + [_figure(f"{name}.cores.{p}", "cores", used) for p, used in cores.items()]


def _startup(runs: dict[str, list[Figures]]) -> Result:
    return _figure("startup.worker_s", "s", [f.startup for own in runs.values() for f in own])


def _compared(name: str, unit: str, own: Sequence[float], peers: Sequence[float]) -> Result:
    value, peer = statistics.median(own), statistics.median(peers)
    return Result(name, value, unit, peer=peer, ratio=value / peer, runs=own)


def _figure(name: str, unit: str, runs: Sequence[float]) -> Result:
    return Result(name, statistics.median(runs), unit, runs=runs)
