"""The networks of the usual texts on neural recommenders: one sigmoid unit, and a softmax."""

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from scripts.examples.command import show
from scripts.examples.preferences import World, features, preferences
from scripts.examples.training import Curves, in_trainer
from scripts.tools.console import positive

EMBEDDINGS, FEATURES = "embeddings", "features"


_MOST_CELLS = 5_000_000
"""An example is drawn as a whole."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """All that can be chosen; the usual values."""

    inputs: str = EMBEDDINGS
    dim: int = 32
    """Numbers of an embedding."""
    noise: float = 0.5
    """Standard deviation of the features' errors; that of what they say is 1."""
    layers: tuple[int, ...] = (64, 64)
    epochs: int = 10
    batch: int = 32
    rate: float = 0.001
    validation: float = 0.2
    users: int = 300
    items: int = 150
    taken: int = 30
    seed: int = 1


def below(limit: float) -> Callable[[str], float]:
    """Return a type of argument: a number between 0 and a limit, both excluded."""

    def parse(text: str) -> float:
        number = float(text)
        if not 0 < number < limit:
            message = f"expected more than 0 and less than {limit:g}, got {text}"
            raise argparse.ArgumentTypeError(message)
        return number

    parse.__name__ = "number"
    return parse


def sizes(text: str) -> tuple[int, ...]:
    """Return the units of the layers in a text such as `64,64`."""
    parts = text.split(",")
    if not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        message = f"expected numbers above 0 with commas between, got {text!r}"
        raise argparse.ArgumentTypeError(message)
    return tuple(map(int, parts))


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add `--classic`, and the options that count with it only."""
    usual, number = Settings(), positive(int)
    group = parser.add_argument_group(
        "the classic networks", "The other options here are refused without --classic."
    )
    add = group.add_argument
    add("--classic", action="store_true", help="train the two networks of the usual texts instead")
    text = f"what the networks are shown of a user and an item; {usual.inputs}"
    add("--inputs", choices=(EMBEDDINGS, FEATURES), help=text)
    add("--dim", type=number, metavar="N", help=f"numbers of an embedding; {usual.dim}")
    text = f"standard deviation of the features' errors; {usual.noise}"
    add("--noise", type=below(100), metavar="X", help=text)
    add("--layers", type=sizes, metavar="N,N", help="units of the dense layers; 64,64")
    add("--batch", type=number, metavar="N", help=f"samples a step; {usual.batch}")
    add("--rate", type=below(1), metavar="X", help=f"Adam's; {usual.rate}")
    text = f"share of the samples that is only looked at; {usual.validation}"
    add("--validation", type=below(1), metavar="X", help=text)
    add("--users", type=number, metavar="N", help=f"of the made-up world; {usual.users}")
    add("--items", type=number, metavar="N", help=f"of the made-up world; {usual.items}")
    add("--taken", type=number, metavar="N", help=f"items that each user takes; {usual.taken}")


def settings(parser: argparse.ArgumentParser, chosen: argparse.Namespace) -> Settings | None:
    """Return what was chosen, None without `--classic`; the parser refuses what does not fit."""
    names = [field.name for field in fields(Settings)]
    given = {name: value for name in names if (value := getattr(chosen, name)) is not None}
    if not chosen.classic:
        for name in given:
            if name not in {"seed", "epochs"}:
                parser.error(f"argument --{name}: expected with --classic only, got it without")
        return None
    found = Settings(**given)
    for name, inputs in (("dim", EMBEDDINGS), ("noise", FEATURES)):
        if name in given and found.inputs != inputs:
            got = f"with --inputs {found.inputs}"
            parser.error(f"argument --{name}: expected with --inputs {inputs} only, got it {got}")
    if 2 * found.taken > found.items:
        expected = f"at most half of the {found.items} items, so that as many are not taken"
        parser.error(f"argument --taken: expected {expected}, got {found.taken}")
    if (cells := found.users * found.items) > _MOST_CELLS:
        expected = f"at most {_MOST_CELLS:,} users x items"
        parser.error(f"argument --users: expected {expected}, got {cells:,}")
    pairs = found.users * found.taken
    if not 1 <= int(found.validation * pairs) < pairs:
        expected = f"a share that leaves at least one of {pairs} pairs on either side"
        parser.error(f"argument --validation: expected {expected}, got {found.validation}")
    return found


def trained(chosen: Settings) -> dict[str, Any]:
    """Make a world up, and train both networks on what its users took.

    Returns
    -------
    dict
        Settings, and by network what `models.deep.training.ncf_classic` says.
    """
    size = World(
        users=chosen.users, items=chosen.items, taken=chosen.taken, factors=3, taste=3.0
    )  # as the other networks' world
    world = preferences(size, np.random.default_rng(chosen.seed))
    arrays: dict[str, ArrayLike] = {"user": world.user, "item": world.item}
    arrays |= {"users": chosen.users, "items": chosen.items}
    if chosen.inputs == FEATURES:
        errors = np.random.default_rng((chosen.seed, 1))  # apart: the same world with any noise
        user, item = features(world, chosen.noise, errors)
        arrays |= {"user_features": user, "item_features": item}
    plan = {
        name: getattr(chosen, name)
        for name in ("layers", "dim", "epochs", "batch", "rate", "validation", "seed")
    }
    found = in_trainer("ncf_classic", "--data", arrays, "--plan", json.dumps(plan))
    return {"settings": asdict(chosen), **found}


def _history(network: Mapping[str, Any]) -> None:
    """Print the table of the epochs."""
    columns = network["history"].values()
    rows = [(str(n), *values) for n, values in enumerate(zip(*columns, strict=True), 1)]
    show(("epoch", "loss", "accuracy", "val. loss", "val. acc."), rows)


def _samples(network: Mapping[str, Any]) -> str:
    """Return a phrase on the size of a network and of its data."""
    samples = network["samples"]
    return (
        f"{network['parameters']:,} parameters, {samples['training']:,} samples, "
        f"{samples['validation']:,} more in validation"
    )


def _print_binary(found: Mapping[str, Any]) -> None:
    """Print what the network of the sigmoid unit says."""
    print(f"Does the user take the item? One sigmoid unit; {_samples(found)}.")
    print("Samples: every pair taken, and as many at random that were not.\n")
    _history(found)
    base = found["baselines"]
    print(
        f"\nFor comparison, val. acc. of always one answer: {base['constant']:.3f};\n"
        f"of 'yes' to every item taken more often than the median: {base['popularity']:.3f}.\n"
    )
    rows = [(f"user {p['user']}", *list(p.values())[1:]) for p in found["predictions"]]
    show(("first in validation", "item", "probability", "label"), rows)


def _print_softmax(found: Mapping[str, Any]) -> None:
    """Print what the network of the softmax says."""
    base = found["baselines"]
    print(f"\nWhich item does the user take? Softmax; {_samples(found)}.")
    print("Val. acc. is low by nature: a pair occurs once, so that what is held out of a user is")
    print("never this user's answer in training, and what was has the highest probabilities.\n")
    _history(found)
    print(
        f"\nFor comparison, val. acc. by chance: {base['chance']:.3f}; of always the item taken "
        f"most: {base['most_taken']:.3f}.\n"
        f"After training, without what training has of the user: {found['accuracy_of_new']:.3f} "
        f"(at most {found['accuracy_limit']:.3f}, with one answer a user).\n"
        f"Median rank of the right item among all: {found['rank_median']:g}.\n"
    )
    rows = [
        (
            f"user {p['user']}", p["item"], p["probability"], p["rank"],
            p["top_item"], p["top_probability"], "yes" if p["top_item_known"] else "no",
        )
        for p in found["predictions"]
    ]  # fmt: skip
    header = ("item", "probability", "rank", "top item", "probability", "known")
    show(("first in validation", *header), rows)


def work(chosen: Settings) -> tuple[dict[str, Any], list[Curves]]:
    """Train, print; return the figures, and what to draw."""
    found = trained(chosen)
    _print_binary(found["binary"])
    _print_softmax(found["softmax"])
    titles = {"binary": "one sigmoid unit", "softmax": "softmax"}
    names = {"constant": "one answer", "most_taken": "item taken most"}
    curves = []
    for network, title in titles.items():
        base = found[network]["baselines"].items()
        named = {names.get(name, name): value for name, value in base}
        curves.append(Curves(f"{title}, {chosen.inputs}", found[network]["history"], named))
    return found, curves
