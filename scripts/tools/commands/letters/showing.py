"""`show`: one letter with everything it has."""

import argparse
import sys

from scripts.tools.commands.letters.common import opener
from scripts.tools.commands.letters.words import as_mapping, text_of
from scripts.tools.console import ToolError, answer
from scripts.tools.kafka import letters
from scripts.tools.kafka.letters import Letter, instant, shown
from scripts.tools.kafka.target import Target


def show(job: Target, options: argparse.Namespace) -> int:
    """Print one letter, and return the exit status."""
    letter = opener(job, options)(_one(job, *options.letter))
    if options.raw:
        if letter.locked:
            raise ToolError(f"{letter.name}: expected a value to read, got one that is"
                            f" {letter.locked}; give its key by --key-file")  # fmt: skip
        if letter.value is None:
            message = f"{letter.name}: expected a value, got a letter without one"
            raise ToolError(
                f"{message}; src.size and src.sha256, or src.hmac, tell of one that was left out"
            )
        sys.stdout.flush()
        sys.stdout.buffer.write(letter.value)
        return 0
    if options.json:
        answer(as_mapping(letter), as_json=True)
        return 0
    rows = [
        ("letter", letter.name),
        ("timestamp", instant(letter.at)),
        *((shown(name), text_of(value)) for name, value in letter.headers),
        ("key", letter.locked or text_of(letter.key)),
        ("value", letter.locked or text_of(letter.value)),
    ]
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        print(f"{name:<{width}}  {text}")
    return 0


def _one(job: Target, partition: int, offset: int) -> Letter:
    """Return one letter.

    Raises
    ------
    ToolError
        If there is none.
    """
    topic = job.config.kafka.topics.dead_letter
    bounds = letters.extent(job.address, topic)
    low, high = bounds.get(partition, (0, 0))
    if low <= offset < high:
        for some in letters.read(job.address, topic, {partition: (offset, offset + 1)}):
            for letter in some:
                return letter
    there = ", ".join(f"{p}:{a} to {p}:{b - 1}" for p, (a, b) in sorted(bounds.items()) if a < b)
    message = f"{topic}: expected a letter at {partition}:{offset}, got none"
    raise ToolError(f"{message}; choose one that scripts/dead-letters list shows"
                    f" ({there or 'the topic is empty'})")  # fmt: skip
