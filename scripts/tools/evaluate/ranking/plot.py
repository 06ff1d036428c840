"""The hit rate over the stream, one line a model, and the weights of scores below."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts.tools.evaluate.common.figures import WINDOWS, Ranked, windows
from scripts.tools.evaluate.common.weights_plot import Weights, keep, panels

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
    enough = [each for each in windows(ranked, events) if each["ranked"] >= _LEAST]
    middle = [each["until"] - events / (2 * WINDOWS) for each in enough]
    for model in ranked:
        axes.plot(middle, [each["hr@10"].get(model) for each in enough], label=model)
    for at in rounds:
        axes.axvline(at, color="0.9", zorder=0)
    axes.set_xlabel("events (grey lines: rounds of fine-tuning)" if rounds else "events")
    axes.set_ylabel("HR@10, before each event is learnt")
    keep(figure, axes, path)
