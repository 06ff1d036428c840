"""What the commands of `scripts/evaluate` share: options, progress, figures as JSON."""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from scripts.tools import results
from scripts.tools.commands.demo_view import console
from scripts.tools.console import ToolError, picture, positive

SLICES = {"all": 0.0, "after5": 0.05, "last20": 0.8}
"""Parts of the stream, and the share of the events before each."""


def add_options(
    parser: argparse.ArgumentParser, *, plot: str, models: Sequence[str], default: Sequence[str]
) -> None:
    """Add the options that every command has.

    Parameters
    ----------
    plot
        What the plot shows.
    models, default
        Names that can be chosen, and those that are where none is.
    """
    add = parser.add_argument
    add("--json", type=Path, metavar="OUT", help="figures as JSON, - for standard output")
    add("--plot", type=picture, metavar="OUT.png", help=f"draw the {plot}")
    usual = ",".join(default)
    add(
        "--models",
        default=usual,
        metavar="LIST",
        help=f"some of {', '.join(models)} (default: {usual})",
    )
    add("--limit", type=positive(int), metavar="N", help="the first N events only")
    add("--seed", type=int, default=1, metavar="N", help="of every random choice (default: 1)")


def chosen(text: str, models: Sequence[str]) -> list[str]:
    """Return the names of a list, each once."""
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in models]
    if unknown or not names:
        got = ", ".join(unknown) or "nothing"
        raise ToolError(f"--models: expected some of {', '.join(models)}, got {got}", code=2)
    return names


def first_of(part: str, events: int) -> int:
    """Return the number of the first event of a slice."""
    return int(SLICES[part] * events)


def progress_bar() -> Progress:
    """Return a bar of what is done, apart from the answer on standard output."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
    )  # fmt: skip
    return Progress(*columns, console=console(stderr=True))


def console_beside(json: Path | None) -> Console:
    """Return where tables are shown: apart from the JSON, where that is standard output."""
    return console(stderr=str(json) == "-")


def row(model: str, metric: str, part: str, value: float | None) -> dict[str, Any]:
    """Return one figure as both commands write it."""
    return {"model": model, "metric": metric, "slice": part, "value": value}


def write(path: Path, rows: Iterable[dict[str, Any]], **more: Any) -> None:
    """Write figures with what is needed to judge them: command, commit, machine and `more`."""
    document = {
        "command": results.command(),
        "commit": results.commit(),
        "machine": results.machine(),
        "rows": list(rows),
        **more,
    }
    text = json.dumps(document, indent=1) + "\n"
    if str(path) == "-":
        sys.stdout.write(text)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
