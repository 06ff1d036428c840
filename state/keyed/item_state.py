"""Item records as bytes: one sealed value an item (magic `IT`).

Payload of version 5, little-endian:

================= ===== ===== =============================================================
field             type  count holds
================= ===== ===== =============================================================
key               u64   1     xxHash3 of the id
count             i64   1     accepted positive events
last_time         i64   1     newest event time, ms
value_sum         f64   1     sum of the ratings learnt
popularity        f64   1     events halved every half-life, as of last_time
gradient_sum      f32   1     AdaGrad sum of the factors
bias              f32   1
bias_gradient_sum f32   1     AdaGrad sum of the bias
context_gradient… f32   1     AdaGrad sum of the factors as context
factors           u32   1     F, how many factors follow
context           u32   1     F, or 0 in a model without factors as context
successors        u32   1     s, how many successors follow
places            u32   1     l, how many places in sequences follow
variance          u32   1     W, how many variances follow: F + 1, or 0 in a model without
id                u32   1     t, bytes of the id
…                 f32   F     latent factors
…                 f32   F     factors where the item is context
…                 u64   s     keys of the items that followed
…                 f32   s     how much they followed
…                 u64   l     keys of the users in whose sequences it occurred last, oldest first
…                 i32   l     where in them
…                 f32   W     variances of the factors, the last one of the bias
…                 u8    t     UTF-8 id, empty for an item known only by its key
================= ===== ===== =============================================================

A value takes 92 + 8 F + 4 W + 12 (s + l) + t bytes. Version 4 had the popularity as f32. Version 3
had no variances: a model that has some refuses it. Version 2 had no places and no factors as
context: what is read from it starts with those of a new item. Version 1 had no popularity: what is
read from it has the count for it.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.columns.items import ItemRows
from models.numeric.initial import INITIAL_DEVIATION, initial_factors
from state.codec.ragged import as_bytes, bounds_of, copy_ranges, rows_at
from state.codec.sealed import (
    Payloads,
    corrupt,
    incompatible_factors,
    incompatible_variances,
    open_all,
    seal_all,
)

MAGIC = b"IT"
VERSION = 5
READ_VERSIONS = (1, 2, 3, 4, 5)

_SCALARS = (
    ("count", "<i8"),
    ("last_time", "<i8"),
    ("value_sum", "<f8"),
    ("gradient_sum", "<f4"),
    ("bias", "<f4"),
    ("bias_gradient_sum", "<f4"),
)
_COUNTS = {
    1: ("factors", "successors", "id"),
    2: ("factors", "successors", "id"),
    3: ("factors", "context", "successors", "places", "id"),
    4: ("factors", "context", "successors", "places", "variance", "id"),
    5: ("factors", "context", "successors", "places", "variance", "id"),
}
_SCALARS_OF = {1: _SCALARS, 2: (*_SCALARS[:3], ("popularity", "<f4"), *_SCALARS[3:])}
_SCALARS_OF[3] = _SCALARS_OF[4] = (*_SCALARS_OF[2], ("context_gradient_sum", "<f4"))
_SCALARS_OF[5] = tuple((n, "<f8" if n == "popularity" else kind) for n, kind in _SCALARS_OF[4])
_LAYOUTS = {
    version: np.dtype([("key", "<u8"), *scalars, *((name, "<u4") for name in _COUNTS[version])])
    for version, scalars in _SCALARS_OF.items()
}
_WHERE = "state of an item"
_FIXED = _LAYOUTS[VERSION]
_LISTS = (
    ("factors", 4),
    ("context", 4),
    ("successors", 8),
    ("successors", 4),
    ("places", 8),
    ("places", 4),
    ("variance", 4),
    ("id", 1),
)
"""Count and bytes of an element of each list; in the order of the payload."""


class ItemState:
    """Turns stored values into `ItemRows` and back, many items at once.

    Parameters
    ----------
    factors : int
        F; a stored value with another number is refused.
    context_seed : int, optional
        In a model with factors as context, `models.items.table.Items.context_seed` of its items.
    variances : int
        W; a stored value with another number is refused.
    """

    def __init__(self, factors: int, context_seed: int | None = None, variances: int = 0) -> None:
        self._factors = factors
        self._variances = variances
        self._context_seed = context_seed

    def encode(self, rows: ItemRows) -> list[bytes]:
        """Return one sealed value an item."""
        text = [identifier.encode() for identifier in rows.ids]
        fixed = np.empty(len(rows), _FIXED)
        fixed["key"] = rows.keys
        for name, _ in _SCALARS_OF[VERSION]:
            fixed[name] = getattr(rows, name)
        fixed["factors"] = self._factors
        fixed["context"] = rows.context.shape[1]
        fixed["variance"] = rows.variance.shape[1]
        fixed["successors"] = np.diff(rows.successor_start)
        fixed["places"] = np.diff(rows.place_start)
        fixed["id"] = np.fromiter(map(len, text), np.uint32, len(text))
        factors = np.ascontiguousarray(rows.factors, np.float32).reshape(len(rows), self._factors)
        context = np.ascontiguousarray(rows.context, np.float32)
        texts = np.frombuffer(bytearray().join(text), np.uint8)
        lists: tuple[NDArray[Any], ...] = (
            factors,
            context,
            rows.successors,
            rows.weights,
            rows.place_keys,
            rows.place_positions,
            np.ascontiguousarray(rows.variance, np.float32),
            texts,
        )
        bounds = bounds_of(_sizes(fixed))
        buffer = np.empty(bounds[-1], np.uint8)
        at = bounds[:-1].copy()
        each = np.full(len(rows), _FIXED.itemsize, np.int64)
        copy_ranges(as_bytes(fixed), bounds_of(each)[:-1], buffer, at, each)
        at += _FIXED.itemsize
        for column, (count, width) in zip(lists, _LISTS, strict=True):
            size = fixed[count].astype(np.int64) * width
            copy_ranges(as_bytes(column), bounds_of(size)[:-1], buffer, at, size)
            at += size
        return seal_all(MAGIC, VERSION, buffer, bounds)

    def decode(self, values: Sequence[bytes]) -> ItemRows:
        """Return the rows of m items.

        Raises
        ------
        StateError
            If a value is damaged, of an unknown version or of another model.
        """

        def where(index: int) -> str:
            return f"state of item {index + 1} of {len(values)}"

        payloads = open_all(values, MAGIC, READ_VERSIONS, where)
        fixed, at = self._fixed(payloads, where)
        lists: list[NDArray[np.uint8]] = []
        for count, width in _LISTS:
            size = fixed[count].astype(np.int64) * width
            bounds = bounds_of(size)
            column = np.empty(bounds[-1], np.uint8)
            copy_ranges(payloads.buffer, at, column, bounds[:-1], size)
            lists.append(column)
            at += size
        factors, context, successors, weights, place_keys, positions, variance, text = lists
        scalars: dict[str, Any] = {name: fixed[name].copy() for name, _ in _SCALARS_OF[VERSION]}
        return ItemRows(
            keys=fixed["key"].copy(),
            ids=_split(text, fixed["id"]),
            factors=factors.view(np.float32).reshape(len(fixed), self._factors),
            context=self._context(fixed, context.view(np.float32)),
            variance=variance.view(np.float32).reshape(len(fixed), self._variances),
            successor_start=bounds_of(fixed["successors"].astype(np.int64)),
            successors=successors.view(np.uint64),
            weights=weights.view(np.float32),
            place_start=bounds_of(fixed["places"].astype(np.int64)).astype(np.int32),
            place_keys=place_keys.view(np.uint64),
            place_positions=positions.view(np.int32),
            **scalars,
        )

    def _context(self, fixed: NDArray[np.void], stored: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (m, F) factors as context, of a new item where none are stored."""
        if self._context_seed is None:
            return np.empty((len(fixed), 0), np.float32)
        found = initial_factors(
            fixed["key"].copy(), self._context_seed, self._factors, INITIAL_DEVIATION
        )
        held = fixed["context"] > 0
        found[held] = stored.reshape(-1, self._factors)
        return found

    def _fixed(
        self, payloads: Payloads, where: Callable[[int], str]
    ) -> tuple[NDArray[np.void], NDArray[np.int64]]:
        """Return the fixed fields of every value whose counts add up, and where its lists begin."""
        fixed = np.zeros(len(payloads.start), _FIXED)
        begin = payloads.start.copy()
        for version, layout in _LAYOUTS.items():
            chosen = np.flatnonzero(payloads.version == version)
            for i in chosen[payloads.length[chosen] < layout.itemsize].tolist():
                raise corrupt(where(i), f"{layout.itemsize} bytes or more", payloads.length[i])
            found = rows_at(payloads.buffer, payloads.start[chosen], layout)
            for name in layout.names or ():
                fixed[name][chosen] = found[name]
            if version == 1:
                fixed["popularity"][chosen] = found["count"]
            size = layout.itemsize + _list_sizes(found)
            for i, n in enumerate(chosen.tolist()):
                if size[i] != payloads.length[n]:
                    raise corrupt(where(n), f"{size[i]} bytes by its counts", payloads.length[n])
            begin[chosen] += layout.itemsize
        for i in np.flatnonzero(fixed["factors"] != self._factors).tolist():
            raise incompatible_factors(where(i), self._factors, int(fixed["factors"][i]))
        for i in np.flatnonzero(fixed["variance"] != self._variances).tolist():
            raise incompatible_variances(where(i), self._variances, int(fixed["variance"][i]))
        partly = (fixed["context"] != 0) & (fixed["context"] != self._factors)
        for i in np.flatnonzero(partly).tolist():
            raise corrupt(where(i), f"0 or {self._factors} factors as context", fixed["context"][i])
        return fixed, begin


def _sizes(fixed: NDArray[np.void]) -> NDArray[np.int64]:
    """Return the payload bytes that the counts ask for."""
    return _FIXED.itemsize + _list_sizes(fixed)


def _list_sizes(fixed: NDArray[np.void]) -> NDArray[np.int64]:
    size = np.zeros(len(fixed), np.int64)
    for count, width in _LISTS:
        if count in (fixed.dtype.names or ()):
            size += fixed[count].astype(np.int64) * width
    return size


def _split(text: NDArray[np.uint8], length: NDArray[np.uint32]) -> list[str]:
    """Return the ids that lie one behind the other."""
    joined, edges = text.tobytes(), bounds_of(length.astype(np.int64)).tolist()
    try:
        return [joined[a:b].decode() for a, b in pairwise(edges)]
    except UnicodeDecodeError as error:
        raise corrupt(_WHERE, "an id in UTF-8", error) from None
