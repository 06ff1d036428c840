"""What the examples have in common: options, tables, JSON, axes of a picture."""

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.tools.console import picture

_DIGITS = 10
"""Of the largest seed that all libraries take."""


def options(name: str, text: str | None) -> argparse.ArgumentParser:
    """Return the parser of an example's command line."""
    parser = argparse.ArgumentParser(
        prog=f"scripts/example {name}",
        description=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seed", type=_seed, default=1, metavar="N", help="of all that is random")
    parser.add_argument("--json", type=_file, metavar="OUT", help="write the figures")
    parser.add_argument("--plot", type=_picture, metavar="OUT.png", help="draw the figures")
    return parser


def _seed(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS and int(text) < 1 << 32):
        raise argparse.ArgumentTypeError(f"expected 0 to 2^32 - 1, got {text[:40]}")
    return int(text)


def _file(text: str) -> Path:
    """Return where to write, in a folder that is made; refuse early what cannot be written."""
    path = Path(text)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"expected a file to write, got {error}") from None
    if (
        text == "-"
        or path.is_dir()
        or not os.access(path if path.exists() else path.parent, os.W_OK)
    ):
        raise argparse.ArgumentTypeError(f"expected a file that can be written, got {text}")
    return path


def _picture(text: str) -> Path:
    picture(text)
    return _file(text)


def save(path: Path | None, values: Mapping[str, Any]) -> None:
    """Write figures as JSON where that is wanted."""
    if path is not None:
        path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def show(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table: names to the left, numbers to the right with three decimals."""
    lines = [list(header), *([_cell(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for first, *others in lines:
        cells = (f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True))
        print("  ".join((f"{first:<{widths[0]}}", *cells)).rstrip())


def _cell(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
