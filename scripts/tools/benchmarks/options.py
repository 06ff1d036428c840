"""What can be changed of each benchmark."""

import argparse
from pathlib import Path

from scripts.tools.benchmarks.candidates.measure import MODELS, SIZES
from scripts.tools.benchmarks.latency.measure import PARTS as LATENCY_PARTS
from scripts.tools.benchmarks.lookup.measure import PARTS as LOOKUP_PARTS
from scripts.tools.benchmarks.scale.measure import PARTS as SCALE_PARTS
from scripts.tools.benchmarks.startup.measure import PARTS as STARTUP_PARTS
from scripts.tools.benchmarks.throughput import KINDS, LIMIT, USUAL
from scripts.tools.cluster.machine import machine
from scripts.tools.console import positive
from scripts.tools.data import columns

_KINDS = ("light", "full")
_CORES = min(machine().cores(), 8)


def shared() -> argparse.ArgumentParser:
    """Return the options of all benchmarks."""
    found = argparse.ArgumentParser(add_help=False)
    found.add_argument("--json", type=Path, metavar="OUT", help="write the figures to a file")
    found.add_argument(
        "--beside-others", action="store_true",
        help="measure although other stacks or busy processes run; the results name them",
    )  # fmt: skip
    found.add_argument("--plot", type=Path, metavar="PNG", help="draw a picture")
    found.add_argument(
        "--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE",
        help="override one key of the job's configuration; can be repeated",
    )  # fmt: skip
    return found


def throughput(command: argparse.ArgumentParser) -> None:
    """Of `throughput`."""
    _numbers(command, runs=2, warm_up=25, seconds=20, parallelism=_CORES)
    _data(command)
    command.add_argument(
        "--kinds", default=",".join(USUAL), metavar="LIST",
        help=f"some of {', '.join(KINDS)}; the limit is always measured (default: %(default)s)",
    )  # fmt: skip
    command.add_argument(
        "--river-seconds", type=float, default=15, metavar="S", help="seconds that count of River"
    )


def limit(command: argparse.ArgumentParser) -> None:
    """Of `limit`."""
    _numbers(command, runs=2, warm_up=25, seconds=30, parallelism=_CORES)
    _data(command)
    command.set_defaults(kinds=LIMIT)


def latency(command: argparse.ArgumentParser) -> None:
    """Of `latency`."""
    _numbers(command, runs=1, warm_up=20, seconds=40, parallelism=1)
    command.add_argument(
        "--part", choices=(*LATENCY_PARTS, "both"), default="both", help="default: both"
    )
    command.add_argument(
        "--rate", type=positive(float), default=300, metavar="R",
        help="events a second, of idle (default: 300)",
    )  # fmt: skip
    command.add_argument(
        "--history", type=int, default=200_000, metavar="N",
        help="events learnt beforehand (default: 200000)",
    )  # fmt: skip
    command.add_argument(
        "--loaded-rate", type=positive(float), metavar="R",
        help="events a second, of loaded"
        " (default: half of what the job learns at full speed, measured first)",
    )  # fmt: skip
    command.add_argument(
        "--events", type=int, default=1_500_000, metavar="N",
        help="that full speed is measured with (default: 1500000)",
    )  # fmt: skip


def training(command: argparse.ArgumentParser) -> None:
    """Of `training`."""
    _numbers(command, runs=3, warm_up=25, seconds=20, parallelism=_CORES)
    _data(command)
    command.add_argument("--steps", type=int, default=200, metavar="N", help="steps of a round")


def accuracy(command: argparse.ArgumentParser) -> None:
    """Of `accuracy`."""
    columns.add_arguments(command, "; without it, events are generated")
    command.add_argument("--events", type=int, metavar="N", help="default: the file's, or 200000")
    command.add_argument(
        "--rate", type=float, default=2_000, metavar="R",
        help="events a second: with more than the job carries, partitions drift apart",
    )  # fmt: skip
    usual = ",".join(str(n) for n in (1, 2, 4, 8) if n <= _CORES)
    command.add_argument(
        "--parallelism", default=usual, metavar="LIST",
        help="subtasks of the job, one run each, as many as this machine has slots for; more than"
        " its cores lag behind --rate (default: %(default)s here, up to 8)",
    )  # fmt: skip


