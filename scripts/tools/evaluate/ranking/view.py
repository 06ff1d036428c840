"""What `scripts/evaluate ranking` shows: a table a slice, fates."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from scripts.tools.evaluate.stream.passes import Pass

_SHOWN = ("hr@10", "ndcg@10", "mrr", "coverage", "us_an_event", "us_a_ranking")


def show(
    out: Console,
    rows: Sequence[dict[str, Any]],
    models: Sequence[str],
    sizes: Mapping[str, int],
    passes: Mapping[str, Pass],
) -> None:
    """Show the figures of each slice, and what became of the events.

    Parameters
    ----------
    sizes
        Ranked events of each slice.
    """
    found = {(row["model"], row["metric"], row["slice"]): row["value"] for row in rows}
    for part, size in sizes.items():
        if not size:
            continue
        shown = [metric for metric in _SHOWN if any((m, metric, part) in found for m in models)]
        table = Table("model", *(metric.replace("_", " ") for metric in shown),
                      title=f"{part}: {size:,} events ranked", title_justify="left")  # fmt: skip
        for model in models:
            if (model, shown[0], part) not in found:
                continue
            table.add_row(model, *(_cell(found.get((model, m, part)), m) for m in shown))
        out.print(table)
    for one in list(passes.values())[:1]:
        told = ", ".join(f"{count:,} {fate}" for fate, count in one.fates.items())
        out.print(f"{told}; {one.cold:,} ranked events were misses whatever the model: items never"
                  " seen before, or the user's own")  # fmt: skip
        if one.fates["accepted"] < sum(one.fates.values()) / 2:
            out.print(f"[red]most events were not accepted: {dict(one.codes)}[/red]")


def say(out: Console, seconds: float, training: float) -> None:
    """Say how long it took."""
    told = f", of which {training:,.0f} s training" if training else ""
    out.print(f"{seconds:,.0f} s{told}")


def _cell(value: float | None, metric: str) -> str:
    if value is None:
        return ""
    return f"{value:.1f}" if metric.startswith("us_") else f"{value:.4f}"
