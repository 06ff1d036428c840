"""How far does linear go? Five ways to foretell ratings of 1 to 5, from a mean to factors.

mean          mu, for everybody and everything
ridge         mu + w a: the attributes a of an item, with the same weights w for all
biases        mu + b_u + b_i: who rates high, what is rated high
ridge, w_u    biases + w_u a: weights of the attributes for each user
neighbours    biases + q_u p_i: a user is a weighted sum of items, an item one of users, in turn
factors       biases + p_u q_i, all learnt together by SGD: matrix factorisation
truth         what the made-up ratings were drawn around: no RMSE is lower but by luck

A fifth of the ratings is held out, and foretold from the others.
"""

import argparse
import itertools
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from scripts.examples import linear_methods as methods
from scripts.examples.command import options, save, show
from scripts.examples.linear_world import Drawn, Numbers, Ratings, World, draw
from scripts.tools.console import ToolError, positive

_HELD_OUT = 0.2
_MOST_CELLS, _MOST_RATINGS = 5_000_000, 500_000
"""What takes about half a minute."""


class Errors(NamedTuple):
    """Of predictions, cut to 1 to 5, of ratings that were held out."""

    rmse: float
    mae: float


def split(drawn: Drawn) -> tuple[Ratings, Ratings]:
    """Return the ratings to learn and those held out; they are in random order."""
    held = int(_HELD_OUT * len(drawn.ratings.stars))
    return drawn.ratings.take(slice(held, None)), drawn.ratings.take(slice(held))


def errors(predicted: Numbers, held: Ratings) -> Errors:
    """Compare predictions with the ratings held out."""
    error = np.clip(predicted[held.user, held.item], 1, 5) - held.stars
    return Errors(float(np.sqrt(np.mean(error**2))), float(np.mean(np.abs(error))))


def evaluate(world: World, rng: np.random.Generator) -> tuple[dict[str, Errors], list[Errors]]:
    """Return the errors by method, and those of the neighbours after each round."""
    drawn = draw(world, rng)
    train, held = split(drawn)
    known = drawn.attributes
    base = methods.with_biases(train, world.users, world.items)
    rounds = itertools.islice(methods.neighbours(train, known, base), 2 * methods.ROUNDS)
    by_round = [errors(predicted, held) for predicted in rounds]
    predictions = {
        "mean": methods.mean(train, known, world.users),
        "ridge": methods.ridge(train, known, world.users),
        "biases": base,
        "ridge, w_u": methods.ridge_of_users(train, known, base),
        "neighbours": None,
        "factors": methods.factorise(train, world.users, world.items, rng),
        "truth": drawn.expected,
    }
    found = {
        name: by_round[methods.ROUNDS - 1] if matrix is None else errors(matrix, held)
        for name, matrix in predictions.items()
    }
    return found, by_round


def plot(path: Path, found: dict[str, Errors], by_round: list[Errors]) -> None:
    """Draw the RMSE of each method, and that of the neighbours by round."""
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    bars, lines = figure.subplots(1, 2)
    values = [each.rmse for each in found.values()]
    colours = ["C7" if name == "truth" else "C0" for name in found]
    bars.bar_label(bars.barh(list(found), values, color=colours), fmt=" %.3f")
    bars.invert_yaxis()
    bars.set(xlabel="RMSE on held-out ratings", xlim=(0, 1.15 * max(values)))
    lines.plot(range(1, len(by_round) + 1), [each.rmse for each in by_round], "o-")
    for name, style in (("biases", ":"), ("factors", "--")):
        lines.axhline(found[name].rmse, color="C7", linestyle=style, label=name)
    lines.set(xlabel="rounds", ylabel="RMSE", title="neighbours, by rounds of sums")
    lines.legend(frameon=False)
    for axes in (bars, lines):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made, world = options("linear", __doc__), World()
    for name, what in (
        ("users", "how many rate"),
        ("items", "how many are rated"),
        ("ratings-per-user", "of different items"),
    ):
        default = getattr(world, name.replace("-", "_"))
        made.add_argument(
            f"--{name}",
            type=positive(int),
            default=default,
            metavar="N",
            help=f"{what} ({default})",
        )
    return made


_FEWEST_ITEMS = 20
"""With fewer, the steps of a batch add up on each item, and may diverge."""


def chosen_world(chosen: argparse.Namespace) -> World:
    """Return the world of a command line.

    Raises
    ------
    ToolError
        If there is no such world, or none of a size for an example.
    """
    world = World(users=chosen.users, items=chosen.items, ratings_per_user=chosen.ratings_per_user)
    ratings, cells = world.users * world.ratings_per_user, world.users * world.items
    if world.items < _FEWEST_ITEMS:
        message = f"--items: expected {_FEWEST_ITEMS} or more, got {world.items}; raise it"
        raise ToolError(message, 2)
    if world.ratings_per_user > world.items:
        message = (
            f"--ratings-per-user: expected at most --items, {world.items:,}, got"
            f" {world.ratings_per_user:,}; lower it"
        )
        raise ToolError(message, 2)
    if ratings < 10:
        message = f"--users: expected 10 ratings in all, or more, got {ratings}; raise it"
        raise ToolError(message, 2)
    if cells > _MOST_CELLS or ratings > _MOST_RATINGS:
        message = (
            f"--users: expected at most {_MOST_CELLS:,} users x items and {_MOST_RATINGS:,}"
            f" ratings, got {cells:,} and {ratings:,}; lower --users, --items or --ratings-per-user"
        )
        raise ToolError(message, 2)
    return world


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw, learn, compare, print."""
    chosen = parser().parse_args(arguments)
    world = chosen_world(chosen)
    found, by_round = evaluate(world, np.random.default_rng(chosen.seed))
    show(("held-out ratings", "RMSE", "MAE"), [(name, *each) for name, each in found.items()])
    print()
    header = ("neighbours after round", *map(str, range(1, len(by_round) + 1)))
    show(header, [("RMSE", *(each.rmse for each in by_round))])
    save(chosen.json, figures(world, found, by_round))
    if chosen.plot:
        plot(chosen.plot, found, by_round)
    return 0


def figures(world: World, found: dict[str, Errors], by_round: list[Errors]) -> dict[str, Any]:
    """Return everything, for JSON."""
    return {
        "world": asdict(world),
        "methods": {name: each._asdict() for name, each in found.items()},
        "neighbours_by_round": [each._asdict() for each in by_round],
        "rounds": methods.ROUNDS,
    }


if __name__ == "__main__":
    raise SystemExit(main())
