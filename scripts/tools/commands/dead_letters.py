"""List the records that the job refused, show one, and send them back once they are taken.

Exit 1: there are no such letters, or not all of them were sent.
"""

import argparse
from datetime import UTC, datetime
from pathlib import Path

from conf.units import DURATIONS, parse
from scripts.tools.commands.letters.common import now_ms
from scripts.tools.commands.letters.listing import listed
from scripts.tools.commands.letters.replaying import replay
from scripts.tools.commands.letters.showing import show
from scripts.tools.console import run
from scripts.tools.kafka import letters
from scripts.tools.kafka.target import add_arguments, target
from state.events.codes import Code


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
        return listed(job, options)
    return show(job, options) if options.command == "show" else replay(job, options)


def since(text: str) -> int:
    """Return a time in ms, an argument: an ISO 8601 instant, or a duration ago such as 2h.

    One without a zone is UTC.
    """
    ago = parse(text, DURATIONS)
    if ago is not None:
        return max(now_ms() - ago, 0)
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
        one.add_argument(
            "--key-file", action="append", default=[], type=Path, dest="key_files", metavar="FILE",
            help="a key that letters were encrypted with, beside the configuration's; several may"
            " be given",
        )  # fmt: skip
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
