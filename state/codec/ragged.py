"""Byte ranges of different length, copied many at a time by one compiled loop."""

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled


@compiled
def copy_ranges(
    source: NDArray[np.uint8],
    source_start: NDArray[np.int64],
    target: NDArray[np.uint8],
    target_start: NDArray[np.int64],
    size: NDArray[np.int64],
) -> None:
    """Copy m ranges of bytes; the caller has checked that they lie inside both arrays.

    Parameters
    ----------
    source, target : uint8[:]
    source_start, target_start : int64[m]
    size : int64[m]
        Bytes of each range.
    """
    for i in range(len(size)):
        # views with a loop from zero: LLVM then copies by vectors, not byte by byte
        there = source[source_start[i] : source_start[i] + size[i]]
        here = target[target_start[i] : target_start[i] + size[i]]
        for j in range(len(here)):
            here[j] = there[j]


def bounds_of(size: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the m + 1 bounds of m ranges that lie one behind the other.

    >>> bounds_of(np.array([2, 3]))
    array([0, 2, 5])
    """
    bounds = np.zeros(len(size) + 1, np.int64)
    np.cumsum(size, out=bounds[1:])
    return bounds


def as_bytes(column: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Return the bytes of a C-contiguous array, without a copy."""
    return column.reshape(-1).view(np.uint8)


def rows_at(
    buffer: NDArray[np.uint8], start: NDArray[np.int64], layout: np.dtype[np.void]
) -> NDArray[np.void]:
    """Return the fixed-size rows that begin at the given places."""
    rows = np.empty(len(start), layout)
    each = np.full(len(start), layout.itemsize, np.int64)
    copy_ranges(buffer, start, as_bytes(rows), np.arange(len(start)) * layout.itemsize, each)
    return rows
