"""From the call of `flink run` to the end of the first micro-batch, compiled functions cached."""

import argparse
import statistics
import time
from collections.abc import Sequence

from scripts.tools.benchmarks.progress import Consumption
from scripts.tools.benchmarks.stage import Job, Stage
from scripts.tools.benchmarks.startup.phases import PHASES, logged, phases
from scripts.tools.benchmarks.throughput import KINDS, preload
from scripts.tools.cluster.flink import JOB_MANAGER, TASK_MANAGER
from scripts.tools.console import ToolError, progress
from scripts.tools.kafka.client import consumer
from scripts.tools.results import Result

_LIMIT_SECONDS = 180.0
_LOGS = (JOB_MANAGER, TASK_MANAGER)


def measure(here: Stage, options: argparse.Namespace) -> list[Result]:
    """Submit as often as asked for; events are there before."""
    preload(here, options)
    return results([_run(here, number, options) for number in range(options.runs)])


def results(runs: Sequence[dict[str, float]]) -> list[Result]:
    """Return the whole and its phases, medians of all runs."""
    whole = [sum(run.values()) for run in runs]
    parts = {f"startup.worker.{name}_s": [run[name] for run in runs] for name in PHASES}
    named = {"startup.worker_s": whole, **parts}
    return [Result(name, statistics.median(of), "s", runs=of) for name, of in named.items()]


def _run(here: Stage, number: int, options: argparse.Namespace) -> dict[str, float]:
    settings = [
        f"flink.parallelism={options.parallelism}",
        *KINDS[options.kind].settings,
        *options.overrides,
    ]
    with here.job(f"startup-{number + 1}", settings) as job:
        first = _first_batch(here, job)
    logs = here.local.run_dir / "logs"
    texts = [(logs / f"{part}.log").read_text(errors="replace") for part in _LOGS]
    marks = logged("\n".join(texts).splitlines(), job.submitted_ms)
    found = phases(job.submitted_ms, marks, first)
    told = ", ".join(f"{name} {seconds:.1f}" for name, seconds in found.items())
    whole = sum(found.values())
    progress(f"submission, run {number + 1} of {options.runs}: {whole:.1f} s ({told})")
    return found


def _first_batch(here: Stage, job: Job) -> float:
    """Return when the first micro-batch ended, ms by the job's clock."""
    topic = job.config.kafka.topics.recommendation_metrics
    deadline = time.monotonic() + _LIMIT_SECONDS
    with consumer(here.address, [topic], isolation="read_uncommitted") as client:
        consumed = Consumption(client)
        while not consumed.times:
            consumed.poll(0.5)
            if time.monotonic() > deadline:
                message = f"expected a micro-batch within {_LIMIT_SECONDS:g} s, got none"
                raise ToolError(f"{topic}: {message}; see the logs")
    return float(consumed.times[0])
