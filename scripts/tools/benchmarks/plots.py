"""Pictures of a benchmark's figures."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter
from numpy.typing import NDArray

from scripts.tools.benchmarks.candidates.measure import size_of
from scripts.tools.benchmarks.recovery.measure import Recovery
from scripts.tools.results import Result

_LABELS = {
    "at_least_once": "at least once",
    "exactly_once": "exactly once",
    "pipe.at_least_once": "the pipe, at least once",
    "pipe.exactly_once": "the pipe, exactly once",
    "river": "River",
    "loaded": "at least once, under load",
}
_COLOURS = {"at_least_once": "C0", "exactly_once": "C1", "loaded": "C3"}

_SECONDS_BEFORE = 15


def throughput(path: Path, results: Sequence[Result]) -> None:
    """Draw events a second of the pipe, the job and River: bars of medians, dots of the runs."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    by_name = {result.name: result for result in results}
    names = [n for n in by_name if n.count(".") == 1 and n.split(".")[0] in ("limit", "throughput")]
    for axes, suffix in zip(figure.subplots(1, 2), ("", ".per_cpu_second"), strict=True):
        shown = {name.split(".")[1]: by_name[name + suffix] for name in names}
        bars = {name: (found.value or 0, found.runs) for name, found in shown.items()}
        for name, found in shown.items():
            if found.peer is not None:
                work = "learning" if name == "rating" else "the same work"
                bars[f"River, {work}"] = (found.peer, ())
        # lying bars: names of any length find room beside them
        axes.barh(list(bars), [height for height, _ in bars.values()],
                  color=["C7" if name.startswith("River") else "C0" for name in bars])  # fmt: skip
        for place, (_, runs) in enumerate(bars.values()):
            axes.plot(runs, [place] * len(runs), "k.", alpha=0.6)
        axes.invert_yaxis()
        axes.set_xlabel(next(iter(shown.values())).unit)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.tick_params(labelsize=8)
        _save(figure, axes, path)


def latency(path: Path, ages: Mapping[str, Sequence[NDArray[np.float64]]]) -> None:
    """Draw the distribution of freshness by system, all runs together, on a logarithmic scale.

    The pipe has the colour of the job with its guarantee, and no filling.
    """
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    every = {name: np.maximum(np.concatenate(runs), 0.5) for name, runs in ages.items()}
    edges = np.geomspace(0.5, max(values.max() for values in every.values()), 120)
    for name, values in every.items():
        shares = 100 * np.histogram(values, edges)[0] / len(values)
        colour, bare = _COLOURS.get(name.removeprefix("pipe."), "C7"), name.startswith("pipe.")
        axes.stairs(
            shares, edges, fill=not bare, alpha=1 if bare else 0.5, color=colour,
            label=_LABELS.get(name, name),
        )  # fmt: skip
        style = ":" if bare else "--"
        axes.axvline(float(np.percentile(values, 99)), color=colour, linestyle=style, linewidth=1)
    axes.set_xscale("log")
    axes.set_xlabel("event published to recommendation read, ms (dashed, dotted: 99th percentile)")
    axes.set_ylabel("% of recommendations")
    axes.legend(frameon=False, fontsize=8)
    _save(figure, axes, path)


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
    _save(figure, axes, path)


def recovery(path: Path, runs: Sequence[Recovery]) -> None:
    """Draw the lag of each run around the death of the worker, and where it was caught up."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    for number, run in enumerate(runs):
        samples = zip(run.lags.seconds, run.lags.events, strict=True)
        shown = [(at, lag) for at, lag in samples if at >= -_SECONDS_BEFORE]
        axes.plot(*zip(*shown, strict=True), color=f"C{number}", label=f"run {number + 1}")
        axes.plot([run.seconds], [run.before], "o", color=f"C{number}")
    axes.axvline(0, color="k", linestyle="--", linewidth=1)
    axes.set_xlabel("seconds since a Python worker was killed (dots: caught up)")
    axes.set_ylabel("events behind")
    axes.legend(frameon=False)
    _save(figure, axes, path)


def startup(path: Path, results: Sequence[Result]) -> None:
    """Draw the phases of a submission one after the other, and the demonstration below."""
    figure = Figure(figsize=(8, 2.5), layout="constrained")
    axes = figure.subplots()
    begin = 0.0
    for result in results:
        if result.name.startswith("startup.worker."):
            label = result.name.removeprefix("startup.worker.").removesuffix("_s")
            axes.barh("submission", result.value or 0, left=begin, label=label.replace("_", " "))
            begin += result.value or 0
        elif result.name == "startup.demo_s":
            axes.barh("demo", result.value or 0, color="C7")
    axes.set_xlabel("seconds")
    if begin:
        axes.legend(
            frameon=False, fontsize=8, ncols=5, loc="upper center", bbox_to_anchor=(0.5, 1.3)
        )
    _save(figure, axes, path)


def scale(path: Path, results: Sequence[Result]) -> None:
    """Draw the CPU time of an event by parallelism."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    costs = {
        result.name.split(".")[1].removeprefix("subtasks_"): result.value or 0
        for result in results
        if result.name.endswith(".cost")
    }
    axes.bar(list(costs), list(costs.values()))
    axes.set_xlabel("subtasks")
    axes.set_ylabel("CPU microseconds of an event")
    _save(figure, axes, path)


def _save(figure: Figure, axes: Axes, path: Path) -> None:
    """Write a picture of one panel, without a frame on top and to the right."""
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
