"""List the records that the job refused, show one, and send them back once they are taken.

Exit 1: there are no such letters, or not all of them were sent.
"""

import argparse
import heapq
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from conf.parameters import event_policy
from conf.units import DURATIONS, parse
from scripts.tools.commands.demo_view import console
from scripts.tools.console import ToolError, answer, progress, run
from scripts.tools.data.repaired import Repair, repairs
from scripts.tools.kafka import letters
from scripts.tools.kafka.client import consumer, partitions
from scripts.tools.kafka.letters import Letter, instant, shown
from scripts.tools.kafka.resending import SENT, Judge, Outcome, Sender
from scripts.tools.kafka.target import Target, add_arguments, target
from state.events.codes import Code

KEY_SHOWN, VALUE_SHOWN, NAME_SHOWN = 60, 200, 80
"""Characters of an example that are shown."""
GROUPS = 1_000
"""Codes and fields that are told apart; the job has far fewer."""
_OTHERS = "(others)"
_TOLD = 10
"""Lines of a file that are named where they are refused."""


def main() -> int:
    """Read the command line and do what it says.

    Returns
    -------
    int
        0; 1 where there are no such letters, or not all of them were sent.
    """
    parser = _parser()
    options = parser.parse_args()
    if options.command == "replay" and options.file and (options.code or options.since):
        parser.error("--file names its letters: expected neither --code nor --since beside it")
    job = target(options)
    if options.command == "list":
        return _list(job, options)
    return _show(job, options) if options.command == "show" else _replay(job, options)


# ---- list ----------------------------------------------------------------------------------------


@dataclass
class Group:
    """Letters of one code and field."""

    letters: int
    first: int
    last: int
    """Timestamps of the letters, ms."""


@dataclass
class Listing:
    """What a topic holds, as letters pass by.

    Parameters
    ----------
    most
        Examples that are kept: the newest.
    """

    most: int
    letters: int = 0
    groups: dict[tuple[str, str], Group] = field(default_factory=dict)
    _newest: list[tuple[int, int, int, Letter]] = field(default_factory=list)

    def take(self, letter: Letter) -> None:
        """Count one."""
        self.letters += 1
        name = (shown(letter.code, NAME_SHOWN), shown(letter.field, NAME_SHOWN))
        if name not in self.groups and len(self.groups) >= GROUPS:
            name = (_OTHERS, "")
        group = self.groups.setdefault(name, Group(0, letter.at, letter.at))
        group.letters += 1
        group.first, group.last = min(group.first, letter.at), max(group.last, letter.at)
        if self.most:
            entry = (letter.at, letter.partition, letter.offset, letter)
            push = heapq.heappush if len(self._newest) < self.most else heapq.heappushpop
            push(self._newest, entry)

    @property
    def examples(self) -> list[Letter]:
        """The newest letters, newest first."""
        return [letter for *_, letter in sorted(self._newest, key=lambda one: one[:3])][::-1]

    def sorted(self) -> list[tuple[str, str, Group]]:
        """Return code, field and letters of each group, most letters first."""
        found = [(code, name, group) for (code, name), group in self.groups.items()]
        return sorted(found, key=lambda one: (-one[2].letters, one[:2]))

    def as_mapping(self) -> dict[str, Any]:
        """Return everything, for JSON."""
        groups = [
            {
                "code": code,
                "field": name,
                "letters": group.letters,
                "first": instant(group.first),
                "last": instant(group.last),
            }
            for code, name, group in self.sorted()
        ]
        examples = [as_mapping(one, KEY_SHOWN, VALUE_SHOWN) for one in self.examples]
        return {"letters": self.letters, "groups": groups, "examples": examples}


def _list(job: Target, options: argparse.Namespace) -> int:
    topic = job.config.kafka.topics.dead_letter
    found = Listing(options.examples)
    for some in _selected(job, options):
        for letter in some:
            found.take(letter)
    if options.json:
        answer({"topic": topic, **found.as_mapping()}, as_json=True)
    elif not found.letters:
        print(f"{topic}: no such letters")
    else:
        _print_listing(console(), topic, found)
    return 0 if found.letters else 1


def _print_listing(out: Console, topic: str, found: Listing) -> None:
    table = Table("code", "field", "letters", "first (UTC)", "last (UTC)", title_justify="left",
                  title=f"{topic}: {found.letters:,} letters")  # fmt: skip
    for code, name, group in found.sorted():
        cells = (code or "(none)", name, f"{group.letters:,}", instant(group.first),
                 instant(group.last))  # fmt: skip
        table.add_row(*map(Text, cells))
    out.print(table)
    for letter in found.examples:
        code, message = letter.code or "no code", letter.header("err.msg")
        print(f"{letter.name}  {instant(letter.at)}  {shown(code, NAME_SHOWN)}"
              f" {shown(letter.field, NAME_SHOWN)}: {shown(message, VALUE_SHOWN)}")  # fmt: skip
        print(f"  key    {_summary(letter.key, KEY_SHOWN)}")
        print(f"  value  {_summary(letter.value, VALUE_SHOWN)}")


