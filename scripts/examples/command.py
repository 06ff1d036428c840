"""What the examples have in common: options, tables, JSON, axes of a picture."""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def options(name: str, text: str | None) -> argparse.ArgumentParser:
    """Return the parser of an example's command line."""
    parser = argparse.ArgumentParser(
        prog=f"scripts/example {name}",
        description=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of all that is random")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures")
    parser.add_argument("--plot", type=Path, metavar="OUT.png", help="draw the figures")
    return parser


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
