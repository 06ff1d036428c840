"""Both parts of `latency`, on one broker and cluster: an idle job, and one under load."""

import argparse

from scripts.tools.benchmarks.baseline import River
from scripts.tools.benchmarks.latency.ages import Ages, Arrival
from scripts.tools.benchmarks.latency.feed import Feed
from scripts.tools.benchmarks.latency.figures import figures, loaded
from scripts.tools.benchmarks.latency.systems import GUARANTEES, PIPES, RIVER, of_job, of_river
from scripts.tools.benchmarks.maximum import maximum
from scripts.tools.benchmarks.stage import Stage, stage
from scripts.tools.cluster.river import environment
from scripts.tools.console import progress
from scripts.tools.data.behaviour import Generated
from scripts.tools.results import Result

PARTS = ("idle", "loaded")
LOADED = "loaded"
_NO_ROUNDS = "deep.enabled=false"
"""Under load, one round of training would follow the other."""
_MAXIMUM_SECONDS = 15.0


def measure(options: argparse.Namespace) -> tuple[list[Result], dict[str, list[Ages]]]:
    """Run everything that is asked for and return the figures, and the ages by system and run."""
    idle = options.part in ("idle", "both")
    # River's environment is made before anything is measured
    python = environment() if idle else None
    found: list[Result] = []
    runs: dict[str, list[Ages]] = {}
    with stage(options.parallelism) as here:
        feed = _history(here, options)
        if python is not None:
            runs = _idle(here, feed, River(python, here.local.brokers, feed.topic), options)
            found += figures(runs)
        if options.part in (LOADED, "both"):
            runs[LOADED], results = _loaded(here, feed, options)
            found += results
    return found, runs


def _history(here: Stage, options: argparse.Namespace) -> Feed:
    with here.outputs("preload", options.overrides) as (config, _):
        feed = Feed(here.address, config.kafka.topics.user_behavior)
    feed.fill(options.history)
    return feed


def _idle(
    here: Stage, feed: Feed, river: River, options: argparse.Namespace
) -> dict[str, list[Ages]]:
    arrival = Arrival(options.rate, options.warm_up, options.seconds)
    systems = GUARANTEES | PIPES
    # a job and its pipe run one after the other
    names = [*sorted(systems, key=lambda name: name.removeprefix("pipe.")), RIVER]
    runs: dict[str, list[Ages]] = {name: [] for name in names}
    for number in range(options.runs):
        # the order turns around every time: nobody has the same place
        for name in names if number % 2 == 0 else reversed(names):
            progress(f"{name}, run {number + 1} of {options.runs}")
            called = f"{name}-{number + 1}"
            if name == RIVER:
                ages = of_river(here, feed, river, called, options.overrides, arrival)
            else:
                settings = _settings(options)
                ages = of_job(here, feed, systems[name], called, settings, arrival)
            runs[name].append(ages)
    return runs


def _loaded(
    here: Stage, feed: Feed, options: argparse.Namespace
) -> tuple[list[Ages], list[Result]]:
    system, settings = GUARANTEES["at_least_once"], _settings(options, _NO_ROUNDS)
    most = None
    if options.loaded_rate is None:
        most = maximum(
            here, [*system.settings, *settings], Generated(options.events).blocks(),
            events=options.events, warm_up=options.warm_up, seconds=_MAXIMUM_SECONDS,
        )  # fmt: skip
    rate = options.loaded_rate if most is None else most / 2
    arrival = Arrival(rate, options.warm_up, options.seconds)
    runs = []
    for number in range(options.runs):
        progress(f"{LOADED}, {rate:,.0f} events a second, run {number + 1} of {options.runs}")
        runs.append(of_job(here, feed, system, f"{LOADED}-{number + 1}", settings, arrival))
    return runs, list(loaded(runs, rate, most))


def _settings(options: argparse.Namespace, *more: str) -> list[str]:
    return [f"flink.parallelism={options.parallelism}", *more, *options.overrides]