# ---- show ----------------------------------------------------------------------------------------


def _show(job: Target, options: argparse.Namespace) -> int:
    letter = _one(job, *options.letter)
    if options.raw:
        if letter.value is None:
            message = f"{letter.name}: expected a value, got a letter without one"
            raise ToolError(f"{message}; src.size and src.sha256 tell of one that was left out")
        sys.stdout.flush()
        sys.stdout.buffer.write(letter.value)
        return 0
    if options.json:
        answer(as_mapping(letter), as_json=True)
        return 0
    rows = [
        ("letter", letter.name),
        ("timestamp", instant(letter.at)),
        *((shown(name), _text(value)) for name, value in letter.headers),
        ("key", _text(letter.key)),
        ("value", _text(letter.value)),
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


def as_mapping(
    letter: Letter, key_shown: int | None = None, value_shown: int | None = None
) -> dict[str, Any]:
    """Return a letter for JSON: bytes as text with escapes, cut where a length is given."""
    return {
        "letter": letter.name,
        "timestamp": instant(letter.at),
        "code": shown(letter.code, value_shown),
        "field": shown(letter.field, value_shown),
        "message": shown(letter.header("err.msg"), value_shown),
        "key": None if letter.key is None else shown(letter.key, key_shown),
        "key_bytes": None if letter.key is None else len(letter.key),
        "value": None if letter.value is None else shown(letter.value, value_shown),
        "value_bytes": None if letter.value is None else len(letter.value),
        "headers": [
            [shown(name, value_shown), None if value is None else shown(value, value_shown)]
            for name, value in letter.headers
        ],
    }


def _text(data: bytes | None) -> str:
    return "(none)" if data is None else shown(data)


def _summary(data: bytes | None, most: int) -> str:
    """Return the beginning of bytes, and how many there are where that is not all."""
    if data is None:
        return "(none)"
    text = shown(data, most)
    return f"{text} ({len(data):,} bytes)" if text.endswith("…") else text


# ---- replay --------------------------------------------------------------------------------------


def _replay(job: Target, options: argparse.Namespace) -> int:
    topic = job.config.kafka.topics.user_behavior
    with consumer(job.address, [topic], isolation="read_committed") as client:
        partitions(client, topic)  # a producer would wait for a topic that nobody has made
    judge = Judge(event_policy(job.config), topic, options.code or (), everything=options.all)
    outcome = Outcome()
    refused: list[str] = []
    chosen = (
        _repaired(job, options.file, judge, refused) if options.file else _selected(job, options)
    )
    try:
        send(chosen, judge, job, outcome, dry_run=options.dry_run, repaired=bool(options.file))
    except (KeyboardInterrupt, ToolError):
        progress(f"{outcome.kinds[SENT]:,} letters before that; what is sent twice is a duplicate")
        raise
    for line in refused[:_TOLD]:
        progress(f"error: {line}")
    if len(refused) > _TOLD:
        progress(f"error: {len(refused) - _TOLD:,} more lines are not as expected")
    figures = {"topic": topic, "dry_run": options.dry_run, **outcome.figures()}
    if options.file:
        figures["lines_refused"] = len(refused)
    answer(figures if options.json else _in_words(figures), as_json=options.json)
    return 0 if outcome.complete and not refused else 1


def send(
    chosen: Iterable[list[Letter]],
    judge: Judge,
    job: Target,
    outcome: Outcome,
    *,
    dry_run: bool,
    repaired: bool = False,
) -> None:
    """Judge letters, send those that are taken now, and note what became of each.

    Parameters
    ----------
    dry_run
        Whether nothing is sent, and the outcome says what would be.
    repaired
        Whether the values are not those that were refused.
    """
    config = job.config.kafka
    sender = None
    if not dry_run:
        sender = Sender(job.address, config.topics.user_behavior, config.max_record_bytes, outcome)
    try:
        for some in chosen:
            verdicts = judge(some, _now_ms(), repaired=repaired)
            for letter, verdict in zip(some, verdicts, strict=True):
                if sender and verdict.kind == SENT:
                    sender.send(letter)
                else:
                    outcome.note(verdict)
    finally:
        if sender:
            sender.close()


def _repaired(job: Target, path: Path, judge: Judge, refused: list[str]) -> Iterator[list[Letter]]:
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
    for some in _read(job, bounds):
        found = [
            (one, wanted.pop(at)) for one in some if (at := (one.partition, one.offset)) in wanted
        ]
        if found:
            now = _now_ms()
            yield [judge.keyed_by_user(_with(one, line), now) for one, line in found]
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


def _in_words(figures: dict[str, Any]) -> dict[str, str]:
    """Return the counts as lines: those by code beside their sum, and no zeros but of the sent."""
    remarks = {
        "refused": "the configuration refuses them still",
        "held_back": "no configuration explains them: name them by --code",
        "ignored": "their event type is ignored",
        "foreign": "no letters of this input topic",
        "without_value": "the value was left out",
        "without_key": "the key was left out",
        "failed": "not stored",
    }
    details = {"refused": "refused_by_code", "held_back": "held_back_by_code", "failed": "failures"}
    verb = "would be sent to" if figures["dry_run"] else "sent to"
    lines = {"letters": f"{figures['letters']:,}"}
    lines["sent"] = f"{figures['sent']:,} {verb} {figures['topic']}"
    for name, remark in remarks.items():
        if figures[name]:
            by = figures[details[name]] if name in details else {}
            listed = ", ".join(f"{shown(code)} {count:,}" for code, count in by.items())
            lines[name] = f"{figures[name]:,} ({listed}): {remark}" if by else (
                f"{figures[name]:,}: {remark}"
            )  # fmt: skip
    if figures.get("lines_refused"):
        lines["lines_refused"] = f"{figures['lines_refused']:,} of the file"
    return lines


# ---- what they share -----------------------------------------------------------------------------


def _selected(job: Target, options: argparse.Namespace) -> Iterator[list[Letter]]:
    """Yield the letters of the codes, and since the time, that the options name."""
    bounds = letters.extent(job.address, job.config.kafka.topics.dead_letter, options.since)
    codes, since = set(options.code or ()), options.since
    for some in _read(job, bounds):
        yield [
            letter
            for letter in some
            # timestamps of a topic need not rise
            if (not codes or letter.code in codes) and (since is None or letter.at >= since)
        ]


def _read(job: Target, bounds: letters.Extent) -> Iterator[list[Letter]]:
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


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def since(text: str) -> int:
    """Return a time in ms, an argument: an ISO 8601 instant, or a duration ago such as 2h.

    One without a zone is UTC.
    """
    ago = parse(text, DURATIONS)
    if ago is not None:
        return max(_now_ms() - ago, 0)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        message = f"expected an ISO 8601 instant or a duration ago such as 2h, got {text!r}"
        raise argparse.ArgumentTypeError(message) from None
    zoned = found if found.tzinfo else found.replace(tzinfo=UTC)
    return max(int(zoned.timestamp() * 1000), 0)


def _name(text: str) -> tuple[int, int]:
    try:
        return letters.named(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _count(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 1_000:
        message = f"expected 0 to 1000, got {text}"
        raise argparse.ArgumentTypeError(message)
    return number


_count.__name__ = "number"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/dead-letters", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    listing = commands.add_parser("list", help="how many there are by code, and the newest")
    show = commands.add_parser("show", help="one letter with all its headers")
    replay = commands.add_parser("replay", help="send letters back that the job takes now")
    for one in (listing, replay):
        one.add_argument(
            "--code", action="append", choices=[code.value for code in Code], metavar="C",
            help="letters of this code only; several may be given",
        )  # fmt: skip
        one.add_argument(
            "--since", type=since, metavar="TIME",
            help="letters from an ISO 8601 instant on, or of a duration up to now such as 2h",
        )  # fmt: skip
    listing.add_argument(
        "--examples", type=_count, default=3, metavar="N", help="newest letters (default: 3)"
    )
    show.add_argument("letter", type=_name, metavar="PARTITION:OFFSET", help="as list shows it")
    shape = show.add_mutually_exclusive_group()
    shape.add_argument("--raw", action="store_true", help="write the bytes of the value only")
    _replay_arguments(replay)
    for one in (listing, show, replay):
        add_arguments(one)
    for group in (listing, shape, replay):
        group.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _replay_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dry-run", action="store_true", help="send nothing; count what would be sent"
    )
    parser.add_argument(
        "--all", action="store_true",
        help="also letters that the configuration refuses still, that are held back (late,"
        " id_conflict, ambiguous_user), ignored, or of another topic",
    )  # fmt: skip
    parser.add_argument(
        "--file", type=Path, metavar="REPAIRED.jsonl",
        help='repaired values: {"letter": "PARTITION:OFFSET", "value": {…}} a line',
    )  # fmt: skip


if __name__ == "__main__":
    run(main)
