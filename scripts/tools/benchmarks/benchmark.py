"""Measure the job on a real broker and cluster, next to River on the same machine and topic.

Each benchmark takes at most about 12 minutes on two cores; `scripts/benchmark NAME --help` lists
what can be changed.
"""

import argparse
from collections.abc import Callable

from scripts.tools import results
from scripts.tools.benchmarks import beside, plots
from scripts.tools.benchmarks import options as options_of
from scripts.tools.benchmarks.accuracy import measure as measured_accuracy
from scripts.tools.benchmarks.candidates.measure import measure as measured_candidates
from scripts.tools.benchmarks.latency.measure import measure as measured_latency
from scripts.tools.benchmarks.lookup.measure import measure as measured_lookup
from scripts.tools.benchmarks.recovery.measure import measure as measured_recovery
from scripts.tools.benchmarks.scale.measure import measure as measured_scale
from scripts.tools.benchmarks.startup.measure import measure as measured_startup
from scripts.tools.benchmarks.terminal import show
from scripts.tools.benchmarks.throughput import measure as measured_throughput
from scripts.tools.benchmarks.training import measure as measured_training
from scripts.tools.console import run


def main() -> None:
    """Read the command line and measure."""
    options = _parser().parse_args()
    results.insist_on_a_commit(options.json)
    options.beside = beside.insist(beside_others=options.beside_others)
    options.command(options)


def throughput(options: argparse.Namespace) -> None:
    """Events a second, at full speed, of what the pipe carries without a model; next to River."""
    figures = measured_throughput(options)
    _report(options, figures)
    if options.plot:
        plots.throughput(options.plot, figures)


def limit(options: argparse.Namespace) -> None:
    """Events a second of the pipe alone: sources, windows, decoding, the loop, no model."""
    _report(options, measured_throughput(options))


def latency(options: argparse.Namespace) -> None:
    """Freshness, both delivery guarantees, next to the bare pipe and River; and under load."""
    figures, ages = measured_latency(options)
    _report(options, figures)
    if options.plot:
        plots.latency(options.plot, ages)


def training(options: argparse.Namespace) -> None:
    """Throughput and checkpoints while a round is trained, next to those without one."""
    _report(options, measured_training(options))


def accuracy(options: argparse.Namespace) -> None:
    """Hit rate of the job, and of its model alone on the same events and users."""
    _report(options, measured_accuracy(options), peer="model alone")


def candidates(options: argparse.Namespace) -> None:
    """CPU time of one list over up to a million items, and its recall; no cluster."""
    figures = measured_candidates(options)
    _report(options, figures)
    if options.plot:
        plots.candidates(options.plot, figures)


def recovery(options: argparse.Namespace) -> None:
    """Seconds until the job has caught up after a Python worker was killed."""
    figures, runs = measured_recovery(options)
    _report(options, figures)
    if options.plot:
        plots.recovery(options.plot, runs)


def startup(options: argparse.Namespace) -> None:
    """Seconds from a submission to the first micro-batch, and of a demo to the first list."""
    figures = measured_startup(options)
    _report(options, figures)
    if options.plot:
        plots.startup(options.plot, figures)


def lookup(options: argparse.Namespace) -> None:
    """Lookups a second and core of the service, guests, and from a click to its list."""
    _report(options, measured_lookup(options))


def scale(options: argparse.Namespace) -> None:
    """CPU time of an event by parallelism, and what the state of millions of users costs."""
    figures = measured_scale(options)
    _report(options, figures, peer="compared")
    if options.plot:
        plots.scale(options.plot, figures)


def _report(
    options: argparse.Namespace, figures: list[results.Result], peer: str = "River"
) -> None:
    if options.json:
        results.write(options.json, figures, beside=options.beside)
    show(figures, peer)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/benchmark", description=__doc__)
    names = "|".join(function.__name__ for function in _COMMANDS)
    commands = parser.add_subparsers(required=True, metavar=names)
    shared = options_of.shared()
    for function, add in _COMMANDS.items():
        name, text = function.__name__, function.__doc__
        command = commands.add_parser(name, parents=[shared], help=text, description=text)
        add(command)
        command.set_defaults(command=function)
    return parser


_COMMANDS: dict[Callable[[argparse.Namespace], None], Callable[[argparse.ArgumentParser], None]] = {
    throughput: options_of.throughput,
    limit: options_of.limit,
    latency: options_of.latency,
    training: options_of.training,
    accuracy: options_of.accuracy,
    candidates: options_of.candidates,
    recovery: options_of.recovery,
    startup: options_of.startup,
    lookup: options_of.lookup,
    scale: options_of.scale,
}


if __name__ == "__main__":
    run(main)
