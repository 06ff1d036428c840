"""The hit rate over the stream, one line a model."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from scripts.tools.evaluate.corridor import Evaluation

_WINDOWS = 40


def draw(path: Path, evaluation: Evaluation, models: Sequence[str]) -> None:
    """Draw HR@10 of the ranked events in windows of the stream, and when models were swapped."""
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    axes = figure.subplots()
    events = evaluation.data.events
    edges = np.linspace(0, events, _WINDOWS + 1)
    for model in models:
        numbers, ranks = evaluation.ranks(model)
        hits = ((ranks >= 0) & (ranks < 10)).astype(float)
        total, _ = np.histogram(numbers, edges)
        hit, _ = np.histogram(numbers, edges, weights=hits)
        enough = total >= 20
        middle = (edges[:-1] + edges[1:]) / 2
        axes.plot(middle[enough], hit[enough] / total[enough], label=model)
    for one in evaluation.rounds:
        axes.axvline(one.events, color="0.9", zorder=0)
    axes.set_xlabel("events (grey lines: rounds of fine-tuning)")
    axes.set_ylabel("HR@10, before each event is learnt")
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
