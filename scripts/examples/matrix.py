"""A 5 x 5 rating matrix with holes, R = U V', factorised in three ways with two factors.

SGD     looks at known cells only: what matrix factorisation means here, and in the job
SVD     scikit-learn's TruncatedSVD has no notion of a hole: it gets the item's mean in there
NMF     the same, with factors that cannot be negative

SVD and NMF fit their fillings as if somebody had rated so, and predict something close to them.

With --textbook or --file, ALS stands beside them, unknown is 0 for SVD and NMF as in textbooks, and
nothing is held out.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.decomposition import NMF, TruncatedSVD

from scripts.examples import textbook
from scripts.examples.command import options, save, show
from scripts.examples.factorising import Factorised, Matrix

FACTORS = 2
RATINGS = np.array(
    [[5, 4, 5, 1, 1], [4, 4, 4, 1, 2], [1, 1, 1, 5, 4], [2, 1, 2, 4, 5], [4, 3, 4, 2, 2]], float
)
"""Users in rows: three like the first three items, two like the others."""
HOLES = ((0, 2), (1, 1), (1, 4), (2, 3), (3, 0), (4, 4))
"""Cells nobody gets to see; what is foretold for them is compared with `RATINGS`."""
_RATE, _DECAY, _EPOCHS = 0.03, 0.05, 400


def visible() -> Matrix:
    """Return the ratings with NaN in the holes."""
    ratings = RATINGS.copy()
    ratings[tuple(zip(*HOLES, strict=True))] = np.nan
    return ratings


def sgd(ratings: Matrix, rng: np.random.Generator) -> Factorised:
    """Factorise by stochastic gradient descent on the known cells, in random order.

    The loss is the mean squared error plus the decay's share: the factors are 20 numbers, known are
    19 cells, so that without decay the holes could get any value.
    """
    known = np.argwhere(~np.isnan(ratings))
    users, items = (rng.normal(0.5, 0.1, (size, FACTORS)) for size in ratings.shape)
    loss = []
    for _ in range(_EPOCHS):
        for u, i in rng.permutation(known):
            error = ratings[u, i] - users[u] @ items[i]
            step = _RATE * (error * items[i] - _DECAY * users[u])
            items[i] += _RATE * (error * users[u] - _DECAY * items[i])
            users[u] += step
        squared = np.nanmean((ratings - users @ items.T) ** 2)
        loss.append(float(squared + _DECAY * (np.mean(users**2) + np.mean(items**2))))
    return Factorised(users, items, loss)


def filled(ratings: Matrix) -> Matrix:
    """Return the ratings with the item's mean in the holes."""
    return np.where(np.isnan(ratings), np.nanmean(ratings, axis=0), ratings)


def by_scikit_learn(ratings: Matrix, seed: int) -> dict[str, Matrix]:
    """Return what SVD and NMF make of the filled matrix."""
    full, methods = filled(ratings), {}
    for name, method in (
        ("SVD", TruncatedSVD(FACTORS, random_state=seed)),
        ("NMF", NMF(FACTORS, init="nndsvda", max_iter=2000, random_state=seed)),
    ):
        methods[name] = np.asarray(method.fit_transform(full) @ method.components_)
    return methods


def rmse(product: Matrix, cells: NDArray[np.bool_]) -> float:
    """Return the root of the mean squared error on some cells."""
    return float(np.sqrt(np.mean((product - RATINGS)[cells] ** 2)))


def figures(products: dict[str, Matrix], loss: list[float]) -> dict[str, Any]:
    """Return the errors, and every prediction for a hole."""
    holes = np.isnan(visible())
    return {
        "rmse_known": {name: rmse(product, ~holes) for name, product in products.items()},
        "rmse_holes": {name: rmse(product, holes) for name, product in products.items()},
        "holes": [
            {"user": u, "item": i, "rating": float(RATINGS[u, i])}
            | {name: float(product[u, i]) for name, product in products.items()}
            for u, i in HOLES
        ],
        "loss": loss,
    }


def plot(path: Path, products: dict[str, Matrix], loss: list[float]) -> None:
    """Draw the loss by epoch, and the matrices with the holes framed."""
    figure = Figure(figsize=(14, 3.4), layout="constrained")
    first, *others = figure.subplots(1, 2 + len(products))
    first.plot(np.arange(1, len(loss) + 1), loss)
    first.set(xlabel="epoch", ylabel="loss", yscale="log", title="SGD")
    first.spines[["top", "right"]].set_visible(False)
    matrices = {"known ratings": visible()} | products
    for axes, (name, matrix) in zip(others, matrices.items(), strict=True):
        axes.imshow(matrix, vmin=1, vmax=5, cmap="Blues")
        axes.set(title=name, xticks=[], yticks=[], xlabel="items", ylabel="users")
        for (u, i), value in np.ndenumerate(matrix):
            style = {"color": "C3", "weight": "bold"} if (u, i) in HOLES else {"color": "C7"}
            text = "?" if np.isnan(value) else f"{value:.1f}"
            axes.text(i, u, text, ha="center", va="center", **style)
    figure.savefig(path, dpi=120)


def main(arguments: Sequence[str] | None = None) -> int:
    """Factorise, compare, print."""
    parser = options("matrix", __doc__)
    textbook.add_options(parser)
    chosen = parser.parse_args(arguments)
    if chosen.textbook or chosen.file or chosen.factors:
        return textbook.work(chosen)
    ratings = visible()
    own = sgd(ratings, np.random.default_rng(chosen.seed))
    products = {"SGD": own.product} | by_scikit_learn(ratings, chosen.seed)
    found = figures(products, own.loss)
    rows = [
        (f"user {hole['user']}, item {hole['item']}", *(hole[n] for n in products), hole["rating"])
        for hole in found["holes"]
    ]
    errors = [
        (title, *found[key].values(), "")
        for title, key in (("RMSE, known cells", "rmse_known"), ("RMSE, holes", "rmse_holes"))
    ]
    show(("", *products, "rating"), [*rows, *errors])
    save(chosen.json, found)
    if chosen.plot:
        plot(chosen.plot, products, own.loss)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
