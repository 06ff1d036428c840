"""The error over the stream, one line a model."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from scripts.tools.evaluate.ratings.data import Ratings
from scripts.tools.evaluate.ratings.run import Passed

_WINDOWS = 40


def draw(path: Path, passed: Mapping[str, Passed], ratings: Ratings) -> None:
    """Draw the root mean squared error in windows of the stream."""
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    axes = figure.subplots()
    windows = min(_WINDOWS, len(ratings))
    edges = np.linspace(0, len(ratings), windows + 1).astype(int)
    for model, one in passed.items():
        error = ratings.value - ratings.unit * one.predicted
        squared = np.add.reduceat(error**2, edges[:-1]) / np.diff(edges)
        axes.plot((edges[:-1] + edges[1:]) / 2, np.sqrt(squared), label=model)
    axes.set_xlabel("ratings")
    axes.set_ylabel("RMSE, before each rating is learnt")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
