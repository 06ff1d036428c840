"""Neural collaborative filtering: two embeddings, a tower each, and what joins them.

`Ncf` says how likely a user takes an item. With nothing between the concatenated towers and the one
output unit, its logit is a sum, f(user) + g(item): every user gets the items in the same order, as
from popularity. One hidden layer after the concatenation mends that. `NcfSoftmax` says which item a
user takes next, by one logit an item.

As a program it trains all three on pairs of a file, and writes their histories and item orders.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

Integers = NDArray[np.int64]

_SHOWN_USERS = 40


@dataclass(slots=True)
class History:
    """Loss and accuracy after each epoch, in training (mean over its batches) and in validation."""

    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    validation_accuracy: list[float] = field(default_factory=list)


class Ncf(nn.Module):
    """Two towers, concatenated, and one sigmoid unit.

    Parameters
    ----------
    users, items
        How many there are.
    dim
        Numbers of an embedding.
    dense
        Units of a tower.
    hidden
        Units between the concatenation and the output; None for none.
    """

    def __init__(
        self, users: int, items: int, *, dim: int = 32, dense: int = 64, hidden: int | None = 32
    ) -> None:
        super().__init__()
        self.user, self.item = _tower(users, dim, dense), _tower(items, dim, dense)
        joined = (nn.Linear(2 * dense, hidden), nn.ReLU()) if hidden else ()
        self.output = nn.Sequential(*joined, nn.Linear(hidden or 2 * dense, 1))

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        """Return the logit of each pair; the sigmoid is part of the loss, for exactness."""
        towers = torch.cat((self.user(user), self.item(item)), dim=-1)
        return self.output(towers).squeeze(-1)

    def of_user(self, user: Tensor) -> Tensor:
        """Return the user's half of the hidden layer's input."""
        joint = self.output[0]
        return functional.linear(self.user(user), joint.weight.chunk(2, dim=1)[0], joint.bias)

    def of_item(self, item: Tensor) -> Tensor:
        """Return the item's half of the hidden layer's input."""
        return functional.linear(self.item(item), self.output[0].weight.chunk(2, dim=1)[1])

    def join(self, user: Tensor, item: Tensor) -> Tensor:
        """Return the logits of halves, as `forward` does of pairs, if there is a hidden layer."""
        return self.output[1:](user + item).squeeze(-1)

    @staticmethod
    def loss(logits: Tensor, target: Tensor) -> Tensor:
        """Return the binary cross-entropy."""
        return functional.binary_cross_entropy_with_logits(logits, target)

    @staticmethod
    def right(logits: Tensor, target: Tensor) -> Tensor:
        """Return whether each pair is on the right side of one half."""
        return (logits > 0) == (target > 0.5)


class NcfSoftmax(nn.Module):
    """The user's tower, and one logit an item."""

    def __init__(self, users: int, items: int, *, dim: int = 32, dense: int = 64) -> None:
        super().__init__()
        self.user, self.output = _tower(users, dim, dense), nn.Linear(dense, items)

    def forward(self, user: Tensor) -> Tensor:
        """Return the logits of all items for each user."""
        return self.output(self.user(user))

    @staticmethod
    def loss(logits: Tensor, target: Tensor) -> Tensor:
        """Return the cross-entropy of the items taken."""
        return functional.cross_entropy(logits, target)

    @staticmethod
    def right(logits: Tensor, target: Tensor) -> Tensor:
        """Return whether each item taken has the highest logit."""
        return logits.argmax(dim=-1) == target


def _tower(size: int, dim: int, dense: int) -> nn.Sequential:
    return nn.Sequential(nn.Embedding(size, dim), nn.Linear(dim, dense), nn.ReLU())


