"""Pictures of a benchmark's figures."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from scripts.tools.benchmarks.candidates.measure import size_of
from scripts.tools.results import Result

_LABELS = {"at_least_once": "at least once", "exactly_once": "exactly once", "river": "River"}


def throughput(path: Path, results: Sequence[Result]) -> None:
    """Draw events a second of the pipe, the job and River: bars of medians, dots of the runs."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    by_name = {result.name: result for result in results}
    names = [n for n in by_name if n.count(".") == 1 and n.split(".")[0] in ("limit", "throughput")]
    for axes, suffix in zip(figure.subplots(1, 2), ("", ".per_cpu_second"), strict=True):
        shown = {name.split(".")[1]: by_name[name + suffix] for name in names}
        bars = {name: (found.value or 0, found.runs) for name, found in shown.items()}
        for name, found in shown.items():
            if found.peer is not None:
                work = "learning" if name == "rating" else "the same work"
                bars[f"River,\n{work}"] = (found.peer, ())
        axes.bar(list(bars), [height for height, _ in bars.values()],
                 color=["C7" if name.startswith("River") else "C0" for name in bars])  # fmt: skip
        for place, (_, runs) in enumerate(bars.values()):
            axes.plot([place] * len(runs), runs, "k.", alpha=0.6)
        axes.set_ylabel(next(iter(shown.values())).unit)
        axes.tick_params(axis="x", labelsize=8)
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


def candidates(path: Path, results: Sequence[Result]) -> None:
    """Draw the CPU time of a list by the size of the catalogue, one line a model."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    lines: dict[str, list[tuple[int, float]]] = {}
    for result in results:
        *model, size, figure_name = result.name.split(".")[1:]
        if figure_name == "ms":
            point = (size_of(size), result.value or 0)
            lines.setdefault(model[0] if model else "full", []).append(point)
    for model_name, points in lines.items():
        axes.plot(*zip(*points, strict=True), "o-", label=model_name)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("items in the catalogue")
    axes.set_ylabel("CPU ms of a list of ten")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
