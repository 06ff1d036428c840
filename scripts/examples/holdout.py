"""How good is a list of k? Precision, recall and F1 on what was held out.

1,000 users take 40 of 500 items each, by tastes that are made up. A fifth of the pairs is held out;
matrix factorisation learns the rest by SGD (logistic loss, four random items against each taken
one) and recommends what the user has not taken. Beside it stand popularity, the same for all, and
the true tastes: nobody can do better, since what is taken is a draw.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from scripts.examples.command import options, save, show
from scripts.examples.preferences import World, preferences

Scores = NDArray[np.float64]
Integers = NDArray[np.int64]

CUTS = (1, 5, 10, 20)
_WORLD = World(users=1_000, items=500, taken=40)
_HELD_OUT = 0.2
_FACTORS, _EPOCHS, _BATCH = 8, 40, 128
_NEGATIVES = 4
_RATE, _DECAY = 0.05, 0.01


class AtCut(NamedTuple):
    """Means over the users with something held out."""

    precision: float
    recall: float
    f1: float


def factorise(user: Integers, item: Integers, rng: np.random.Generator) -> Scores:
    """Return the scores of a matrix factorisation with item biases.

    Parameters
    ----------
    user, item
        The pairs to learn.
    rng
        Start, order and random items.
    """
    users, items = (rng.normal(0, 0.1, (size, _FACTORS)) for size in (_WORLD.users, _WORLD.items))
    bias = np.zeros(_WORLD.items)
    for _ in range(_EPOCHS):
        for pairs in np.array_split(rng.permutation(len(user)), len(user) // _BATCH):
            u = np.repeat(user[pairs], 1 + _NEGATIVES)
            i = rng.integers(_WORLD.items, size=(len(pairs), 1 + _NEGATIVES))
            i[:, 0] = item[pairs]  # a random item may be a taken one: rare, and does no harm
            _step(u, i.ravel(), users, items, bias)
    return users @ items.T + bias


def _step(u: Integers, i: Integers, users: Scores, items: Scores, bias: Scores) -> None:
    """Take one step of a batch, in place; every first of `1 + _NEGATIVES` rows was taken."""
    taken = np.arange(len(u)) % (1 + _NEGATIVES) == 0
    old, other = users[u], items[i]
    error = taken - 1 / (1 + np.exp(-(np.sum(old * other, axis=1) + bias[i])))
    np.add.at(users, u, _RATE * (error[:, None] * other - _DECAY * old))
    np.add.at(items, i, _RATE * (error[:, None] * old - _DECAY * other))
    np.add.at(bias, i, _RATE * error)


def lists(scores: Scores, user: Integers, item: Integers) -> Integers:
    """Return each user's best items, without those learnt from."""
    open_to = scores.copy()
    open_to[user, item] = -np.inf
    return np.argsort(-open_to, axis=1, kind="stable")[:, : max(CUTS)]


def at_cut(best: Integers, user: Integers, item: Integers, k: int) -> AtCut:
    """Compare the first `k` of each list with what was held out."""
    held = np.zeros((_WORLD.users, _WORLD.items), bool)
    held[user, item] = True
    held, best = held[held.any(axis=1)], best[held.any(axis=1), :k]
    hits = np.take_along_axis(held, best, axis=1).sum(axis=1)
    wanted = held.sum(axis=1)
    # hits / k and hits / wanted have this harmonic mean, without a special case for no hits
    f1 = 2 * hits / (k + wanted)
    return AtCut(*(float(np.mean(each)) for each in (hits / k, hits / wanted, f1)))


def evaluate(rng: np.random.Generator) -> dict[str, dict[int, AtCut]]:
    """Hold out, learn, and return the figures by method and cut."""
    world = preferences(_WORLD, rng)
    begin = int(_HELD_OUT * len(world.user))  # the pairs are in random order
    user, item = world.user[begin:], world.item[begin:]
    popularity = np.bincount(item, minlength=_WORLD.items).astype(float)
    methods = {
        "factorisation": factorise(user, item, rng),
        "popularity": np.tile(popularity, (_WORLD.users, 1)),
        "true tastes": world.scores,
    }
    found = {}
    for name, scores in methods.items():
        best = lists(scores, user, item)
        found[name] = {k: at_cut(best, world.user[:begin], world.item[:begin], k) for k in CUTS}
    return found


def plot(path: Path, found: dict[str, dict[int, AtCut]]) -> None:
    """Draw each figure by the length of the list."""
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    for axes, figure_name in zip(figure.subplots(1, 3), AtCut._fields, strict=True):
        for name, cuts in found.items():
            values = [getattr(cut, figure_name) for cut in cuts.values()]
            axes.plot(list(cuts), values, "o-", label=name)
        axes.set(xlabel="k", title=f"{figure_name} at k", xticks=CUTS, ylim=(0, None))
        axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)


def main(arguments: Sequence[str] | None = None) -> int:
    """Evaluate and print."""
    chosen = options("holdout", __doc__).parse_args(arguments)
    found = evaluate(np.random.default_rng(chosen.seed))
    rows = [(f"{name}, k = {k}", *cut) for name, cuts in found.items() for k, cut in cuts.items()]
    show(("", *AtCut._fields), rows)
    as_json = {
        name: {str(k): cut._asdict() for k, cut in cuts.items()} for name, cuts in found.items()
    }
    save(chosen.json, as_json)
    if chosen.plot:
        plot(chosen.plot, found)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
