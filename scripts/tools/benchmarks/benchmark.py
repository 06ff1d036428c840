"""Measure the job on a real broker and cluster, next to River on the same machine and topic."""

import argparse
import os
from pathlib import Path

from scripts.tools import results
from scripts.tools.benchmarks import beside, plots
from scripts.tools.benchmarks.accuracy import measure as measured_accuracy
from scripts.tools.benchmarks.candidates.measure import MODELS, SIZES
from scripts.tools.benchmarks.candidates.measure import measure as measured_candidates
from scripts.tools.benchmarks.latency import measure as measured_latency
from scripts.tools.benchmarks.terminal import show
from scripts.tools.benchmarks.throughput import KINDS, LIMIT
from scripts.tools.benchmarks.throughput import measure as measured_throughput
from scripts.tools.benchmarks.training import measure as measured_training
from scripts.tools.console import run


def main() -> None:
    """Read the command line and measure."""
    options = _parser().parse_args()
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
    """Freshness of recommendations at a steady rate, for both delivery guarantees."""
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


def _report(
    options: argparse.Namespace, figures: list[results.Result], peer: str = "River"
) -> None:
    if options.json:
        results.write(options.json, figures, beside=options.beside)
    show(figures, peer)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/benchmark", description=__doc__)
    names = "throughput|limit|latency|training|accuracy|candidates"
    commands = parser.add_subparsers(required=True, metavar=names)
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--json", type=Path, metavar="OUT", help="write the figures to a file")
    shared.add_argument(
        "--beside-others", action="store_true",
        help="measure although other stacks or busy processes run; the results name them",
    )  # fmt: skip
    shared.add_argument("--plot", type=Path, metavar="PNG", help="draw a picture")
    shared.add_argument(
        "--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE",
        help="override one key of the job's configuration; can be repeated",
    )  # fmt: skip

    command = commands.add_parser("throughput", parents=[shared], help=throughput.__doc__)
    _numbers(command, runs=2, warm_up=25, seconds=20, parallelism=min(os.cpu_count() or 1, 8))
    _data(command)
    command.add_argument(
        "--kinds", default=",".join(KINDS), metavar="LIST",
        help=f"some of {', '.join(KINDS)}; the limit is always measured (default: all)",
    )  # fmt: skip
    command.add_argument(
        "--river-seconds", type=float, default=15, metavar="S", help="seconds that count of River"
    )
    command.set_defaults(command=throughput)

    command = commands.add_parser("limit", parents=[shared], help=limit.__doc__)
    _numbers(command, runs=2, warm_up=25, seconds=30, parallelism=min(os.cpu_count() or 1, 8))
    _data(command)
    command.set_defaults(command=limit, kinds=LIMIT)

    command = commands.add_parser("latency", parents=[shared], help=latency.__doc__)
    _numbers(command, runs=2, warm_up=30, seconds=60, parallelism=1)
    command.add_argument("--rate", type=float, default=300, metavar="R", help="events a second")
    command.add_argument(
        "--history", type=int, default=200_000, metavar="N", help="events learnt beforehand"
    )
    command.set_defaults(command=latency)

    command = commands.add_parser("training", parents=[shared], help=training.__doc__)
    _numbers(command, runs=3, warm_up=25, seconds=20, parallelism=min(os.cpu_count() or 1, 8))
    _data(command)
    command.add_argument("--steps", type=int, default=200, metavar="N", help="steps of a round")
    command.set_defaults(command=training)

    command = commands.add_parser("accuracy", parents=[shared], help=accuracy.__doc__)
    command.add_argument(
        "--data", type=Path, metavar="FILE.parquet", help="without it, events are generated"
    )
    command.add_argument("--events", type=int, metavar="N", help="default: the file's, or 200000")
    command.add_argument(
        "--rate", type=float, default=2_000, metavar="R",
        help="events a second: with more than the job carries, partitions drift apart",
    )  # fmt: skip
    command.add_argument(
        "--parallelism", type=int, default=min(os.cpu_count() or 1, 8), metavar="N",
        help="subtasks of the job",
    )  # fmt: skip
    command.set_defaults(command=accuracy)

    command = commands.add_parser("candidates", parents=[shared], help=candidates.__doc__)
    command.add_argument("--model", choices=(*MODELS, "both"), default="both", help="default: both")
    command.add_argument(
        "--items", default=",".join(map(str, SIZES)), metavar="LIST",
        help="sizes of the catalogue (default: %(default)s)",
    )  # fmt: skip
    command.add_argument(
        "--lists", type=int, default=100, metavar="N", help="that are timed (default: 100)"
    )
    command.add_argument(
        "--compared", type=int, default=20, metavar="N",
        help="lists that are compared with the exact best ten (default: 20)",
    )  # fmt: skip
    command.set_defaults(command=candidates)
    return parser


def _data(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--data", type=Path, metavar="FILE.parquet",
        help="events to learn from, repeated with new users as often as needed;"
        " without it, they are generated",
    )  # fmt: skip
    command.add_argument("--events", type=int, default=6_000_000, metavar="N", help="about so many")


def _numbers(
    command: argparse.ArgumentParser, *, runs: int, warm_up: float, seconds: float, parallelism: int
) -> None:
    command.add_argument("--runs", type=int, default=runs, metavar="N", help=f"default: {runs}")
    command.add_argument(
        "--warm-up", type=float, default=warm_up, metavar="S",
        help=f"seconds that do not count (default: {warm_up:g})",
    )  # fmt: skip
    command.add_argument(
        "--seconds", type=float, default=seconds, metavar="S",
        help=f"seconds that count (default: {seconds:g})",
    )  # fmt: skip
    command.add_argument(
        "--parallelism", type=int, default=parallelism, metavar="N",
        help=f"subtasks of the job (default: {parallelism})",
    )  # fmt: skip


if __name__ == "__main__":
    run(main)
