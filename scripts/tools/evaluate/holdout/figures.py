r"""Figures of lists: of every user, their means, and intervals of them.

Of a list with the hits :math:`h_1, h_2, \dots \in \{0, 1\}` and of w wanted items:

.. math:: P@k = \frac{1}{k} \sum_{r \le k} h_r, \quad R@k = \frac{1}{w} \sum_{r \le k} h_r, \quad
    F1@k = \frac{2 \sum h_r}{k + w}, \quad
    AP@k = \frac{1}{\min(k, w)} \sum_{r \le k} h_r P@r, \quad
    NDCG@k = \frac{\sum_{r \le k} h_r / \log_2(r + 1)}{\sum_{r \le \min(k, w)} 1 / \log_2(r + 1)}

(Manning, Raghavan and Schütze, Introduction to Information Retrieval, 2008, 8.3 and 8.4; NDCG:
Järvelin and Kekäläinen, TOIS 20(4), 2002). MAP is the mean of AP.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Values = NDArray[np.float64]
"""(n,) a figure of each user."""

METRICS = ("precision", "recall", "f1", "map", "ndcg")
_CONFIDENCE = 0.95


def of_users(hits: NDArray[np.bool_], wanted: NDArray[np.int64], k: int) -> dict[str, Values]:
    """Return the figures of each user at a cut.

    Parameters
    ----------
    hits : bool[n, K]
        Which items of a list are wanted, best first; K is k or more.
    wanted : int64[n]
        How many items are, at least 1.
    k
        Items of a list that count.
    """
    hits = hits[:, :k].astype(np.float64)
    found, ranks = hits.sum(axis=1), np.arange(1, k + 1)
    gains = 1 / np.log2(ranks + 1)
    most = np.minimum(k, wanted)
    precisions = hits.cumsum(axis=1) / ranks
    return {
        "precision": found / k,
        "recall": found / wanted,
        "f1": 2 * found / (k + wanted),
        "map": (hits * precisions).sum(axis=1) / most,
        "ndcg": hits @ gains / gains.cumsum()[most - 1],
    }


def interval(values: Values) -> tuple[float, float] | None:
    """Return the 95 % interval of a mean over users, by Student's t; None for a single user."""
    if len(values) < 2:  # no variance
        return None
    mean, error = float(values.mean()), float(stats.sem(values))
    if error == 0:
        return mean, mean
    low, high = stats.t.interval(_CONFIDENCE, len(values) - 1, mean, error)
    return float(low), float(high)


def rows(
    hits: Mapping[str, NDArray[np.bool_]], wanted: NDArray[np.int64], cuts: Sequence[int]
) -> list[dict[str, Any]]:
    """Return a row for every model, metric and cut.

    Returns
    -------
    list of dict
        `model`, `metric` with its cut (`map@5`), `value`, `low` and `high` of its interval, and
        `above`: how much more it is than the first model's for the same users, with `low` and
        `high`; None of the first model, and where there is no interval.
    """
    first = next(iter(hits))
    found = []
    for k in cuts:
        figures = {model: of_users(one, wanted, k) for model, one in hits.items()}
        for model, of_model in figures.items():
            for metric, values in of_model.items():
                low, high = interval(values) or (None, None)
                apart = values - figures[first][metric]
                found.append(
                    {
                        "model": model,
                        "metric": f"{metric}@{k}",
                        "slice": "all",
                        "value": float(values.mean()),
                        "low": low,
                        "high": high,
                        "above": None if model == first else _above(apart),
                    }
                )
    return found


def _above(apart: Values) -> dict[str, float] | None:
    found = interval(apart)
    if found is None:
        return None
    return {"value": float(apart.mean()), "low": found[0], "high": found[1]}
