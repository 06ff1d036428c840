"""Weights of scores over the stream: those that follow ranked events, and the deep model's."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

Weights = Sequence[tuple[int, dict[str, float]]]
"""Events done, and the weights after them by name."""


def panels(weights: Weights) -> tuple[Figure, Axes]:
    """Return a figure and the axes of its subject, with the weights below if there are any."""
    figure = Figure(figsize=(9, 6.5 if weights else 4.5), layout="constrained")
    if not weights:
        return figure, figure.subplots()
    axes, below = figure.subplots(2, height_ratios=(3, 2))
    events = [done for done, _ in weights]
    for name in weights[-1][1]:
        values = [one.get(name, 0.0) for _, one in weights]
        below.step(events, values, where="post", label=name, linewidth=1)
    below.set_xlabel("events")
    below.set_ylabel("weight")
    below.set_ylim(bottom=0)
    below.legend(fontsize="x-small", loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    below.spines[["top", "right"]].set_visible(False)
    return figure, axes


def keep(figure: Figure, axes: Axes, path: Path) -> None:
    """Write a figure whose main axes start at 0 and have a legend beside them."""
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
