"""Recall of each period, one line a model, and the weights of scores below."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.tools.evaluate.common.weights_plot import Weights, keep, panels


def draw(
    path: Path, periods: Mapping[str, Sequence[dict[str, Any]]], weights: Weights = ()
) -> None:
    """Draw recall@20 of each period."""
    figure, axes = panels(weights)
    for model, values in periods.items():
        axes.plot([one["period"] for one in values], [one["recall@20"] for one in values],
                  label=model, marker=".")  # fmt: skip
    axes.set_xlabel("period")
    axes.set_ylabel("recall@20, before each click is learnt")
    keep(figure, axes, path)
