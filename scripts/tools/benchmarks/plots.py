"""Pictures of a benchmark's figures."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from scripts.tools.results import Result

_LABELS = {"at_least_once": "at least once", "exactly_once": "exactly once", "river": "River"}


def throughput(path: Path, results: Sequence[Result]) -> None:
    """Draw events a second of the job and of River: bars of the medians, dots of the runs."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    names = ("throughput.{}", "throughput.{}.per_cpu_second")
    by_name = {result.name: result for result in results}
    for axes, pattern in zip(figure.subplots(1, 2), names, strict=True):
        shown = [by_name[pattern.format(objective)] for objective in ("ranking", "rating")]
        labels = ["ranking\n+ recommendations", "rating", "River\nBiasedMF"]
        heights = [*(result.value or 0 for result in shown), shown[0].peer or 0]
        axes.bar(labels, heights, color=["C0", "C0", "C7"])
        for place, result in enumerate(shown):
            axes.plot([place] * len(result.runs), result.runs, "k.", alpha=0.6)
        axes.set_ylabel(shown[0].unit)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)


def latency(path: Path, ages: Mapping[str, Sequence[NDArray[np.float64]]]) -> None:
    """Draw the distribution of freshness by system, all runs together, on a logarithmic scale."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    every = {name: np.maximum(np.concatenate(runs), 0.5) for name, runs in ages.items()}
    edges = np.geomspace(0.5, max(values.max() for values in every.values()), 120)
    for number, (name, values) in enumerate(every.items()):
        shares = 100 * np.histogram(values, edges)[0] / len(values)
        colour = "C7" if name == "river" else f"C{number}"
        axes.stairs(
            shares, edges, fill=True, alpha=0.5, color=colour, label=_LABELS.get(name, name)
        )
        axes.axvline(float(np.percentile(values, 99)), color=colour, linestyle="--", linewidth=1)
    axes.set_xscale("log")
    axes.set_xlabel("event published to recommendation read, ms (dashed: 99th percentile)")
    axes.set_ylabel("% of recommendations")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
