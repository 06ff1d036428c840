"""The 5 x 5 matrix of many textbooks, or one of a file, factorised by SGD, ALS, SVD and NMF.

SGD and ALS look at known cells only. SVD and NMF are given the matrix of the textbooks, with 0 for
unknown: what they come near to is that, zeros and all.
"""

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from scripts.examples import ratings_file, textbook_show
from scripts.examples.command import save
from scripts.examples.factorising import Factorised, Matrix, als, least_rmse, nmf, sgd, svd
from scripts.examples.ratings_file import Table
from scripts.tools.console import ToolError, positive, progress

TEXTBOOK = np.array(
    [[0, 5, 4, 0, 0], [0, 0, 0, 5, 0], [0, 0, 0, 0, 5], [0, 5, 0, 0, 0], [4, 0, 0, 0, 5]], float
)
"""0 is unknown."""
FACTORS = 2
MOST_FACTORS = 50


class Errors(NamedTuple):
    """Root mean squared errors of a product."""

    rmse_known: float
    rmse_all: float
    """With 0 for unknown."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this variant."""
    parser.add_argument(
        "--textbook", action="store_true", help="the 5 x 5 matrix of textbooks, also by ALS"
    )
    parser.add_argument(
        "--file",
        type=Path,
        metavar="CSV",
        help="like --textbook, with a matrix of yours: users in rows, empty or 0 is unknown",
    )
    parser.add_argument(
        "--factors", type=positive(int), metavar="K", help=f"of --textbook or --file ({FACTORS})"
    )


def work(chosen: argparse.Namespace) -> int:
    """Factorise in four ways, compare, print."""
    if not (chosen.textbook or chosen.file):
        message = f"--factors {chosen.factors}: expected --textbook or --file with it; add one"
        raise ToolError(message, 2)
    if chosen.textbook and chosen.file:
        message = "--textbook --file: expected one matrix, got two; leave one of them out"
        raise ToolError(message, 2)
    table = ratings_file.read(chosen.file) if chosen.file else textbook()
    ratings = table.ratings
    most = min(MOST_FACTORS, *ratings.shape)
    factors = chosen.factors or min(FACTORS, most)
    if factors > most:
        size = "{} x {}".format(*ratings.shape)
        message = f"--factors: expected 1 to {most} for {size} ratings, got {factors}; lower it"
        raise ToolError(message, 2)
    remark(ratings)
    found = factorise(ratings, factors, chosen.seed)
    names = {"users": table.users, "items": table.items}
    result = names | figures(ratings, factors, found)
    if chosen.textbook and factors <= np.nanmin(ratings):
        # factors of all ones: no product of factors within 0 and 1 is above their number
        ones = errors(ratings, np.full(ratings.shape, float(factors)))
        result |= {"entries_to_1": {"rmse_known": ones.rmse_known}}
    textbook_show.tell(found, result)
    save(chosen.json, result)
    if chosen.plot:
        textbook_show.plot(chosen.plot, ratings, found)
    return 0


def textbook() -> Table:
    """Return the textbooks' matrix with NaN for 0."""
    users, items = ([f"{name} {n}" for n in range(5)] for name in ("user", "item"))
    return Table(users, items, np.where(TEXTBOOK == 0, np.nan, TEXTBOOK))


def remark(ratings: Matrix) -> None:
    """Say what is unusual about a matrix."""
    known = ~np.isnan(ratings)
    for axis, name in ((1, "rows"), (0, "columns")):
        empty = np.flatnonzero(~known.any(axis=axis)) + 1
        if len(empty):
            which = ", ".join(map(str, empty[:5])) + (", …" if len(empty) > 5 else "")
            progress(f"note: {name} without a known cell ({which}) get zeros for factors")
    if np.nanmin(ratings) < 0:
        progress("note: NMF takes no negative ratings; it is left out")


def factorise(ratings: Matrix, factors: int, seed: int) -> dict[str, Factorised]:
    """Return what each method makes of it; SGD and ALS begin with the same factors."""
    full = np.nan_to_num(ratings)
    found = {
        "SGD": sgd(ratings, factors, np.random.default_rng(seed)),
        "ALS": als(ratings, factors, np.random.default_rng(seed)),
        "SVD": svd(full, factors),
    }
    return found if full.min() < 0 else found | {"NMF": nmf(full, factors, seed)}


def errors(ratings: Matrix, product: Matrix) -> Errors:
    """Return how far a product is from the known cells, and from the matrix with zeros."""
    known = np.nanmean((product - ratings) ** 2)
    return Errors(
        float(np.sqrt(known)), float(np.sqrt(np.mean((product - np.nan_to_num(ratings)) ** 2)))
    )


def apart(ratings: Matrix, found: dict[str, Factorised]) -> float:
    """Return how much SGD and ALS differ about unknown cells, at most."""
    differ = np.abs(found["SGD"].product - found["ALS"].product)
    return float(np.max(differ, where=np.isnan(ratings), initial=0))


def figures(ratings: Matrix, factors: int, found: dict[str, Factorised]) -> dict[str, Any]:
    """Return everything, as it is for JSON."""
    methods = {
        name: {
            **errors(ratings, one.product)._asdict(),
            "users": one.users.tolist(),
            "items": one.items.tolist(),
            "loss": one.loss,
        }
        for name, one in found.items()
    }
    return {
        "known_cells": int(np.count_nonzero(~np.isnan(ratings))),
        "cells": ratings.size,
        "factors": factors,
        "methods": methods,
        "least_rmse_all": least_rmse(np.nan_to_num(ratings), factors),
        "zeros": errors(ratings, np.zeros(ratings.shape))._asdict(),
        "sgd_and_als_apart": apart(ratings, found),
    }
