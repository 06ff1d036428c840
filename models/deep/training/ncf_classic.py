"""The two networks of the usual texts on neural recommenders, on ids or on features.

user → embedding or features ─┐
                              ├─ concatenated → 64 ReLU → 64 ReLU → one sigmoid unit
item → embedding or features ─┘

user → embedding or features → 64 ReLU → 64 ReLU → softmax over the items

As a program it trains both on pairs of a file, and writes histories, baselines and first
predictions.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.deep.training.ncf import Integers, Ncf, NcfSoftmax, split, train

Table = NDArray[np.float32]

_SHOWN = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """How both networks are built and trained."""

    layers: tuple[int, ...]
    dim: int
    """Numbers of an embedding, where there are no features."""
    epochs: int
    batch: int
    rate: float
    validation: float
    seed: int


@dataclass(frozen=True, slots=True)
class Data:
    """Pairs, and what is known of users and items: features, or None where ids are embedded."""

    user: Integers
    item: Integers
    users: int
    items: int
    user_features: Table | None = None
    item_features: Table | None = None


class Binary(nn.Module):
    """User and item concatenated, dense layers, and the logit of one sigmoid unit.

    Parameters
    ----------
    user, item
        Tables that ids are looked up in.
    layers
        Units of each dense layer.
    """

    loss, right = staticmethod(Ncf.loss), staticmethod(Ncf.right)

    def __init__(self, user: nn.Embedding, item: nn.Embedding, layers: Sequence[int]) -> None:
        super().__init__()
        self.user, self.item = user, item
        self.output = dense(user.embedding_dim + item.embedding_dim, layers, 1)

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        """Return the logit of each pair."""
        return self.output(torch.cat((self.user(user), self.item(item)), dim=-1)).squeeze(-1)


class Softmax(nn.Module):
    """The user, dense layers, and one logit an item.

    Parameters
    ----------
    user
        Table that ids are looked up in.
    layers
        Units of each dense layer.
    items
        How many there are.
    """

    loss, right = staticmethod(NcfSoftmax.loss), staticmethod(NcfSoftmax.right)

    def __init__(self, user: nn.Embedding, layers: Sequence[int], items: int) -> None:
        super().__init__()
        self.user, self.output = user, dense(user.embedding_dim, layers, items)

    def forward(self, user: Tensor) -> Tensor:
        """Return the logits of all items for each user."""
        return self.output(self.user(user))


def dense(inputs: int, layers: Sequence[int], outputs: int) -> nn.Sequential:
    """Return dense layers with ReLU, and a linear one on top."""
    found, width = [], inputs
    for units in layers:
        found += [nn.Linear(width, units), nn.ReLU()]
        width = units
    return nn.Sequential(*found, nn.Linear(width, outputs))


def table(size: int, dim: int, features: Table | None) -> nn.Embedding:
    """Return what ids are looked up in: embeddings to learn, or features that stay as they are."""
    if features is None:
        return nn.Embedding(size, dim)
    return nn.Embedding.from_pretrained(torch.from_numpy(features), freeze=True)


def labelled(data: Data, rng: np.random.Generator) -> tuple[Integers, Integers, Table]:
    """Return the pairs with label 1, and as many different ones with label 0.

    No pair occurs twice, unlike in `ncf.labelled`: in a random share of them there is none that
    occurs in the rest. A user may have taken half of the items at most.
    """
    keys = rng.random((data.users, data.items))
    keys[data.user, data.item] = np.inf  # taken ones come last
    wanted = np.bincount(data.user, minlength=data.users)
    user, place = np.nonzero(np.arange(data.items) < wanted[:, None])
    item = np.argsort(keys, axis=1)[user, place]
    label = np.repeat(np.array([1, 0], np.float32), len(user))
    return np.concatenate((data.user, user)), np.concatenate((data.item, item)), label


def rows(count: int, plan: Plan) -> tuple[Integers, Integers]:
    """Return the rows that `train` holds out, and those it learns from."""
    unseen, seen = split(count, plan.validation, torch.Generator().manual_seed(plan.seed))
    return unseen.numpy(), seen.numpy()


def _fit(model: nn.Module, inputs: tuple[Integers, ...], target: Any, plan: Plan) -> dict[str, Any]:
    """Train a network, and return what is said of either."""
    history = train(
        model, tuple(map(torch.from_numpy, inputs)), torch.from_numpy(target),
        epochs=plan.epochs, batch=plan.batch, rate=plan.rate,
        validation=plan.validation, seed=plan.seed,
    )  # fmt: skip
    unseen, seen = rows(len(target), plan)
    learnt = sum(each.numel() for each in model.parameters() if each.requires_grad)
    return {
        "parameters": learnt,
        "samples": {"training": len(seen), "validation": len(unseen)},
        "history": asdict(history),
    }


def binary(data: Data, plan: Plan) -> dict[str, Any]:
    """Train the network that says whether a user takes an item.

    Returns
    -------
    dict
        Number of parameters and samples, history, baselines, first predictions.
    """
    user, item, label = labelled(data, np.random.default_rng(plan.seed))
    torch.manual_seed(plan.seed)
    model = Binary(
        table(data.users, plan.dim, data.user_features),
        table(data.items, plan.dim, data.item_features),
        plan.layers,
    )
    found = _fit(model, (user, item), label, plan)
    unseen, seen = rows(len(label), plan)
    count = np.bincount(item[seen], label[seen], minlength=data.items)
    popular = (count > np.median(count))[item[unseen]]
    positive = float(label[unseen].mean())
    found["baselines"] = {
        "constant": max(positive, 1 - positive),
        "popularity": float(np.mean(popular == (label[unseen] == 1))),
    }
    first = unseen[:_SHOWN]
    with torch.no_grad():
        logits = model(torch.from_numpy(user[first]), torch.from_numpy(item[first]))
    said = torch.sigmoid(logits).tolist()
    found["predictions"] = [
        {"user": int(user[row]), "item": int(item[row]), "probability": p, "label": int(label[row])}
        for row, p in zip(first, said, strict=True)
    ]
    return found


def softmax(data: Data, plan: Plan) -> dict[str, Any]:
    """Train the network that says which item a user takes.

    Returns
    -------
    dict
        As from `binary`; the accuracy in validation after training among the items that training
        does not show the user to have taken, and the limit of any accuracy: a network that knows
        the user only gives one answer for all that is held out of a user.
    """
    torch.manual_seed(plan.seed)
    model = Softmax(table(data.users, plan.dim, data.user_features), plan.layers, data.items)
    found = _fit(model, (data.user,), data.item, plan)
    unseen, seen = rows(len(data.item), plan)
    user, item = data.user[unseen], data.item[unseen]
    with torch.no_grad():
        said = torch.softmax(model(torch.from_numpy(user)), dim=-1).numpy()
    known = np.zeros((data.users, data.items), bool)
    known[data.user[seen], data.item[seen]] = True
    found["accuracy_of_new"] = float(np.mean(np.where(known[user], -1, said).argmax(1) == item))
    found["accuracy_limit"] = len(np.unique(user)) / len(user)
    most = np.bincount(data.item[seen], minlength=data.items).argmax()
    found["baselines"] = {"chance": 1 / data.items, "most_taken": float(np.mean(item == most))}
    own = said[np.arange(len(item)), item]
    rank = 1 + np.sum(said > own[:, None], axis=1)
    found["rank_median"] = float(np.median(rank))
    found["predictions"] = [
        {
            "user": int(user[n]),
            "item": int(item[n]),
            "probability": float(own[n]),
            "rank": int(rank[n]),
            "top_item": int(said[n].argmax()),
            "top_probability": float(said[n].max()),
            "top_item_known": bool(known[user[n], said[n].argmax()]),
        }
        for n in range(min(_SHOWN, len(item)))
    ]
    return found


def main() -> None:
    """Read pairs and features, train, write."""
    parser = argparse.ArgumentParser(
        prog="python -m models.deep.training.ncf_classic",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help=".npz with the fields of `Data`")
    parser.add_argument("--json", type=Path, required=True, metavar="OUT")
    parser.add_argument("--plan", type=json.loads, required=True, help="the fields of `Plan`")
    chosen = parser.parse_args()
    torch.set_num_threads(1)  # fast enough, and sums in one order
    with np.load(chosen.data) as file:
        arrays = dict(file)
    users, items = int(arrays["users"]), int(arrays["items"])
    known = (arrays.get(name) for name in ("user_features", "item_features"))
    data, plan = Data(arrays["user"], arrays["item"], users, items, *known), Plan(**chosen.plan)
    found = {"binary": binary(data, plan), "softmax": softmax(data, plan)}
    chosen.json.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
