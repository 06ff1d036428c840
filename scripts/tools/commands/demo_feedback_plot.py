"""The picture of click-through rates by arm over time."""

from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from scripts.tools.commands.demo_feedback_curve import Curve


def draw(path: Path, curve: Curve) -> None:
    """Draw one line an arm, a point a slice of time."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    told = curve.as_mapping()
    for arm, cells in told["arms"].items():
        points = [
            ((number + 0.5) * told["slice_s"], 100 * rate)
            for number, rate in enumerate(cells["click_through"])
            if rate is not None
        ]
        if points:
            axes.plot(*zip(*points, strict=True), "o-", markersize=3, label=arm)
    axes.set_xlabel("seconds since users see lists")
    axes.set_ylabel("click-through rate of impressions")
    axes.yaxis.set_major_formatter(PercentFormatter(decimals=0))
    axes.set_ylim(0, None)
    axes.legend(title="arm", frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
