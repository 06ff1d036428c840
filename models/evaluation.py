"""Prequential evaluation: from ranks and errors to sums that can be added up, and to metrics.

An event is scored before it is learnt. Its rank is 0-based among the whole catalogue (never
among sampled items), ties count half; an item never seen before is a miss.
"""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.columns.learnt import NOT_SCORED


@dataclass(frozen=True, slots=True)
class RankingSums:
    """Sums over ranks; sums of disjoint events can be added."""

    scored: int = 0
    hits: int = 0
    """Events whose item was among the first k."""
    ndcg: float = 0.0
    """Sum of 1 / log2(rank + 2) over the hits."""
    reciprocal_rank: float = 0.0
    """Sum of 1 / (rank + 1) over all events with a rank."""

    def __add__(self, other: Self) -> "RankingSums":
        """Return the sums of both."""
        return RankingSums(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def hit_rate(self) -> float:
        """HR@k: share of scored events that were hits; NaN where none was scored."""
        return self.hits / self.scored if self.scored else float("nan")

    @property
    def mean_ndcg(self) -> float:
        """NDCG@k with one relevant item an event; NaN where none was scored."""
        return self.ndcg / self.scored if self.scored else float("nan")

    @property
    def mean_reciprocal_rank(self) -> float:
        """MRR, not cut at k; NaN where none was scored."""
        return self.reciprocal_rank / self.scored if self.scored else float("nan")


@dataclass(frozen=True, slots=True)
class ErrorSums:
    """Sums over rating errors; sums of disjoint events can be added."""

    scored: int = 0
    squared: float = 0.0
    absolute: float = 0.0

    def __add__(self, other: Self) -> "ErrorSums":
        """Return the sums of both."""
        return ErrorSums(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def rmse(self) -> float:
        """Root mean squared error; NaN where none was scored."""
        return float(np.sqrt(self.squared / self.scored)) if self.scored else float("nan")

    @property
    def mae(self) -> float:
        """Mean absolute error; NaN where none was scored."""
        return self.absolute / self.scored if self.scored else float("nan")


def ranking_sums(rank: NDArray[np.int32], k: int) -> RankingSums:
    """Add up ranks.

    Parameters
    ----------
    rank : int32[n]
        0-based ranks, or `models.columns.learnt.NOT_SCORED` or `UNKNOWN`.
    k : int
        Length of the list a hit must be on.
    """
    known = rank[rank >= 0].astype(np.float64)
    hits = known[known < k]
    return RankingSums(
        scored=int(np.count_nonzero(rank != NOT_SCORED)),
        hits=len(hits),
        ndcg=float((1 / np.log2(hits + 2)).sum()),
        reciprocal_rank=float((1 / (known + 1)).sum()),
    )


def error_sums(error: NDArray[np.float32]) -> ErrorSums:
    """Add up rating errors (n,); NaN where an event was not scored."""
    known = error[~np.isnan(error)].astype(np.float64)
    return ErrorSums(len(known), float(known @ known), float(np.abs(known).sum()))