def candidates(command: argparse.ArgumentParser) -> None:
    """Of `candidates`."""
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


def recovery(command: argparse.ArgumentParser) -> None:
    """Of `recovery`."""
    _numbers(command, runs=3, warm_up=20, seconds=15, parallelism=_CORES)
    command.add_argument(
        "--rate", type=positive(float), metavar="R",
        help="events a second (default: half of what the job learns at full speed, measured first)",
    )  # fmt: skip
    command.add_argument("--kind", choices=_KINDS, default="full", help="what runs (default: full)")
    command.add_argument(
        "--before", type=float, default=15, metavar="S",
        help="seconds in which the usual lag is looked at (default: 15)",
    )  # fmt: skip
    command.add_argument(
        "--events", type=int, default=1_500_000, metavar="N",
        help="that full speed is measured with (default: 1500000)",
    )  # fmt: skip
    command.set_defaults(data=None)


def startup(command: argparse.ArgumentParser) -> None:
    """Of `startup`."""
    command.add_argument("--runs", type=int, default=3, metavar="N", help="default: 3")
    command.add_argument(
        "--part", choices=(*STARTUP_PARTS, "both"), default="both", help="default: both"
    )
    command.add_argument("--kind", choices=_KINDS, default="full", help="what runs (default: full)")
    command.add_argument(
        "--parallelism", type=int, default=1, metavar="N", help="subtasks of the job (default: 1)"
    )
    command.add_argument(
        "--events", type=int, default=20_000, metavar="N", help="that wait (default: 20000)"
    )
    command.set_defaults(data=None)


def scale(command: argparse.ArgumentParser) -> None:
    """Of `scale`."""
    command.add_argument(
        "--part", choices=(*SCALE_PARTS, "both"), default="both", help="default: both"
    )
    command.add_argument("--kind", choices=_KINDS, default="light", help="default: light")
    command.add_argument(
        "--warm-up", type=float, default=25, metavar="S", help="that do not count (default: 25)"
    )
    command.add_argument(
        "--seconds", type=float, default=30, metavar="S", help="that count (default: 30)"
    )
    command.add_argument(
        "--parallelism", default="1,2,4,8", metavar="LIST", help="of subtasks (default: 1,2,4,8)"
    )
    command.add_argument(
        "--rate", type=positive(float), default=4_000, metavar="R",
        help="events a second, of subtasks (default: 4000)",
    )  # fmt: skip
    command.add_argument(
        "--users", type=int, default=2_000_000, metavar="N", help="of state (default: 2000000)"
    )
    command.add_argument(
        "--items", type=int, default=200_000, metavar="N", help="of state (default: 200000)"
    )
    command.add_argument(
        "--events", type=int, default=2_000_000, metavar="N",
        help="of state, after each user came once (default: 2000000)",
    )  # fmt: skip
    command.set_defaults(slots=_CORES)


def _data(command: argparse.ArgumentParser) -> None:
    words = "; repeated with new users as often as needed; without it, events are generated"
    columns.add_arguments(command, words)
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


def lookup(command: argparse.ArgumentParser) -> None:
    """Of `lookup`."""
    command.add_argument("--part", choices=(*LOOKUP_PARTS, "all"), default="all")
    command.add_argument(
        "--lists", type=positive(int), default=1_000_000, metavar="N",
        help="users with a list (default: 1000000)",
    )  # fmt: skip
    command.add_argument(
        "--items", type=positive(int), default=200_000, metavar="N",
        help="items that guests are listed from (default: 200000)",
    )  # fmt: skip
