"""CPU time of an event by parallelism, at one fixed load: what it costs to split the work."""

import argparse
import time
from collections.abc import Sequence

from scripts.tools.benchmarks.live import endless, steady
from scripts.tools.benchmarks.progress import WORKERS, Consumption, CpuTime
from scripts.tools.benchmarks.stage import Stage
from scripts.tools.benchmarks.terminal import progress_bar
from scripts.tools.benchmarks.throughput import KINDS, SETTINGS, rated
from scripts.tools.cluster.flink import TASK_MANAGER
from scripts.tools.console import ToolError, progress
from scripts.tools.data.generator import GeneratorParams
from scripts.tools.kafka.client import consumer
from scripts.tools.results import Result

_START_SECONDS = 120.0
_KEPT_UP = 0.9
"""Share of the load that must be learnt."""


def measure(here: Stage, options: argparse.Namespace) -> list[Result]:
    """Run the same load at every parallelism asked for."""
    costs = {number: _cost(here, number, options) for number in parallelisms(options.parallelism)}
    return results(costs)


def parallelisms(text: str) -> list[int]:
    """Return the numbers of a list such as `1,2,4,8`, smallest first."""
    try:
        found = sorted({int(part) for part in text.split(",") if part.strip()})
    except ValueError:
        found = []
    if not found or found[0] < 1:
        message = f"--parallelism: expected numbers with commas between, got {text}"
        raise ToolError(message, code=2)
    return found


def results(costs: dict[int, float]) -> list[Result]:
    """Return the figures, each beside that of the smallest parallelism."""
    least = costs[min(costs)]
    return [
        Result(f"scale.subtasks_{number}.cost", cost, "us/event", peer=least, ratio=cost / least)
        for number, cost in costs.items()
    ]


def cost(cpu_seconds: dict[str, float], events: float) -> float:
    """Return microseconds of CPU an event, of the TaskManager and the Python workers it started."""
    return 1e6 * (cpu_seconds[TASK_MANAGER] + cpu_seconds[WORKERS]) / events


def _cost(here: Stage, number: int, options: argparse.Namespace) -> float:
    name = f"subtasks-{number}"
    settings = [
        *SETTINGS,
        f"flink.parallelism={number}",
        f"kafka.topics.user_behavior={name}",
        *KINDS[options.kind].settings,
        *options.overrides,
    ]
    with here.job(name, settings) as job, progress_bar() as bar:
        task = bar.add_task(f"{number} subtasks", total=None)
        metrics = job.config.kafka.topics.recommendation_metrics
        events = rated(endless(GeneratorParams()))
        with (
            consumer(here.address, [metrics], isolation="read_uncommitted") as client,
            steady(here.address, name, options.rate, events),
        ):
            consumed, cpu = Consumption(client), CpuTime(here.local)
            deadline = time.monotonic() + _START_SECONDS
            wanted = 1000 * (options.warm_up + options.seconds + 1)
            while not _long_enough(consumed.times, wanted):
                consumed.poll(1.0)
                cpu.sample()
                bar.update(task, completed=consumed.total)
                if not consumed.times and time.monotonic() > deadline:
                    message = f"expected a micro-batch within {_START_SECONDS:g} s"
                    raise ToolError(f"scale: {message}, got none; see the logs")
        return _figure(number, consumed, cpu, options)


def _long_enough(times: Sequence[int], wanted: float) -> bool:
    return bool(times) and times[-1] - times[0] > wanted


def _figure(number: int, consumed: Consumption, cpu: CpuTime, options: argparse.Namespace) -> float:
    begin = consumed.times[0] + 1000 * options.warm_up
    end = begin + 1000 * options.seconds
    events = consumed.between(begin, end)
    rate = events / options.seconds
    if rate < _KEPT_UP * options.rate:
        told = f"{rate:,.0f} of {options.rate:,.0f} events a second"
        progress(f"note: {number} subtasks learnt {told}; give a lower --rate")
    return cost(cpu.between(begin, end), events)
