"""What the commands share: the letters that options choose, with a bar of how far one is."""

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from conf.parameters import letter_key
from scripts.tools.commands.letters.opening import Opener, key_of
from scripts.tools.kafka import letters
from scripts.tools.kafka.letters import Letter
from scripts.tools.kafka.target import Target


def opener(job: Target, options: argparse.Namespace) -> Opener:
    """Return what opens encrypted letters: the configuration's key, and those of files."""
    own = letter_key(job.config)
    files = [key_of(path) for path in options.key_files]
    return Opener([*files, *([own] if own else [])])


def selected(job: Target, options: argparse.Namespace) -> Iterator[list[Letter]]:
    """Yield the letters of the codes, and since the time, that the options name, opened."""
    opened = opener(job, options)
    bounds = letters.extent(job.address, job.config.kafka.topics.dead_letter, options.since)
    codes, since = set(options.code or ()), options.since
    for some in read(job, bounds):
        yield [
            opened(letter)
            for letter in some
            # timestamps of a topic need not rise
            if (not codes or letter.code in codes) and (since is None or letter.at >= since)
        ]


def read(job: Target, bounds: letters.Extent) -> Iterator[list[Letter]]:
    """Yield the letters in bounds."""
    with _bar(sum(high - low for low, high in bounds.values())) as bar:
        task = bar.add_task("letters", total=sum(high - low for low, high in bounds.values()))
        yield from letters.read(
            job.address,
            job.config.kafka.topics.dead_letter,
            bounds,
            lambda passed: bar.update(task, completed=passed),
        )


@contextmanager
def _bar(total: int) -> Iterator[Progress]:
    """Show how far one has read, apart from the answer; nothing without a terminal."""
    with Progress(
        TextColumn("dead letters"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} offsets"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty() or not total,
        transient=True,
    ) as bar:
        yield bar


def now_ms() -> int:
    """Return the time, ms."""
    return time.time_ns() // 1_000_000
