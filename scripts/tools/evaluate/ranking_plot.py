"""The hit rate over the stream, one line a model."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from scripts.tools.evaluate.figures import Ranked

_WINDOWS = 40
_LEAST = 20
"""Ranked events of a window that is drawn."""


def draw(path: Path, ranked: Mapping[str, Ranked], events: int, rounds: Sequence[int]) -> None:
    """Draw HR@10 of the ranked events in windows of the stream, and when models were swapped."""
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    axes = figure.subplots()
    edges = np.linspace(0, events, _WINDOWS + 1)
    middle = (edges[:-1] + edges[1:]) / 2
    for model, one in ranked.items():
        hits = ((one.ranks >= 0) & (one.ranks < 10)).astype(float)
        total, _ = np.histogram(one.numbers, edges)
        hit, _ = np.histogram(one.numbers, edges, weights=hits)
        enough = total >= _LEAST
        axes.plot(middle[enough], hit[enough] / total[enough], label=model)
    for at in rounds:
        axes.axvline(at, color="0.9", zorder=0)
    axes.set_xlabel("events (grey lines: rounds of fine-tuning)" if rounds else "events")
    axes.set_ylabel("HR@10, before each event is learnt")
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(fontsize="small", loc="outside right upper")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
