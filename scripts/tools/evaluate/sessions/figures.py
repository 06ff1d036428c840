"""Figures of ranked clicks: of each period, and their mean."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.tools.evaluate.common.figures import Ranked

METRICS = ("recall@20", "recall@10", "mrr@20")


def by_period(ranked: Ranked, period: NDArray[np.int64]) -> list[dict[str, Any]]:
    """Return what JSON says of each period after 0 that has a ranked click of a known item.

    Parameters
    ----------
    period : int64[n]
        Of every click of the stream.
    """
    known = ranked.ranks >= 0
    ranks, periods = ranked.ranks[known], period[ranked.numbers[known]]
    return [
        {"period": one, "scored": int((periods == one).sum()), **_figures(ranks[periods == one])}
        for one in np.unique(periods[periods > 0]).tolist()
    ]


def mean(periods: Sequence[dict[str, Any]], metric: str) -> float | None:
    """Return the mean of the values of the periods, each counts alike; None for no period."""
    return float(np.mean([one[metric] for one in periods])) if periods else None


def _figures(ranks: NDArray[np.int32]) -> dict[str, float]:
    reciprocal = np.where(ranks < 20, 1 / (ranks + 1.0), 0.0)
    return {
        "recall@20": float((ranks < 20).mean()),
        "recall@10": float((ranks < 10).mean()),
        "mrr@20": float(reciprocal.mean()),
    }