def split(count: int, validation: float, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return the rows of a random share of all samples, and the other rows."""
    held = int(validation * count)
    unseen, seen = torch.randperm(count, generator=rng).split([held, count - held])
    return unseen, seen


def train(
    model: nn.Module,
    inputs: tuple[Tensor, ...],
    target: Tensor,
    *,
    epochs: int = 20,
    batch: int = 128,
    rate: float = 0.003,
    validation: float = 0.2,
    seed: int = 1,
) -> History:
    """Train by Adam, on all but a random share of the samples.

    Parameters
    ----------
    model
        With `loss` and `right`, as `Ncf` has them; changed in place.
    inputs, target
        What the model is called with, and what it should say; a sample a row.
    epochs, batch
        How often every sample is seen, and how many at a time.
    rate
        Adam's.
    validation
        Share that is only looked at.
    seed
        Of the split and the order.

    Returns
    -------
    History
        One entry an epoch.
    """
    rng, history = torch.Generator().manual_seed(seed), History()
    unseen, seen = split(len(target), validation, rng)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    for _ in range(epochs):
        sums = np.zeros(2)
        for rows in seen[torch.randperm(len(seen), generator=rng)].split(batch):
            loss, right = _judged(model, inputs, target, rows)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            sums += loss.item() * len(rows), right
        history.loss.append(float(sums[0] / len(seen)))
        history.accuracy.append(float(sums[1] / len(seen)))
        with torch.no_grad():
            loss, right = _judged(model, inputs, target, unseen)
        history.validation_loss.append(loss.item())
        history.validation_accuracy.append(right / len(unseen))
    return history


def _judged(
    model: nn.Module, inputs: tuple[Tensor, ...], target: Tensor, rows: Tensor
) -> tuple[Tensor, int]:
    """Return the loss of some samples, and how many are right."""
    logits, wanted = model(*(each[rows] for each in inputs)), target[rows]
    return model.loss(logits, wanted), int(model.right(logits, wanted).sum())


def labelled(
    user: Integers, item: Integers, items: int, rng: np.random.Generator
) -> tuple[Integers, Integers, NDArray[np.float32]]:
    """Return the pairs with label 1, and as many the users did not take with label 0."""
    taken = np.zeros((int(user.max()) + 1, items), bool)
    taken[user, item] = True
    other = rng.integers(items, size=len(user))
    while (wrong := taken[user, other]).any():
        other[wrong] = rng.integers(items, size=int(wrong.sum()))
    label = np.repeat(np.array([1, 0], np.float32), len(user))
    return np.concatenate((user, user)), np.concatenate((item, other)), label


def item_orders(model: Ncf | NcfSoftmax, users: int, items: int) -> Integers:
    """Return the items by falling score for each of the first users.

    Scored in double precision: sums that differ between users by rounding alone must not reorder
    items.
    """
    model.double()
    with torch.no_grad():
        user, item = torch.arange(users), torch.arange(items)
        if isinstance(model, NcfSoftmax):
            scores = model(user)
        else:
            scores = model(user.repeat_interleave(items), item.repeat(users)).view(users, items)
    model.float()
    return np.argsort(-scores.numpy(), axis=1, kind="stable")


def compare(user: Integers, item: Integers, *, seed: int, epochs: int) -> dict[str, Any]:
    """Train each variant on the same pairs.

    Returns
    -------
    dict
        History and item orders by variant: `additive`, `hidden`, `softmax`.
    """
    torch.set_num_threads(1)  # fast enough, and sums in one order
    users, items = int(user.max()) + 1, int(item.max()) + 1
    *pairs, label = map(torch.from_numpy, labelled(user, item, items, np.random.default_rng(seed)))
    binary = ((pairs[0], pairs[1]), label)
    softmax = ((torch.from_numpy(user),), torch.from_numpy(item))
    variants: dict[str, tuple[Callable[[], Ncf | NcfSoftmax], Any]] = {
        "additive": (lambda: Ncf(users, items, hidden=None), binary),
        "hidden": (lambda: Ncf(users, items), binary),
        "softmax": (lambda: NcfSoftmax(users, items), softmax),
    }
    found = {}
    for name, (make, (inputs, target)) in variants.items():
        torch.manual_seed(seed)  # every variant starts alike, whichever are trained before
        model = make()
        history = train(model, inputs, target, epochs=epochs, seed=seed)
        orders = item_orders(model, min(users, _SHOWN_USERS), items)
        found[name] = {"history": asdict(history), "orders": orders.tolist()}
    return found


def main() -> None:
    """Read pairs, train, write."""
    parser = argparse.ArgumentParser(prog="python -m models.deep.training.ncf", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--pairs", type=Path, required=True, help=".npz with `user` and `item`")
    parser.add_argument("--json", type=Path, required=True, metavar="OUT")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument("--epochs", type=int, default=20, metavar="N")
    chosen = parser.parse_args()
    with np.load(chosen.pairs) as pairs:
        found = compare(pairs["user"], pairs["item"], seed=chosen.seed, epochs=chosen.epochs)
    chosen.json.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
