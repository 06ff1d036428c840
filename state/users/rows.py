"""Records of users against columns: one compiled pass over many, told by tables where all stands.

The tables are those of `state.users.layouts.Layout`. The columns, U rows of each, lie in one block
of bytes: as arguments of their own they would take a minute to compile.
"""

import numpy as np
from numpy.typing import NDArray

from models.compiled import Integer, compiled, entry, kernel


@entry
def first_unsound(
    buffer: NDArray[np.uint8],
    start: NDArray[np.int64],
    length: NDArray[np.int64],
    size: Integer,
    lists: NDArray[np.int64],
    expected: NDArray[np.int64],
    past: Integer,
    until: Integer,
) -> Integer:
    """Return the first of m records that is not as its counts say, -1 for none.

    Parameters
    ----------
    start, length : int64[m]
        Of the records in the buffer.
    size
        Bytes of the fixed fields.
    expected : int64[C]
        What each count must be, -1 for anything.
    past, until
        Numbers of two counts, of which the second is 0 or equal to the first; -1 for none.
    """
    for i in range(len(start)):
        if length[i] < size:
            return i
        total = np.int64(size)
        for n in range(len(lists)):
            total += lists[n, 2] * _number(buffer, start[i] + 4 * lists[n, 0])
        if total != length[i]:
            return i
        for c in range(len(expected)):
            if expected[c] >= 0 and _number(buffer, start[i] + 4 * c) != expected[c]:
                return i
        if until >= 0:
            minutes = _number(buffer, start[i] + 4 * until)
            if minutes != 0 and minutes != _number(buffer, start[i] + 4 * past):
                return i
    return -1


@entry
def read(  # noqa: PLR0913  # tables
    buffer: NDArray[np.uint8],
    start: NDArray[np.int64],
    rows: NDArray[np.int64],
    size: Integer,
    scalars: NDArray[np.int64],
    lists: NDArray[np.int64],
    room: NDArray[np.int64],
    block: NDArray[np.uint8],
    places: NDArray[np.int64],
    lengths: NDArray[np.int32],
    dropped: NDArray[np.int64],
) -> None:
    """Read m records, which are sound, into rows of the columns.

    Parameters
    ----------
    rows : int64[m]
    room : int64[L, 3]
        Of each list: most entries that are kept, entries of a row of its column, and whether it is
        kept whole or not at all.
    block, places
        The columns, and where each begins, by its number.
    lengths : int32[m, len(LENGTHS)]
        Set to how many entries of these lists are held.
    dropped : int64[m, L]
        Set to how many of the oldest entries of each list had no room.
    """
    for i in range(len(start)):
        u, at = rows[i], start[i] + size
        for s in range(len(scalars)):
            width = scalars[s, 2]
            _copy(buffer, start[i] + scalars[s, 0], block, places[scalars[s, 1]] + u * width, width)
        for n in range(len(lists)):
            count, width = _number(buffer, start[i] + 4 * lists[n, 0]), lists[n, 2]
            out: Integer = max(count - room[n, 0], 0)
            if room[n, 2] and count != room[n, 0]:
                out = count
            here = places[lists[n, 1]] + u * room[n, 1] * width
            _copy(buffer, at + out * width, block, here, (count - out) * width)
            if lists[n, 3] >= 0:
                lengths[i, lists[n, 3]] = count - out
            dropped[i, n] = out
            at += count * width


@compiled
def write(
    counts: NDArray[np.uint32],
    size: Integer,
    scalars: NDArray[np.int64],
    lists: NDArray[np.int64],
    room: NDArray[np.int64],
    block: NDArray[np.uint8],
    places: NDArray[np.int64],
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the records of all rows in one buffer, and their U + 1 bounds.

    Parameters
    ----------
    counts : uint32[U, C]
        What each record says of the length of its lists.
    """
    bounds = np.zeros(len(counts) + 1, np.int64)
    for u in range(len(counts)):
        total = np.int64(size)
        for n in range(len(lists)):
            total += lists[n, 2] * np.int64(counts[u, lists[n, 0]])
        bounds[u + 1] = bounds[u] + total
    buffer = np.empty(bounds[-1], np.uint8)
    told = counts.view(np.uint8)
    for u in range(len(counts)):
        _copy(told[u], 0, buffer, bounds[u], told.shape[1])
        for s in range(len(scalars)):
            width = scalars[s, 2]
            here = places[scalars[s, 1]] + u * width
            _copy(block, here, buffer, bounds[u] + scalars[s, 0], width)
        at = bounds[u] + size
        for n in range(len(lists)):
            width = lists[n, 2]
            held = width * np.int64(counts[u, lists[n, 0]])
            _copy(block, places[lists[n, 1]] + u * room[n, 1] * width, buffer, at, held)
            at += held
    return buffer, bounds


@kernel
def _copy(
    source: NDArray[np.uint8], start: Integer, target: NDArray[np.uint8], at: Integer, size: Integer
) -> None:
    # views with a loop from zero: LLVM then copies by vectors, not byte by byte
    there, here = source[start : start + size], target[at : at + size]
    for j in range(len(here)):
        here[j] = there[j]


@kernel
def _number(buffer: NDArray[np.uint8], at: Integer) -> Integer:
    """Return the u32 at a place."""
    low = np.int64(buffer[at]) | np.int64(buffer[at + 1]) << 8
    return low | np.int64(buffer[at + 2]) << 16 | np.int64(buffer[at + 3]) << 24
