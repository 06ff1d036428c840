"""How diverse lists are: within each, and in what they show of a catalogue."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.items.table import Items

_AT_ONCE = 4
"""Lists of a micro-batch that are looked at: it is to cost next to nothing."""
_MEMORY = 10_000
"""Lists after which what was counted weighs half as much."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Diversity of the lists of a worker, the recent ones above all."""

    categories: float
    """Mean number of categories in a list."""
    similarity: float
    """Mean cosine of the factors of two items of a list (intra-list similarity)."""
    gini: float
    """Gini coefficient of how often items are listed, over all items with an event: 0 where all
    are listed alike, 1 where one has every place."""
    items: int
    """Items that were listed."""


class Diversity:
    """Looks at a sample of lists."""

    def __init__(self) -> None:
        self._lists, self._categories, self._similarity = 0.0, 0.0, 0.0
        self._listed = Counter[int]()

    def note(self, rows: NDArray[np.int32], items: Items) -> None:
        """Look at lists, (U, k) rows of items, -1 for none."""
        kinds = items.catalogue.kinds
        for listed in rows[:_AT_ONCE]:
            found = listed[listed >= 0]
            if len(found) == 0:
                continue
            names = [kinds[kind].categories for kind in items.arrays.kind[found].tolist()]
            self._lists += 1
            self._categories += len({name for one in names for name in one})
            self._similarity += similarity(items.arrays.factors[found])
            self._listed.update(items.keys[found].tolist())
        if self._lists > _MEMORY:
            self._halve()

    def figures(self, items: Items) -> Figures | None:
        """Return the figures; None before the first list."""
        if not self._lists:
            return None
        counts = np.zeros(max(len(self._listed), int(np.count_nonzero(items.count))))
        counts[: len(self._listed)] = list(self._listed.values())
        return Figures(
            round(self._categories / self._lists, 3),
            round(self._similarity / self._lists, 4),
            round(gini(counts), 4),
            len(self._listed),
        )

    def _halve(self) -> None:
        self._lists /= 2
        self._categories /= 2
        self._similarity /= 2
        self._listed = Counter({key: n // 2 for key, n in self._listed.items() if n > 1})


def similarity(factors: NDArray[np.float32]) -> float:
    """Return the mean cosine of two of n vectors (n, F); 0 for fewer than two.

    >>> similarity(np.array([[1, 0], [2, 0], [0, 3]], np.float32))
    0.3333
    """
    n = len(factors)
    if n < 2:
        return 0.0
    norms = np.linalg.norm(factors, axis=1, keepdims=True)
    total = (factors / np.maximum(norms, 1e-12)).sum(axis=0)
    lengths = int(np.count_nonzero(norms > 1e-12))
    return round(float((total @ total - lengths) / (n * (n - 1))), 4)


def gini(counts: NDArray[np.float64]) -> float:
    """Return the Gini coefficient of counts.

    >>> gini(np.array([1.0, 1.0, 1.0])), gini(np.array([0.0, 0.0, 0.0, 8.0]))
    (0.0, 0.75)
    """
    total, n = counts.sum(), len(counts)
    if total <= 0:
        return 0.0
    places = np.arange(1, n + 1)
    return float(2 * (places * np.sort(counts)).sum() / (n * total) - (n + 1) / n)
