"""The neural network of two embeddings, and why it needs a hidden layer.

user id → embedding → 64 ReLU ─┐
                               ├─ concatenated → [32 ReLU] → one sigmoid unit
item id → embedding → 64 ReLU ─┘

Without the layer in brackets the logit is a sum, f(user) + g(item), so that every user gets the
items in the same order: Kendall's tau between users is 1. With it the orders differ, and more pairs
are told right. Beside them a variant with one logit an item and a softmax; its accuracy is low by
nature: a pair occurs once, so that what a user is known to take is never the answer.

With --classic: the two networks of the usual texts instead, user and item (embeddings or features)
→ two dense layers → one sigmoid unit, and user → two dense layers → softmax over the items.

PyTorch runs in the trainer's own interpreter; `models/deep/training/ncf.py` has the networks, and
`ncf_classic.py` beside it the classic ones.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.examples import ncf_classic, training
from scripts.examples.command import options, save, show
from scripts.examples.preferences import Preferences, World, preferences
from scripts.examples.training import Curves
from scripts.tools.console import positive, run

TITLES = {"additive": "no hidden layer", "hidden": "hidden layer", "softmax": "softmax"}
_WORLD = World(users=300, items=150, factors=3, taken=30, taste=3.0)
"""Small: such a network needs long to find that a product of tastes lies behind it."""


def trained(world: Preferences, seed: int, epochs: int) -> dict[str, Any]:
    """Train the variants in the trainer's environment; return histories and item orders."""
    pairs = {"user": world.user, "item": world.item}
    options = ("--seed", str(seed), "--epochs", str(epochs))
    return training.in_trainer("ncf", "--pairs", pairs, *options)


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


def _compared(seed: int, epochs: int) -> tuple[dict[str, Any], list[Curves]]:
    """Train, compare, print."""
    world = preferences(_WORLD, np.random.default_rng(seed))
    found = figures(trained(world, seed, epochs))
    rows = [_row(TITLES[name], variant) for name, variant in found.items()]
    header = ("epoch", "loss", "accuracy", "val. loss", "val. acc.", "tau", "orders")
    show(("best by validation loss", *header), rows)
    curves = []
    for name, variant in found.items():
        title = f"{TITLES[name]} (tau between users {variant['kendall_tau_mean']:.2f})"
        curves.append(Curves(title, variant["history"], {}))
    return found, curves


def main(arguments: Sequence[str] | None = None) -> int:
    """Work the example that is asked for."""
    parser = options("ncf", __doc__)
    parser.add_argument(
        "--epochs", type=positive(int), metavar="N", help="of each network; 20, classic ones 10"
    )
    ncf_classic.add_options(parser)
    chosen = parser.parse_args(arguments)
    if settings := ncf_classic.settings(parser, chosen):
        found, curves = ncf_classic.work(settings)
    else:
        found, curves = _compared(chosen.seed, chosen.epochs or 20)
    save(chosen.json, found)
    if chosen.plot:
        training.plot(chosen.plot, curves)
    return 0


if __name__ == "__main__":
    run(main)
