r"""The neighbours' score of an item: its share of all that came near the user's last items.

.. math:: x_j = \log(1 + s_j / \epsilon),
    \quad s_j \propto \sum_v \sum_p \sigma_v \delta^{d_v - 1} f(p - p_v) \, [v_p = j],
    \quad \sigma_v = \sum_d \delta^{d-1} \, |\{\text{places of } x_d \text{ in } v\}|

over the user's last items x_1 (newest), x_2, … and the K most similar other sequences v; x_d at
place p_v is the newest item they share, and f falls off on both sides of it. Equally similar
sequences: those found by a newer item, then those with the newer place.
"""

import numpy as np
from numpy.typing import NDArray

from models.arrays.neighbours import FOUND, RANK_BITS, SLOT_SHIFT, UNIT, NeighbourArrays
from models.compiled import Integer, Real, kernel
from models.neighbours.sequences import chunk_of, item_of, slot_of
from models.numeric.logarithm import log1p

_LOWEST = (1 << RANK_BITS) - 1


@kernel
def find(n: NeighbourArrays, recent: NDArray[np.int32], key: Integer) -> Integer:
    """Find the neighbours of a user; return how many there are.

    Parameters
    ----------
    recent : int32[m]
        Rows of the user's last items, oldest first.
    key : uint64
        The user's own sequence, which does not count.
    """
    held, own = 0, slot_of(n, key)
    for depth in range(min(len(recent), len(n.steps))):
        held = _collect(n, recent[len(recent) - 1 - depth], depth, own, held)
    for at in range(held):
        n.found[n.nearest[at] >> SLOT_SHIFT] = 0
    found = min(held, n.keep)
    if held > n.keep:
        _put_largest_first(n.rank, held, n.keep)
    n.counters[FOUND] = found
    return found


@kernel
def _collect(
    n: NeighbourArrays, row: Integer, depth: Integer, own: Integer, held: Integer
) -> Integer:
    """Add the places of one item, newest first, to the sequences found; return their number."""
    room, at, step = n.places.shape[1], n.cursor[row], n.steps[depth]
    for _ in range(n.held[row]):
        at = at - 1 if at > 0 else room - 1
        place = n.places[row, at]
        slot = place >> SLOT_SHIFT
        # without branches: they would be mispredicted every other time
        known, lives = n.found[slot], (place >= n.first[slot]) & (slot != own)
        n.nearest[held], n.depth[held], n.rank[held] = place, depth, _LOWEST - held
        to = held if known == 0 else known - 1
        n.rank[to] += step if lives else 0
        n.found[slot] = to + 1 if lives else known
        held += lives & (known == 0)
    return held


