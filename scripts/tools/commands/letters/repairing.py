"""`replay --file`: letters with the new values of a file."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from scripts.tools.commands.letters.common import now_ms, read
from scripts.tools.commands.letters.opening import Opener
from scripts.tools.data.repaired import Repair, repairs
from scripts.tools.kafka import letters
from scripts.tools.kafka.letters import Letter
from scripts.tools.kafka.resending import Judge
from scripts.tools.kafka.target import Target


def repaired(
    job: Target, path: Path, judge: Judge, refused: list[str], opened: Opener
) -> Iterator[list[Letter]]:
    """Yield the letters of a file with their new values; append what is wrong with other lines."""
    lines, objections = repairs(path)
    refused += objections
    wanted: dict[tuple[int, int], Repair] = {}
    for line in lines:
        try:
            at = letters.named(line.letter)
        except ValueError as error:
            refused.append(f"{line.where}: {error}")
            continue
        if at in wanted:
            refused.append(f"{line.where}: expected each letter once, got {line.letter} again")
        else:
            wanted[at] = line
    topic = job.config.kafka.topics.dead_letter
    bounds = _around(wanted, letters.extent(job.address, topic))
    for some in read(job, bounds):
        found = [
            (one, wanted.pop(at)) for one in some if (at := (one.partition, one.offset)) in wanted
        ]
        if found:
            now = now_ms()
            yield [judge.keyed_by_user(_with(opened(one), line), now) for one, line in found]
    for line in wanted.values():
        message = f"{line.where}: expected a letter of {topic}, got {line.letter}, which is none"
        refused.append(f"{message}; see scripts/dead-letters list")


def _with(letter: Letter, line: Repair) -> Letter:
    """Return a letter with its new value."""
    return replace(letter, value=line.value)


def _around(
    wanted: Iterable[tuple[int, int]], bounds: letters.Extent
) -> dict[int, tuple[int, int]]:
    """Return the least part of a topic that has all that is wanted and there."""
    found: dict[int, tuple[int, int]] = {}
    for partition, offset in wanted:
        low, high = bounds.get(partition, (0, 0))
        if low <= offset < high:
            first, end = found.get(partition, (offset, offset + 1))
            found[partition] = (min(first, offset), max(end, offset + 1))
    return found
