"""Item-to-item transitions: C[x][b], how much item b followed item x.

A row x is a small open-addressing table of (successor, weight) in an arena all rows share. Rows
double from 8 slots as they fill; blocks they leave go to the free list of their size, so memory
is proportional to what is stored. A row is bounded: when it holds 2 M entries and needs one
more, its M heaviest stay; when a weight passes 2^20, the row is halved. Its total R[x] is the sum
of what is kept, so that the shares C[x][b] / R[x] of a row always add up to 1.
"""

import numpy as np
from numpy.typing import NDArray

from models.arrays.transitions import TransitionArrays
from models.compiled import Integer, Real, entry, kernel

SMALLEST = 8
_SPREAD = 0x9E3779B1
HEAVIEST = np.float32(1 << 20)
"""Weight beyond which a row is halved: up to there, steps of a sixteenth count in 32 bits."""


@kernel
def add(t: TransitionArrays, x: Integer, b: Integer, weight: Real) -> None:
    """Count that b followed x; the arena must have room for one more block."""
    if t.capacity[x] == 0:
        _allocate(t, x, SMALLEST)
    slot = _find(t, x, b)
    if t.successor[slot] < 0:
        if t.fill[x] >= 2 * t.keep:
            _rebuild(t, x, t.capacity[x])
            slot = _find(t, x, b)
        elif t.fill[x] >= full_at(t.capacity[x]):
            _rebuild(t, x, 2 * t.capacity[x])
            slot = _find(t, x, b)
        t.successor[slot] = b
        t.weight[slot] = 0
        t.fill[x] += 1
    before = t.weight[slot]
    t.weight[slot] = before + np.float32(weight)
    # what was added in 32 bits, so that the total stays the sum of the weights
    t.total[x] += np.float64(t.weight[slot]) - np.float64(before)
    if t.weight[slot] > HEAVIEST:
        _halve(t, x)


@kernel
def _halve(t: TransitionArrays, x: Integer) -> None:
    """Halve all weights of a row: the shares stay, and small steps count again."""
    for slot in range(t.start[x], t.start[x] + t.capacity[x]):
        if t.successor[slot] >= 0:
            t.weight[slot] *= np.float32(0.5)
    t.total[x] *= 0.5


@kernel
def replace(
    t: TransitionArrays, x: Integer, successors: NDArray[np.int32], weights: NDArray[np.float32]
) -> None:
    """Replace a row; successors below 0 are left out. The arena must have room, see `add`."""
    clear(t, x)
    # halved by one factor: `add` would halve those that came first once more than the last
    scale, heaviest_one = np.float32(1), np.float32(0)
    for n in range(len(successors)):
        heaviest_one = max(heaviest_one, weights[n])
    while heaviest_one * scale > HEAVIEST:
        scale *= np.float32(0.5)
    for n in range(len(successors)):
        if successors[n] >= 0 and weights[n] > 0:
            add(t, x, successors[n], weights[n] * scale)


@kernel
def _rename(t: TransitionArrays, x: Integer, names: NDArray[np.int32]) -> None:
    """Give the successors of a row their new rows, in its block; `names` as in `move_rows`."""
    start, end = t.start[x], t.start[x] + t.capacity[x]
    held, total, changed = np.uint64(0), 0.0, np.int32(0)
    for slot in range(start, end):  # without a branch: which slots are empty cannot be predicted
        b = t.successor[slot]
        to = names[np.uint32(b + np.int32(1))]
        changed |= to ^ b
        t.spare_successor[held] = to
        t.spare_weight[held] = t.weight[slot]
        held += np.uint64(to >= 0)
    if changed == 0:
        return
    for slot in range(start, end):
        t.successor[slot] = -1
    mask = t.capacity[x] - 1
    for n in range(held):
        b = t.spare_successor[n]
        at = _slot(b, mask)
        while t.successor[start + at] >= 0:
            at = (at + 1) & mask
        t.successor[start + at] = b
        t.weight[start + at] = t.spare_weight[n]
        total += t.spare_weight[n]
    t.fill[x] = held
    t.total[x] = total


@entry
def move_rows(t: TransitionArrays, names: NDArray[np.int32]) -> None:
    """Give items other rows, see `models.items.table.Items.make_room`.

    Blocks stay where they are; those of rows that are given up go to the free lists.

    Parameters
    ----------
    names : int32[1 + n]
        -1, which empty slots name, then the new row of each of the first n, -1 for those given up.
        A row moves only to the place of one that is given up.
    """
    for x in range(len(names) - 1):
        if names[x + 1] < 0:
            clear(t, x)
    for x in range(len(names) - 1):
        y = names[x + 1]
        if y >= 0 and t.capacity[x] > 0:
            _rename(t, x, names)
        if y >= 0 and y != x:
            t.start[y], t.capacity[y] = t.start[x], t.capacity[x]
            t.fill[y], t.total[y] = t.fill[x], t.total[x]
            t.capacity[x], t.fill[x], t.total[x] = 0, 0, 0.0


@kernel
def weight_of(t: TransitionArrays, x: Integer, b: Integer) -> Real:
    """Return C[x][b]."""
    if t.capacity[x] == 0:
        return np.float32(0)
    slot = _find(t, x, b)
    return t.weight[slot] if t.successor[slot] == b else np.float32(0)


@kernel
def clear(t: TransitionArrays, x: Integer) -> None:
    """Forget a row and free its block."""
    if t.capacity[x] > 0:
        _release(t, t.start[x], t.capacity[x])
    t.capacity[x] = 0
    t.fill[x] = 0
    t.total[x] = 0


