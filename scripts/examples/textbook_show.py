"""What `scripts/example matrix --textbook` prints and draws."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from scripts.examples.command import show
from scripts.examples.factorising import Factorised, Matrix

_PRINTED = 10
"""Rows, and columns, of a matrix that is printed and drawn with its numbers."""
_EPOCHS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 400)
"""Those whose loss is printed, beside the last ones."""
_BEST = """
{least:.3f}: no matrix of rank {factors} is nearer to all cells with unknown as 0 (Eckart, Young),
and SVD is that matrix."""
_APART = "SGD and ALS do not look at unknown cells ({unknown:,} of {cells:,}); they differ by up to"
_FREE = """{numbers:,} factors are more than known cells can settle ({known:,}): what SGD and ALS
say elsewhere is what the regularisation and the random start make of it."""


def tell(found: dict[str, Factorised], figures: dict[str, Any]) -> None:
    """Print the factors of a small matrix, the losses and the errors."""
    if max(found["SGD"].product.shape) <= _PRINTED:
        for name, one in found.items():
            print_factors(name, one)
    tell_losses(found["SGD"].loss, found["ALS"].loss)
    known, cells, factors = (figures[name] for name in ("known_cells", "cells", "factors"))
    bounds = {"all zeros": figures["zeros"]}
    if "entries_to_1" in figures:
        bounds |= {"least of factors within 0 and 1": figures["entries_to_1"]}
    rows: list[tuple[object, ...]] = [
        (name, one["rmse_known"], one.get("rmse_all", ""))
        for name, one in (figures["methods"] | bounds).items()
    ]
    rows.insert(len(found), (f"least of rank {factors}", "", figures["least_rmse_all"]))
    show(("RMSE", f"{known:,} known cells", f"all {cells:,}, unknown as 0"), rows)
    print(_BEST.format(least=figures["least_rmse_all"], factors=factors))
    if known < cells:
        apart = figures["sgd_and_als_apart"]
        print(f"{_APART.format(unknown=cells - known, cells=cells)} {apart:.2f} there.")
    numbers = found["SGD"].users.size + found["SGD"].items.size
    if known < min(numbers, cells):
        print(_FREE.format(known=known, numbers=numbers))


def print_factors(name: str, one: Factorised) -> None:
    """Print U, V and their product side by side."""
    blocks = [
        (
            title,
            np.array2string(
                matrix.round(2) + 0, formatter={"float_kind": "{:5.2f}".format}
            ).splitlines(),
        )
        for title, matrix in (("U", one.users), ("V", one.items), ("U V'", one.product))
    ]
    columns = [[f"{name} {title}" if title == "U" else title, *lines] for title, lines in blocks]
    height = max(map(len, columns))
    widths = [max(map(len, column)) for column in columns]
    for line in range(height):
        cells = (c[line] if line < len(c) else "" for c in columns)
        print("   ".join(f"{x:<{w}}" for x, w in zip(cells, widths, strict=True)).rstrip())
    print()


def tell_losses(of_sgd: list[float], of_als: list[float]) -> None:
    """Print the loss by epoch; ALS has fewer."""
    last = {*_EPOCHS, len(of_sgd) - 1, len(of_als) - 1}
    epochs = sorted(epoch for epoch in last if epoch < len(of_sgd))
    rows = [(str(e), of_sgd[e], of_als[e] if e < len(of_als) else "") for e in epochs]
    show(("loss after epoch", "SGD", "ALS"), rows)
    print()


def plot(path: Path, ratings: Matrix, found: dict[str, Factorised]) -> None:
    """Draw the losses by epoch, and the matrices; numbers of known cells are bold."""
    figure = Figure(figsize=(3 * (2 + len(found)), 3.2), layout="constrained")
    first, *others = figure.subplots(1, 2 + len(found))
    for name in ("SGD", "ALS"):
        first.plot(found[name].loss, label=name)
    first.set(xlabel="epoch", ylabel="loss", yscale="log", title="loss")
    first.set_xscale("symlog", linthresh=1)  # epoch 0 is the start
    first.set_xlim(0, None)
    first.spines[["top", "right"]].set_visible(False)
    first.legend(frameon=False)
    matrices = {"known ratings": ratings} | {name: one.product for name, one in found.items()}
    least, most = min(0.0, float(np.nanmin(ratings))), float(np.nanmax(ratings))
    for axes, (name, matrix) in zip(others, matrices.items(), strict=True):
        axes.imshow(matrix, vmin=least, vmax=most, cmap="Blues", aspect="auto")
        axes.set(title=name, xticks=[], yticks=[], xlabel="items", ylabel="users")
        if max(matrix.shape) <= _PRINTED:
            _write(axes, matrix, ratings, most)
    figure.savefig(path, dpi=120)


def _write(axes: Any, matrix: Matrix, ratings: Matrix, most: float) -> None:
    """Write the numbers into the cells."""
    for (u, i), value in np.ndenumerate(matrix):
        colour = "white" if value > 0.6 * most else "black"  # NaN is not above anything
        weight = "normal" if np.isnan(ratings[u, i]) else "bold"
        text = "?" if np.isnan(value) else f"{value:.1f}"
        axes.text(i, u, text, ha="center", va="center", color=colour, weight=weight)
