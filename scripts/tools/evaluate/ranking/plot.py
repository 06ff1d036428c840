"""The hit rate over the stream, one line a model, and the weights of scores below."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from scripts.tools.evaluate.common.figures import Ranked
from scripts.tools.evaluate.common.weights_plot import Weights, keep, panels

_WINDOWS = 40
_LEAST = 20
"""Ranked events of a window that is drawn."""


def draw(
    path: Path,
    ranked: Mapping[str, Ranked],
    events: int,
    rounds: Sequence[int],
    weights: Weights = (),
) -> None:
    """Draw HR@10 of the ranked events in windows of the stream, and when models were swapped."""
    figure, axes = panels(weights)
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
    keep(figure, axes, path)
