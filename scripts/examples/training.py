"""What the examples of neural networks have in common: the trainer's interpreter, and curves."""

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from scripts.tools.cluster.paths import ROOT, TRAINER_PYTHON
from scripts.tools.console import ToolError, progress

PYTHON = TRAINER_PYTHON


class Curves(NamedTuple):
    """A network's figures by epoch, and what its accuracy is compared with."""

    title: str
    history: Mapping[str, Sequence[float]]
    """`loss` and `accuracy`, with and without `validation_` before."""
    baselines: Mapping[str, float]
    """Accuracy in validation by name."""


def in_trainer(
    module: str, option: str, arrays: Mapping[str, ArrayLike], *options: str
) -> dict[str, Any]:
    """Run a module that reads arrays and writes JSON in the trainer's environment.

    Parameters
    ----------
    module
        Its name under `models.deep.training`.
    option
        Where it takes the file of the arrays.
    arrays
        By name.
    options
        Its other options.

    Raises
    ------
    ToolError
        If the environment was never made, with status 2, or the module fails.
    """
    if not PYTHON.exists():
        message = ".venv-train: expected PyTorch in there, got none; run scripts/setup --train"
        raise ToolError(message, 2)
    progress("training the networks in .venv-train")
    with tempfile.TemporaryDirectory() as folder:
        data, out = Path(folder) / "data.npz", Path(folder) / "out.json"
        np.savez(data, **{name: np.asarray(values) for name, values in arrays.items()})
        program = (str(PYTHON), "-P", "-m", f"models.deep.training.{module}")
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [*program, option, str(data), "--json", str(out), *options]
        done = subprocess.run(command, env=environment, check=False)
        if done.returncode != 0:
            message = f"ncf: expected it to train, got status {done.returncode}; see above"
            raise ToolError(message)
        found: dict[str, Any] = json.loads(out.read_text())
    return found


def plot(path: Path, networks: Sequence[Curves]) -> None:
    """Draw loss and accuracy by epoch, in training and validation; a column a network."""
    figure = Figure(figsize=(3.7 * len(networks), 5.5), layout="constrained")
    columns = figure.subplots(2, len(networks), squeeze=False).T
    for column, network in zip(columns, networks, strict=True):
        for axes, kind in zip(column, ("loss", "accuracy"), strict=True):
            for prefix, label in (("", "training"), ("validation_", "validation")):
                values = network.history[prefix + kind]
                axes.plot(np.arange(1, len(values) + 1), values, "o-", markersize=3, label=label)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.set(xlabel="epoch", ylabel=kind)
            axes.spines[["top", "right"]].set_visible(False)
        column[0].set_title(network.title)
        lines = [
            column[1].axhline(value, color="gray", linestyle=style, label=name)
            for style, (name, value) in zip(("--", ":"), network.baselines.items(), strict=False)
        ]
        if lines:
            column[1].legend(handles=lines, frameon=False)
    columns[0][0].legend(frameon=False)
    figure.savefig(path, dpi=120)
