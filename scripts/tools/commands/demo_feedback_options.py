"""Options of `scripts/demo --feedback`, and which others make no sense beside it."""

import argparse
from importlib.util import find_spec
from pathlib import Path

from scripts.tools.console import positive

SECONDS = 180
_OF_EVENTS = (
    ("data", "--data"),
    ("columns", "--columns"),
    ("events", "--events"),
    ("rate", "--rate"),
    ("items", "--items"),
    ("item_columns", "--item-columns"),
    ("send_refused", "--send-refused"),
)
"""Options that say which events are sent, and how: with feedback the users decide."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--feedback", action="store_true",
        help="simulated users with hidden tastes see the lists and click: click-through rate by"
        " arm (model, popular, random) over time, without a deep model",
    )  # fmt: skip
    parser.add_argument(
        "--seconds", type=positive(int), metavar="N",
        help=f"with --feedback: how long users come (default: {SECONDS})",
    )  # fmt: skip
    parser.add_argument(
        "--plot", type=Path, metavar="FILE", help="with --feedback: draw the curve, .png or .svg"
    )


def check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """End with status 2 where options make no sense together."""
    if not options.feedback:
        for name in ("seconds", "plot"):
            if getattr(options, name) is not None:
                parser.error(f"--{name}: expected --feedback beside it, got none")
        return
    if options.plot and find_spec("matplotlib") is None:
        parser.error("--plot: expected matplotlib, got none; scripts/setup --dev installs it")
    for name, option in _OF_EVENTS:
        if getattr(options, name):
            parser.error(f"{option}: expected no --feedback beside it, got both: with feedback the"
                         " events are those of simulated users")  # fmt: skip
    if options.times != parser.get_default("times"):
        parser.error("--times: expected no --feedback beside it, got both: its users live now")
