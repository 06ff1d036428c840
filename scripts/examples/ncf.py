"""The neural network of two embeddings, and why it needs a hidden layer.

user id → embedding → 64 ReLU ─┐
                               ├─ concatenated → [32 ReLU] → one sigmoid unit
item id → embedding → 64 ReLU ─┘

Without the layer in brackets the logit is a sum, f(user) + g(item), so that every user gets the
items in the same order: Kendall's tau between users is 1. With it the orders differ, and more pairs
are told right. Beside them a variant with one logit an item and a softmax; its accuracy is low by
nature: a pair occurs once, so that what a user is known to take is never the answer.

PyTorch runs in the trainer's own interpreter; `models/deep/training/ncf.py` is the model.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from scripts.examples.command import options, save, show
from scripts.examples.preferences import Preferences, World, preferences
from scripts.tools.cluster.paths import ROOT
from scripts.tools.console import ToolError, progress, run

TITLES = {"additive": "no hidden layer", "hidden": "hidden layer", "softmax": "softmax"}
_WORLD = World(users=300, items=150, factors=3, taken=30, taste=3.0)
"""Small: such a network needs long to find that a product of tastes lies behind it."""
PYTHON = ROOT / ".venv-train" / "bin" / "python"


def trained(world: Preferences, seed: int, epochs: int) -> dict[str, Any]:
    """Train the variants in the trainer's environment.

    Raises
    ------
    ToolError
        If it was never made, with status 2, or the trainer fails.
    """
    if not PYTHON.exists():
        message = ".venv-train: expected PyTorch in there, got none; run scripts/setup --train"
        raise ToolError(message, 2)
    progress("training three networks in .venv-train")
    with tempfile.TemporaryDirectory() as folder:
        pairs, out = Path(folder) / "pairs.npz", Path(folder) / "out.json"
        np.savez(pairs, user=world.user, item=world.item)
        program = (str(PYTHON), "-P", "-m", "models.deep.training.ncf")
        files = ("--pairs", str(pairs), "--json", str(out))
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [*program, *files, "--seed", str(seed), "--epochs", str(epochs)]
        done = subprocess.run(command, env=environment, check=False)
        if done.returncode != 0:
            message = f"ncf: expected it to train, got status {done.returncode}; see above"
            raise ToolError(message)
        found: dict[str, Any] = json.loads(out.read_text())
    return found


def agreement(orders: NDArray[np.int64]) -> tuple[float, float]:
    """Return Kendall's tau between two users' item orders: the mean and the least of all pairs."""
    ranks = np.argsort(orders, axis=1)
    one, other = np.triu_indices(ranks.shape[1], 1)
    signs = np.sign(ranks[:, one] - ranks[:, other]).astype(np.float32)
    taus = (signs @ signs.T / signs.shape[1])[np.triu_indices(len(ranks), 1)]
    return float(taus.mean()), float(taus.min())


def figures(found: dict[str, Any]) -> dict[str, Any]:
    """Return each variant's history, its best epoch, and how far users' orders agree."""
    result = {}
    for name, variant in found.items():
        history, orders = variant["history"], np.array(variant["orders"])
        mean, least = agreement(orders)
        result[name] = {
            "best_epoch": int(np.argmin(history["validation_loss"])) + 1,
            "kendall_tau_mean": mean,
            "kendall_tau_least": least,
            "different_orders": len(np.unique(orders, axis=0)),
            "users_compared": len(orders),
            "history": history,
        }
    return result


def _row(title: str, variant: dict[str, Any]) -> tuple[object, ...]:
    """Return a line of the table: the epoch with the least validation loss."""
    epoch = variant["best_epoch"]
    measured = (values[epoch - 1] for values in variant["history"].values())
    return title, epoch, *measured, variant["kendall_tau_mean"], variant["different_orders"]


def plot(path: Path, found: dict[str, Any]) -> None:
    """Draw loss and accuracy by epoch, in training and validation."""
    figure = Figure(figsize=(11, 5.5), layout="constrained")
    for column, (name, variant) in zip(figure.subplots(2, 3).T, found.items(), strict=True):
        for axes, kind in zip(column, ("loss", "accuracy"), strict=True):
            for prefix, label in (("", "training"), ("validation_", "validation")):
                values = variant["history"][prefix + kind]
                axes.plot(np.arange(1, len(values) + 1), values, "o-", markersize=3, label=label)
            axes.set(xlabel="epoch", ylabel=kind)
            axes.spines[["top", "right"]].set_visible(False)
        tau = variant["kendall_tau_mean"]
        column[0].set_title(f"{TITLES[name]} (tau between users {tau:.2f})")
    column[0].legend(frameon=False)
    figure.savefig(path, dpi=120)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, compare, print."""
    parser = options("ncf", __doc__)
    parser.add_argument("--epochs", type=int, default=20, metavar="N", help="of each network")
    chosen = parser.parse_args(arguments)
    world = preferences(_WORLD, np.random.default_rng(chosen.seed))
    found = figures(trained(world, chosen.seed, chosen.epochs))
    rows = [_row(TITLES[name], variant) for name, variant in found.items()]
    header = ("epoch", "loss", "accuracy", "val. loss", "val. acc.", "tau", "orders")
    show(("best by validation loss", *header), rows)
    save(chosen.json, found)
    if chosen.plot:
        plot(chosen.plot, found)
    return 0


if __name__ == "__main__":
    run(main)
