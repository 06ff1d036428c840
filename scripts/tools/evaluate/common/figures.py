"""From ranks to the figures of a table."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.deep.gate import gains

K = 10
WINDOWS = 40
"""Windows of equal length that a stream is cut into."""


@dataclass(frozen=True)
class Ranked:
    """The ranked events of one model."""

    numbers: NDArray[np.int64]
    """(n,) places in the stream, ascending."""
    ranks: NDArray[np.int32]
    """(n,) 0-based, -1 for a miss: an item never seen before, or the user's own."""
    more: Mapping[str, float] = field(default_factory=dict)
    """Figures of the whole stream that ranks do not tell."""

    def within(self, part: NDArray[np.bool_]) -> "Ranked":
        """Return those of some events of the stream."""
        chosen = part[self.numbers]
        return replace(self, numbers=self.numbers[chosen], ranks=self.ranks[chosen])


def of_ranks(ranks: NDArray[np.int32], k: int = K) -> dict[str, float]:
    """Return hit rate, NDCG, MRR, precision, recall and F1; nothing where nothing was ranked.

    One item is the right one, so that recall is the hit rate. The MRR is over the whole ranking.
    """
    if not len(ranks):
        return {}
    rate = float(((ranks >= 0) & (ranks < k)).mean())
    precision = rate / k
    reciprocal = np.where(ranks >= 0, 1 / (np.maximum(ranks, 0) + 1.0), 0.0)
    return {
        f"hr@{k}": rate,
        f"ndcg@{k}": float(gains(ranks).mean()),
        "mrr": float(reciprocal.mean()),
        f"precision@{k}": precision,
        f"recall@{k}": rate,
        f"f1@{k}": 2 * precision * rate / (precision + rate) if rate else 0.0,
    }


def windows(ranked: Mapping[str, Ranked], events: int, k: int = K) -> list[dict[str, Any]]:
    """Return the hit rates of each window of a stream.

    Returns
    -------
    list of dict
        `until`: events up to its end; `ranked`: how many were ranked by the first model; `hr@k` by
        model; `above` by model: how much more it hit than the first one on the same events, and
        the standard error of that, of models that ranked the same.
    """
    edges = np.linspace(0, events, WINDOWS + 1)
    first = next(iter(ranked.values()), None)
    found = []
    for begin, until in pairwise(edges.tolist()):
        inside = {name: _hits(one, begin, until, k) for name, one in ranked.items()}
        window: dict[str, Any] = {"until": round(until)}
        window["ranked"] = len(next(iter(inside.values()), ()))
        window[f"hr@{k}"] = {name: float(h.mean()) for name, h in inside.items() if len(h)}
        window["above"] = {
            name: _above(hits, next(iter(inside.values())))
            for name, hits in inside.items()
            if first is not None and np.array_equal(ranked[name].numbers, first.numbers)
            and ranked[name] is not first and len(hits)
        }  # fmt: skip
        found.append(window)
    return found


def _hits(one: Ranked, begin: float, until: float, k: int) -> NDArray[np.float64]:
    inside = (one.numbers >= begin) & (one.numbers < until)
    ranks = one.ranks[inside]
    return ((ranks >= 0) & (ranks < k)).astype(np.float64)


def _above(hits: NDArray[np.float64], other: NDArray[np.float64]) -> list[float]:
    """Return the mean of paired differences, and its standard error."""
    apart = hits - other
    return [float(apart.mean()), float(apart.std() / np.sqrt(len(apart)))]
