"""From ranks to the figures of a table."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from models.deep.gate import gains

K = 10


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
