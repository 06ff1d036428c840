r"""Diversity of lists: how much of a catalogue they show, how evenly, how alike their items are.

Coverage is the share of the items known at the cut that some list has; the Gini coefficient is that
of how often each of these is listed, 0 where all are alike. Of two items i and j with the users
:math:`U_i, U_j` before the cut the similarity is :math:`|U_i \cap U_j| / \sqrt{|U_i| |U_j|}`; that
of a list is the mean over its pairs, the same for all models (Ge, Delgado-Battenfeld and Jannach,
RecSys 2010; Ziegler et al., WWW 2005).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.sparse import csr_array

from models.slate.diversity import gini
from scripts.tools.evaluate.holdout.split import Split

METRICS = ("coverage", "gini", "similarity")


def rows(
    lists: Mapping[str, NDArray[np.int32]], split: Split, cuts: Sequence[int]
) -> list[dict[str, Any]]:
    """Return a row for every model, metric and cut, as `figures.rows` does; without intervals."""
    units = _units(split)
    return [
        {
            "model": model,
            "metric": f"{metric}@{k}",
            "slice": "all",
            "value": value,
            "low": None,
            "high": None,
            "above": None,
        }
        for k in cuts
        for model, listed in lists.items()
        for metric, value in zip(METRICS, _of_lists(listed[:, :k], split, units), strict=True)
    ]


def show(
    out: Console, rows: Sequence[dict[str, Any]], models: Sequence[str], cuts: Sequence[int]
) -> None:
    """Show a table of the longest lists."""
    found, k = {(row["model"], row["metric"]): row["value"] for row in rows}, max(cuts)
    table = Table("model", title=f"diversity of lists of {k}", title_justify="left")
    for metric in METRICS:
        table.add_column(f"{metric}@{k}", justify="right")
    for model in models:
        table.add_row(model, *(f"{found[model, f'{metric}@{k}']:.4f}" for metric in METRICS))
    out.print(table)


def _of_lists(
    lists: NDArray[np.int32], split: Split, units: csr_array
) -> tuple[float, float, float]:
    """Return coverage, Gini coefficient and mean similarity of lists (n, k)."""
    known = np.unique(split.stream.item[: split.end])
    listed = np.bincount(lists[lists >= 0], minlength=split.stream.items)[known]
    coverage = float(np.count_nonzero(listed) / len(known))
    return coverage, gini(listed.astype(np.float64)), _similarity(lists, units)


def _units(split: Split) -> csr_array:
    """Return items by users before the cut, each row of length 1 or 0."""
    stream = split.stream
    pairs = np.unique(np.stack([stream.item[: split.end], stream.user[: split.end]]), axis=1)
    many = np.bincount(pairs[0], minlength=stream.items)
    values = 1 / np.sqrt(many[pairs[0]])
    shape = (stream.items, int(stream.user.max()) + 1)
    return csr_array((values, (pairs[0], pairs[1])), shape=shape)


def _similarity(lists: NDArray[np.int32], units: csr_array) -> float:
    """Return the mean over lists of two items and more, of the mean over their pairs."""
    there = lists >= 0
    n = there.sum(axis=1)
    of, at = np.nonzero(there)
    shape = (len(lists), units.shape[0])
    chosen = csr_array((np.ones(len(of)), (of, lists[of, at])), shape=shape)
    sums = chosen @ units
    alone = chosen @ np.asarray(units.multiply(units).sum(axis=1)).ravel()
    squares = np.asarray(sums.multiply(sums).sum(axis=1)).ravel()
    several = n > 1
    if not several.any():
        return 0.0
    means = (squares - alone)[several] / (n * (n - 1))[several]
    return float(means.mean())