@kernel
def _put_largest_first(rank: NDArray[np.int64], held: Integer, limit: Integer) -> None:
    """Reorder different numbers so that the first `limit` are the largest (quickselect)."""
    low, high = 0, held - 1
    while low < high:
        pivot, left, right = rank[(low + high) // 2], low, high
        while left <= right:
            while rank[left] > pivot:
                left += 1
            while rank[right] < pivot:
                right -= 1
            if left <= right:
                rank[left], rank[right] = rank[right], rank[left]
                left += 1
                right -= 1
        if limit - 1 <= right:
            high = right
        elif limit - 1 >= left:
            low = left
        else:
            return


@kernel
def add_up(n: NeighbourArrays, column: NDArray[np.float32]) -> Real:
    """Add what the neighbours found say to a column of zeros, one a row; return the sum of it."""
    total = np.float32(0)
    _fetch(n)
    for at in range(n.counters[FOUND]):
        nearest, begin, end, weight = _stretch(n, at)
        while begin < end:
            until = min(end, ((begin >> n.shift) + 1) << n.shift)
            chunk, back = chunk_of(n, begin), begin & (n.items.shape[1] - 1)
            offset = begin - nearest + len(n.falloff) // 2
            for step in range(until - begin):
                row = n.items[chunk, back + step]
                if row >= 0:
                    more = weight * n.falloff[offset + step]
                    column[row] += more
                    total += more
            begin = until
    return total


@kernel
def _fetch(n: NeighbourArrays) -> None:
    """Bring what neighbours say into the cache: all waits overlap, instead of one after another."""
    seen = 0
    for at in range(n.counters[FOUND]):
        seen += item_of(n, n.nearest[_LOWEST - (n.rank[at] & _LOWEST)])
    n.sink[0] = seen  # or the compiler would leave it all out


@kernel
def _stretch(n: NeighbourArrays, at: Integer) -> tuple[Integer, Integer, Integer, Real]:
    """Return a neighbour's place, the bounds of what it says, and the weight of that."""
    which = _LOWEST - (n.rank[at] & _LOWEST)
    nearest, reach = n.nearest[which], len(n.falloff) // 2
    slot = nearest >> SLOT_SHIFT
    begin = max(n.first[slot], nearest - reach)
    end = min(n.until[slot], nearest + reach + 1)
    similarity = np.float32(n.rank[at] >> RANK_BITS) / np.float32(UNIT)
    return nearest, begin, end, similarity * n.fade[n.depth[which]]


@kernel
def fill(n: NeighbourArrays, size: Integer, part: NDArray[np.float32], smoothing: Real) -> None:
    """Set the scores of all items; `find` first."""
    part[:size] = 0
    total = add_up(n, part)
    if total == 0:
        return
    scale = np.float32(1) / (total * np.float32(smoothing))
    for row in range(size):
        part[row] = log1p(part[row] * scale)


@kernel
def touch(
    n: NeighbourArrays,
    column: NDArray[np.float32],
    touched: NDArray[np.int32],
    held: Integer,
    marks: NDArray[np.int64],
    mark: Integer,
) -> tuple[Integer, Real]:
    """Do as `add_up` and list the rows that were added to, once each; `find` first.

    Parameters
    ----------
    touched : int32[R + 1]
        The first `held` are listed already.
    marks : int64[R]
        `mark` for the rows listed.

    Returns
    -------
    int, float
        How many rows are listed, and the sum of all that was added.
    """
    total = np.float32(0)
    _fetch(n)
    for at in range(n.counters[FOUND]):
        nearest, begin, end, weight = _stretch(n, at)
        shift = len(n.falloff) // 2 - nearest
        for place in range(begin, end):
            row = item_of(n, place)
            if row >= 0:
                more = weight * n.falloff[place + shift]
                column[row] += more
                total += more
                touched[held] = row
                held += marks[row] != mark
                marks[row] = mark
    return held, total


@kernel
def sources_of(
    n: NeighbourArrays,
    recent: NDArray[np.int32],
    rows: NDArray[np.int32],
    wanted: NDArray[np.bool_],
    listed: NDArray[np.float32],
    given: NDArray[np.float32],
    sources: NDArray[np.int32],
) -> None:
    """Set the row of the user's item that gives each wanted row the most, -1: none; `find` first.

    A neighbour's word counts for the newest item it shares with the user.

    Parameters
    ----------
    rows : int32[k]
        Different ones.
    wanted : bool[k]
        Those whose source is set.
    listed : float32[R]
        Scratch memory: zeros, before and after.
    given : float32[k, D]
        Scratch memory.
    sources : int32[k]
    """
    for at in range(len(rows)):
        if wanted[at]:
            listed[rows[at]] = at + 1
            given[at] = 0
    for at in range(n.counters[FOUND]):
        nearest, begin, end, weight = _stretch(n, at)
        shift = len(n.falloff) // 2 - nearest
        depth = n.depth[_LOWEST - (n.rank[at] & _LOWEST)]
        for place in range(begin, end):
            row = item_of(n, place)
            if row >= 0 and listed[row] > 0:
                given[np.int64(listed[row]) - 1, depth] += weight * n.falloff[place + shift]
    for at in range(len(rows)):
        if wanted[at]:
            listed[rows[at]] = 0
            depth = np.argmax(given[at])
            sources[at] = recent[len(recent) - 1 - depth] if given[at, depth] > 0 else -1
