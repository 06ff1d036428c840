"""What `scripts/evaluate holdout` shows: a table a cut, and a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from scripts.tools.evaluate.holdout.figures import METRICS
from scripts.tools.evaluate.holdout.split import Split

_TITLES = {
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "map": "MAP",
    "ndcg": "NDCG",
}


def show(
    out: Console, rows: Sequence[dict[str, Any]], models: Sequence[str], cuts: Sequence[int]
) -> None:
    """Show a table for every cut: means, half their intervals, and what differs from the first."""
    found = {(row["model"], row["metric"]): row for row in rows}
    for k in cuts:
        table = Table("model", title=f"lists of {k}", title_justify="left", padding=(0, 0, 0, 1))
        for metric in METRICS:
            table.add_column(f"{_TITLES[metric]}@{k}", justify="right")
        for model in models:
            table.add_row(model, *(_cell(found[model, f"{metric}@{k}"]) for metric in METRICS))
        out.print(table)
    out.print(
        f"± is half of the 95 % interval over users; < and > mark what is surely below or above"
        f" {models[0]} for the same users"
    )


def tell(out: Console, split: Split, seconds: float) -> None:
    """Say what was cut where, and how long it took."""
    t = split.told
    out.print(
        f"cut at {t['cut']}: {t['learnt']:,} events learnt, {t['later']:,} later ones;"
        f" {t['asked']:,} users asked of those known by then, {t['new_users']:,} came later;"
        f" wanted are {t['wanted']:,} items, {t['wanted_never_seen']:,} of them unknown to all"
        f" models; {t['own_again']:,} were the user's before and are not wanted; {seconds:,.0f} s"
    )


def draw(
    path: Path, rows: Sequence[dict[str, Any]], models: Sequence[str], cuts: Sequence[int]
) -> None:
    """Draw every metric by the length of the list, with its intervals."""
    found: Mapping[tuple[str, str], dict[str, Any]]
    found = {(row["model"], row["metric"]): row for row in rows}
    figure = Figure(figsize=(14, 3.4), layout="constrained")
    all_axes = figure.subplots(1, len(METRICS))
    for axes, metric in zip(all_axes, METRICS, strict=True):
        for n, model in enumerate(models):
            cells = [found[model, f"{metric}@{k}"] for k in cuts]
            values = [cell["value"] for cell in cells]
            half = [_half(cell) or 0.0 for cell in cells]
            # a little beside each other: intervals that cover one another cannot be told apart
            at = [k * (1 + 0.02 * (n - len(models) / 2)) for k in cuts]
            axes.errorbar(at, values, half, fmt="o-", markersize=3, linewidth=1, label=model)
        axes.set(title=f"{_TITLES[metric]} at k", xlabel="k", xscale="log", ylim=(0, None))
        axes.set_xticks(list(cuts), [str(k) for k in cuts])
        axes.minorticks_off()
        axes.spines[["top", "right"]].set_visible(False)
    all_axes[-1].legend(
        fontsize="small", frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0)
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def _cell(row: dict[str, Any]) -> str:
    half, above = _half(row), row["above"]
    text = f"{row['value']:.4f}"
    if half is not None:
        text += f" ± {half:.4f}".replace("0.", ".")
    if above is None:
        return text
    return (">" if above["low"] > 0 else "<" if above["high"] < 0 else "") + text


def _half(row: dict[str, Any]) -> float | None:
    return None if row["low"] is None else (row["high"] - row["low"]) / 2
