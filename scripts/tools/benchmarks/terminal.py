"""What a benchmark shows while it runs and at its end."""

from collections.abc import Iterable

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from scripts.tools.results import Result

_WIDTH = 120
"""Of a table that goes into a file."""


def progress_bar() -> Progress:
    """Return a bar of events on standard error."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )


def show(results: Iterable[Result], peer: str = "River") -> None:
    """Print all figures as a table; `peer` is what they are compared with."""
    table = Table()
    table.add_column("figure", no_wrap=True)
    table.add_column("unit", no_wrap=True)
    for title in ("median", peer, "ratio", "of limit", "runs"):
        table.add_column(title, justify="right")
    for result in results:
        table.add_row(
            result.name,
            result.unit,
            _short(result.value, result.unit),
            _short(result.peer, result.unit),
            _short(result.ratio),
            _short(result.of_limit),
            " ".join(map(_short, result.runs)),
        )
    console = Console()
    if not console.is_terminal:
        console.width = _WIDTH
    console.print(table)


def _short(value: float | None, unit: str = "") -> str:
    if value is None:
        return ""
    if unit == "share":
        return f"{value:.4f}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"
