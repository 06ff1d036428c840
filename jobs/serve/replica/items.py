"""What the job has learnt of items, from its model updates: factors, successors, counts."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.columns.items import ItemRows
from models.keys import key_of

_FIRST = 1_024
_KEPT = 64
"""Successors kept of an item: the strongest ones."""
_RECENCY = 0.8
"""Weight of each item of a context against the one after it."""

Numbers = NDArray[np.float32]
_NO_ROWS = np.zeros(0, np.intp)


class Items:
    """Rows of items; the reader writes while requests read, so arrays are replaced as a whole.

    Parameters
    ----------
    half_life_ms
        Of popularity, as in the job.
    """

    def __init__(self, half_life_ms: int) -> None:
        self._half_life_ms = half_life_ms
        self._row_of: dict[int, int] = {}
        self.ids: list[str] = []
        self._factors: Numbers = np.zeros((_FIRST, 0), np.float32)
        self._norms: Numbers = np.zeros(_FIRST, np.float32)
        self._count = np.zeros(_FIRST, np.int64)
        self._popularity = np.zeros(_FIRST, np.float64)
        self._last_time = np.zeros(_FIRST, np.int64)
        self._successors: list[tuple[NDArray[np.uint64], Numbers] | None] = []

    def __len__(self) -> int:
        """Return how many items there are."""
        return len(self.ids)

    def row(self, item: str) -> int | None:
        """Return the row of an item; None where the job has learnt nothing of it."""
        return self._row_of.get(key_of(item))

    def count(self, row: int) -> int:
        """Return how many positive events an item had."""
        return int(self._count[row])

    def take(self, rows: ItemRows) -> None:
        """Take rows of a chunk: they are absolute."""
        named = [n for n, name in enumerate(rows.ids) if name]
        if not named:
            return
        self._make_room(len(named), rows.factors.shape[1])
        at = np.array([self._enter(int(rows.keys[n]), rows.ids[n]) for n in named])
        self._factors[at] = rows.factors[named]
        self._norms[at] = np.linalg.norm(rows.factors[named], axis=1)
        self._count[at] = rows.count[named]
        self._popularity[at] = rows.popularity[named]
        self._last_time[at] = rows.last_time[named]
        for n, row in zip(named, at.tolist(), strict=True):
            part = slice(int(rows.successor_start[n]), int(rows.successor_start[n + 1]))
            keys, weights = rows.successors[part], rows.weights[part]
            if len(keys) > _KEPT:
                best = np.argpartition(-weights, _KEPT)[:_KEPT]
                keys, weights = keys[best], weights[best]
            self._successors[row] = (keys.copy(), weights.copy())

    def popularity(self) -> NDArray[np.float64]:
        """Return (I,) popularity of all items as of the newest event."""
        size = len(self.ids)
        last = self._last_time[:size]
        age = (last.max(initial=0) - last) / self._half_life_ms
        found: NDArray[np.float64] = self._popularity[:size] * np.exp2(-age)
        return found

    def similar(self, row: int) -> Numbers:
        """Return (I,) the cosine of the factors of all items with those of one."""
        size = len(self.ids)
        factors, norms = self._factors[:size], self._norms[:size]
        products = factors @ factors[row]
        found: Numbers = products / np.maximum(norms * norms[row], 1e-9)
        return found

    def follow(
        self, context: Sequence[int]
    ) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.intp]]:
        """Return what followed the items of a context (rows, the newest first), most often first.

        Each item of the context says what share of its successors an item is.

        Returns
        -------
        intp[n], float64[n], intp[n]
            Rows, their scores, and the row of the context that says most of each.
        """
        at, said, of = [_NO_ROWS], [np.zeros(0, np.float32)], [_NO_ROWS]
        weight = np.float32(1)
        for row in context:
            known = self._successors[row]
            if known is not None and len(known[0]):
                keys, weights = known
                rows = np.array([self._row_of.get(key, -1) for key in keys.tolist()], np.intp)
                there = rows >= 0
                share = weights / max(float(weights.sum()), 1e-9)
                at.append(rows[there])
                said.append(weight * share[there])
                of.append(np.full(np.count_nonzero(there), row, np.intp))
            weight *= np.float32(_RECENCY)
        rows, place = np.unique(np.concatenate(at), return_inverse=True)
        shares, sources = np.concatenate(said), np.concatenate(of)
        source = np.empty(len(rows), np.intp)
        rising = np.argsort(shares, kind="stable")
        source[place[rising]] = sources[rising]  # the strongest is written last
        scores: NDArray[np.float64] = np.bincount(place, shares, len(rows)).astype(np.float64)
        best = np.argsort(-scores, kind="stable")
        return rows[best], scores[best], source[best]

    def _enter(self, key: int, name: str) -> int:
        row = self._row_of.get(key)
        if row is None:
            row = len(self.ids)
            self._successors.append(None)
            self.ids.append(name)
            self._row_of[key] = row
        return row

    def _make_room(self, more: int, factors: int) -> None:
        """Grow by doubling; another number of factors is another model, and begins anew."""
        rows, width = self._factors.shape
        wanted = len(self.ids) + more
        if width == factors and wanted <= rows:
            return
        rows = max(rows, 1 << (wanted - 1).bit_length())
        grown = np.zeros((rows, factors), np.float32)
        if width == factors:
            grown[: len(self._factors)] = self._factors
        self._factors = grown
        self._norms = _longer(self._norms, rows)
        self._count = _longer(self._count, rows)
        self._popularity = _longer(self._popularity, rows)
        self._last_time = _longer(self._last_time, rows)


def _longer(column: NDArray[Any], rows: int) -> NDArray[Any]:
    return np.concatenate([column, np.zeros(rows - len(column), column.dtype)])
