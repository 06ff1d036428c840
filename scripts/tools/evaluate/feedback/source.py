"""Where records of `feedback` come from: a file of lines, standard input, or the topic itself."""

import argparse
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from scripts.tools.console import ToolError
from scripts.tools.evaluate.common.output import progress_bar
from scripts.tools.kafka import letters
from scripts.tools.kafka.target import add_arguments, target

Value = tuple[str, bytes | None]
"""Where a record is, and its bytes."""
Progressed = Callable[[int], None]
"""Takes how much is done."""

_STDIN = "-"
_LINES = 10_000
"""Lines between two reports."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what is read, and where figures are written."""
    add = parser.add_argument
    add("--file", metavar="FILE", help="JSON lines, - for standard input (default: the topic)")
    add("--topic", metavar="NAME", help="instead of the configuration's topic of feedback")
    add(
        "--json",
        type=Path,
        nargs="?",
        const=Path(_STDIN),
        metavar="OUT",
        help="figures as one JSON object; without OUT, or with -, to standard output",
    )
    add_arguments(parser)


def values(options: argparse.Namespace) -> Iterator[Value]:
    """Yield the records that the options mean, with a bar of what is read."""
    if options.file is not None:
        yield from lines(options.file, "--file")
        return
    job = target(options)
    topics = job.config.kafka.topics
    topic = options.topic or topics.feedback
    bounds = letters.extent(job.address, topic)
    total = sum(high - low for low, high in bounds.values())
    with _bar(topic, total) as report:
        for some in letters.read(job.address, topic, bounds, report):
            yield from ((f"{topic} {one.name}", one.value) for one in some)


def lines(file: str, option: str) -> Iterator[Value]:
    """Yield the lines of a file that are not blank, with a bar of what is read.

    Parameters
    ----------
    file
        - is standard input.
    option
        The one that named it.

    Raises
    ------
    ToolError
        Where it cannot be read.
    """
    try:
        with _opened(file) as data, _bar(_name(file), _size(data)) as report:
            done = 0
            for number, line in enumerate(data, 1):
                done += len(line)
                if number % _LINES == 0:
                    report(done)
                if not line.isspace():
                    yield f"{_name(file)}:{number}", line
            report(done)
    except OSError as error:
        message = f"{file}: expected a file of JSON lines, got {error.strerror or error}"
        raise ToolError(f"{message}; give {option} another path, or - for standard input") from None


@contextmanager
def _opened(file: str) -> Iterator[BinaryIO]:
    if file == _STDIN:
        yield sys.stdin.buffer
        return
    with Path(file).open("rb") as data:
        yield data


@contextmanager
def _bar(name: str, total: int | None) -> Iterator[Progressed]:
    with progress_bar() as bar:
        task = bar.add_task(name.replace("[", r"\["), total=total)
        yield lambda done: bar.update(task, completed=done)


def _name(file: str) -> str:
    return "standard input" if file == _STDIN else Path(file).name


def _size(data: BinaryIO) -> int | None:
    """Return the bytes of a file; None of a pipe, which does not know."""
    try:
        found = os.fstat(data.fileno())
    except OSError:  # no file at all
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None