@kernel
def look_first(
    t: TransitionArrays,
    x: Integer,
    rows: NDArray[np.int64],
    first: NDArray[np.int32],
    at: Integer,
) -> None:
    """Read the first slot of each b of `rows` in row x, for `add_weights`.

    Reading all of them before any is looked at, the waits for memory overlap.

    Parameters
    ----------
    first : int32[W, n]
        Row `at` is filled.
    """
    start, mask = t.start[x], t.capacity[x] - 1
    for n in range(len(rows) if mask >= 0 else 0):
        first[at, n] = t.successor[start + _slot(rows[n], mask)]


@kernel
def add_weights(
    t: TransitionArrays,
    x: Integer,
    scale: Real,
    rows: NDArray[np.int64],
    first: NDArray[np.int32],
    at: Integer,
    sums: NDArray[np.float32],
) -> None:
    """Add scale C[x][b] to the sum of each b of `rows`; those below 0 are none."""
    start, mask = t.start[x], t.capacity[x] - 1
    for n in range(len(rows) if mask >= 0 else 0):
        b, found = rows[n], np.int64(first[at, n])
        if b >= 0 and found >= 0:
            slot = _slot(b, mask)
            while found != b and found >= 0:
                slot = (slot + 1) & mask
                found = t.successor[start + slot]
            if found == b:
                sums[n] += scale * t.weight[start + slot]


@kernel
def fetch(t: TransitionArrays, x: Integer, b: Integer) -> Integer:
    """Read where b is looked for in row x, to have it in the cache; return what is there."""
    capacity: Integer = max(t.capacity[x], 1)
    return t.successor[t.start[x] + _slot(b, capacity - 1)]


@kernel
def _slot(b: Integer, mask: Integer) -> Integer:
    """Return where in its row a successor is looked for first."""
    return (np.int64(b) * _SPREAD >> 16) & mask


@entry
def full_at(capacity: Integer) -> Integer:
    """Return the entries a block takes before it has to double: 80 %."""
    return capacity * 4 // 5


@kernel
def _find(t: TransitionArrays, x: Integer, b: Integer) -> Integer:
    """Return the slot that holds b in row x, or the empty one where it belongs."""
    mask = np.int64(t.capacity[x]) - 1
    start = t.start[x]
    at = _slot(b, mask)
    while True:
        found = t.successor[start + at]
        if found == b or found < 0:
            return start + at
        at = (at + 1) & mask


@kernel
def _rebuild(t: TransitionArrays, x: Integer, capacity: Integer) -> None:
    """Move a row into a clean block; of `2 * keep` entries only the heaviest half."""
    held = heaviest(t, x, t.keep if t.fill[x] >= 2 * t.keep else t.fill[x])
    clear(t, x)
    _allocate(t, x, capacity)
    for n in range(held):
        slot = _find(t, x, t.spare_successor[n])
        t.successor[slot] = t.spare_successor[n]
        t.weight[slot] = t.spare_weight[n]
        t.total[x] += t.spare_weight[n]
    t.fill[x] = held


@kernel
def heaviest(t: TransitionArrays, x: Integer, limit: Integer) -> Integer:
    """Copy the `limit` heaviest entries of a row to the spare arrays; return how many there are.

    They are not sorted: nobody needs their order, and sorting cost more than the copy.
    """
    held = _gather(t, x)
    if held <= limit:
        return held
    _put_heaviest_first(t.spare_successor, t.spare_weight, held, limit)
    return limit


@kernel
def _gather(t: TransitionArrays, x: Integer) -> Integer:
    """Copy the entries of a row to the spare arrays, in the order of their slots."""
    held = 0
    for slot in range(t.start[x], t.start[x] + t.capacity[x]):
        if t.successor[slot] >= 0:
            t.spare_successor[held] = t.successor[slot]
            t.spare_weight[held] = t.weight[slot]
            held += 1
    return held


@kernel
def _put_heaviest_first(
    successor: NDArray[np.int32], weight: NDArray[np.float32], held: Integer, limit: Integer
) -> None:
    """Reorder entries so that the first `limit` are the heaviest (Hoare's quickselect)."""
    low, high = 0, held - 1
    while low < high:
        pivot, left, right = weight[(low + high) // 2], low, high
        while left <= right:
            while weight[left] > pivot:
                left += 1
            while weight[right] < pivot:
                right -= 1
            if left <= right:
                weight[left], weight[right] = weight[right], weight[left]
                successor[left], successor[right] = successor[right], successor[left]
                left += 1
                right -= 1
        if limit - 1 <= right:
            high = right
        elif limit - 1 >= left:
            low = left
        else:
            return


@kernel
def _allocate(t: TransitionArrays, x: Integer, capacity: Integer) -> None:
    """Give a row an empty block: a freed one of that size, else the next slots of the arena."""
    size = _class_of(capacity)
    start = t.free[size]
    if start >= 0:
        t.free[size] = np.int64(t.successor[start]) * SMALLEST - SMALLEST
        t.successor[start] = -1
    else:
        start = t.top[0]
        t.top[0] += capacity
    t.start[x] = start
    t.capacity[x] = capacity


@kernel
def _release(t: TransitionArrays, start: Integer, capacity: Integer) -> None:
    """Put a block on the free list of its size, empty but for the name of the next one."""
    size = _class_of(capacity)
    t.successor[start : start + capacity] = -1
    # blocks start at multiples of the smallest; 0 says none
    t.successor[start] = (t.free[size] + SMALLEST) // SMALLEST
    t.free[size] = start


@kernel
def _class_of(capacity: Integer) -> Integer:
    """Return c of a block of 8 << c slots."""
    size = 0
    while capacity > SMALLEST:
        capacity >>= 1
        size += 1
    return size
