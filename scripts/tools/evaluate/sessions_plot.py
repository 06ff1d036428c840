"""Recall of each period, one line a model."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure


def draw(path: Path, periods: Mapping[str, Sequence[dict[str, Any]]]) -> None:
    """Draw recall@20 of each period."""
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    axes = figure.subplots()
    for model, values in periods.items():
        axes.plot([one["period"] for one in values], [one["recall@20"] for one in values],
                  label=model, marker=".")  # fmt: skip
    axes.set_xlabel("period")
    axes.set_ylabel("recall@20, before each click is learnt")
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(fontsize="small", loc="outside right upper")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
