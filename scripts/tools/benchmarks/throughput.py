"""Throughput: how many events a second the job learns from, next to River on the same topic."""

import argparse
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from scripts.tools.benchmarks import deep_model
from scripts.tools.benchmarks.baseline import River, RiverFigures
from scripts.tools.benchmarks.progress import Consumption, CpuTime
from scripts.tools.benchmarks.stage import Job, Stage, stage
from scripts.tools.benchmarks.terminal import progress_bar
from scripts.tools.cluster.broker import NAME as BROKER
from scripts.tools.cluster.river import environment
from scripts.tools.commands.submit import JOB
from scripts.tools.console import ToolError, progress
from scripts.tools.data.behaviour import Block, Source, recorded, source
from scripts.tools.kafka.client import consumer
from scripts.tools.kafka.produce import replay
from scripts.tools.results import Result


@dataclass(frozen=True)
class Kind:
    """What a run is of.

    Parameters
    ----------
    settings
        Overrides of the configuration.
    module
        Of the job.
    recommending
        Whether it recommends: then River does as well.
    deep
        Whether a deep model is served, one that was trained from the stream before.
    """

    settings: tuple[str, ...]
    module: str = JOB
    recommending: bool = True
    deep: bool = False


_ALONE = "recommend.enabled=false"
LIMIT = "limit"
KINDS = {
    LIMIT: Kind((_ALONE, "deep.enabled=false"), "jobs.ingest", recommending=False),
    "rating": Kind(("learning.objective=rating", _ALONE, "deep.enabled=false"), recommending=False),
    "light": Kind(("learning.ranking.model=light", "deep.enabled=false")),
    "full": Kind(("learning.ranking.model=full", "deep.enabled=false")),
    "full_deep": Kind(("learning.ranking.model=full",), deep=True),
}
"""What can be measured; the limit is the job's sources, windows and loop without a model."""
USUAL = tuple(name for name, kind in KINDS.items() if not kind.deep)
"""Those that need no torch, and together fit into some minutes."""
SETTINGS = (
    "flink.micro_batch=500ms",
    "flink.bundle_size=256",
    "flink.bundle_time=500ms",
    "flink.checkpoint_interval=5s",
)
"""For throughput: few large micro-batches and bundles."""
_RIVER_WARM_UP = 2.0
_SWAP = 5.0
"""Seconds after the answer within which every worker serves the model."""
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

    Where there is no rating, one is made up from the position.
    """
    for block in blocks:
        values: list[float | None] = [
            v if kind == "rating" and v is not None else 1.0 + n * 7 % 9 / 2
            for n, (kind, v) in enumerate(zip(block.types, block.values, strict=True))
        ]
        yield replace(block, types=["rating"] * len(block), values=values)


def measure(options: argparse.Namespace) -> list[Result]:
    """Run everything that is asked for and return the figures."""
    kinds = chosen(options.kinds)
    python = environment()
    runs: dict[str, list[Figures]] = {name: [] for name in kinds}
    peers: dict[bool, list[RiverFigures]] = {
        KINDS[name].recommending: [] for name in kinds if name != LIMIT
    }
    with stage(options.parallelism) as here:
        topic = preload(here, options)
        river = River(python, here.local.brokers, topic)
        model = _model(here, kinds, options)
        for number in range(options.runs):
            # the order turns around every time: nobody has the same place
            order = kinds[::-1] if number % 2 else kinds
            for name in order:
                runs[name].append(_run(here, name, number, options, model))
            for recommending, found in peers.items():
                progress(f"river, run {number + 1} of {options.runs}")
                found.append(
                    river.throughput(
                        warm_up=_RIVER_WARM_UP,
                        seconds=options.river_seconds,
                        recommending=recommending,
                    )
                )
    return list(_results(runs, peers))


def chosen(text: str) -> list[str]:
    """Return the kinds of a list, in their own order, the limit always among them."""
    names = {name.strip() for name in text.split(",") if name.strip()}
    if unknown := sorted(names - set(KINDS)):
        message = f"--kinds: expected some of {', '.join(KINDS)}, got {', '.join(unknown)}"
        raise ToolError(message, code=2)
    return [name for name in KINDS if name in names or name == LIMIT]


def preload(here: Stage, options: argparse.Namespace) -> str:
    """Fill the input topic with what the options ask for; return its name."""
    with here.outputs("preload", options.overrides) as (config, _):
        name = config.kafka.topics.user_behavior
    events = _events(options)
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


def _events(options: argparse.Namespace) -> Source:
    if options.data is None:
        return source(None, events=options.events)
    found = recorded(options.data, columns=options.columns, events=None)
    return found.repeated(max(1, round(options.events / found.events)))


def _model(here: Stage, kinds: Sequence[str], options: argparse.Namespace) -> int:
    """Return the version of a deep model, trained first where a kind serves one; else 0."""
    deep = [KINDS[name] for name in kinds if KINDS[name].deep]
    return deep_model.train(here, _settings(here, deep[0], options)) if deep else 0


def _settings(here: Stage, kind: Kind, options: argparse.Namespace) -> list[str]:
    served = deep_model.served_from(here) if kind.deep else []
    parallelism = f"flink.parallelism={options.parallelism}"
    return [*SETTINGS, parallelism, *kind.settings, *served, *options.overrides]


def _run(
    here: Stage, name: str, number: int, options: argparse.Namespace, model: int = 0
) -> Figures:
    kind = KINDS[name]
    settings = _settings(here, kind, options)
    with here.job(f"{name}-{number + 1}", settings, kind.module) as job, progress_bar() as bar:
        task = bar.add_task(f"{name}, run {number + 1} of {options.runs}", total=None)
        served_ms = deep_model.swap_in(here.address, job, model) if kind.deep else 0.0
        return _watch(here, job, options, lambda n: bar.update(task, completed=n), served_ms)


def _watch(
    here: Stage,
    job: Job,
    options: argparse.Namespace,
    on_progress: Callable[[int], None],
    served_ms: float = 0.0,
) -> Figures:
    """Watch a job until enough is known; `served_ms`: what it did before does not count."""
    metrics = job.config.kafka.topics.recommendation_metrics
    cpu = CpuTime(here.local)
    warm_up, wanted_ms = options.warm_up, 1000 * (options.warm_up + options.seconds + 1)
    with consumer(here.address, [metrics], isolation="read_uncommitted") as client:
        consumed = Consumption(client)
        silent = 0.0
        while consumed.total < options.events and silent < _SILENCE_SECONDS:
            before = consumed.total
            consumed.poll(1.0)
            cpu.sample()
            on_progress(consumed.total)
            silent = 0.0 if consumed.total > before else silent + 1.0
            if consumed.times:
                warm_up = max(options.warm_up, (served_ms - consumed.times[0]) / 1000 + _SWAP)
                wanted_ms = 1000 * (warm_up + options.seconds + 1)
                if consumed.times[-1] - consumed.times[0] > wanted_ms:
                    break
    if served_ms and not consumed.deep_scored:
        message = "full_deep: expected events scored by the deep model, got none"
        raise ToolError(message)
    return _figures(job, consumed, cpu, options, warm_up)


def _figures(
    job: Job, consumed: Consumption, cpu: CpuTime, options: argparse.Namespace, warm_up: float
) -> Figures:
    begin, end = consumed.steady(events=options.events, warm_up=warm_up, seconds=options.seconds)
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
    runs: dict[str, list[Figures]], peers: dict[bool, list[RiverFigures]]
) -> Iterator[Result]:
    limit = [own.rate for own in runs[LIMIT]]
    for name, own in runs.items():
        rates, per_cpu = [f.rate for f in own], [f.per_cpu_second for f in own]
        called = "limit.ingest" if name == LIMIT else f"throughput.{name}"
        if name == LIMIT:
            yield _figure(called, "events/s", rates)
            yield _figure(f"{called}.per_cpu_second", "events/CPU s", per_cpu)
        else:
            found = peers[KINDS[name].recommending]
            shares = [rate / most for rate, most in zip(rates, limit, strict=True)]
            share = _figure(f"{called}.of_limit", "", shares)
            rate = _compared(called, "events/s", rates, [p.rate for p in found])
            yield replace(rate, of_limit=share.value)
            yield share
            peer = [p.per_cpu_second for p in found]
            yield _compared(f"{called}.per_cpu_second", "events/CPU s", per_cpu, peer)
        if KINDS[name].recommending:
            made = [f.recommendations for f in own]
            yield _figure(f"{called}.recommendations", "recommendations/s", made)
        for part in own[0].cores:
            yield _figure(f"{called}.cores.{part}", "cores", [f.cores[part] for f in own])
    yield _startup(runs)


def _startup(runs: dict[str, list[Figures]]) -> Result:
    started = [f.startup for name, own in runs.items() if name != LIMIT for f in own]
    return _figure("startup.worker_s", "s", started or [f.startup for f in runs[LIMIT]])


def _compared(name: str, unit: str, own: Sequence[float], peers: Sequence[float]) -> Result:
    value, peer = statistics.median(own), statistics.median(peers)
    return Result(name, value, unit, peer=peer, ratio=value / peer, runs=own)


def _figure(name: str, unit: str, runs: Sequence[float]) -> Result:
    return Result(name, statistics.median(runs), unit, runs=runs)
