"""The hash table from item keys to rows: open addressing, at most half full."""

import numpy as np
from numpy.typing import NDArray

from models.arrays import SIZE, ItemArrays
from models.compiled import Integer, Truth, kernel
from models.initial import scrambled


def empty_slots(rows: int) -> NDArray[np.int32]:
    """Return a hash table that is at most half full."""
    return np.full(1 << (2 * rows - 1).bit_length(), -1, np.int32)


@kernel
def row_of(a: ItemArrays, key: Integer) -> Integer:
    """Return the row of a key, -1 where it has none."""
    return a.slots[_slot_of(a, key)]


@kernel
def find_rows(
    a: ItemArrays,
    keys: NDArray[np.uint64],
    found: NDArray[np.int32],
    begin: Integer,
    register: Truth,
) -> Integer:
    """Fill `found` with the rows of keys; return where it stopped for want of a free row."""
    for n in range(begin, len(keys)):
        slot = _slot_of(a, keys[n])
        row = a.slots[slot]
        if row < 0 and register:
            row = a.counters[SIZE]
            if row == len(a.keys):
                return n
            a.slots[slot] = row
            a.keys[row] = keys[n]
            a.counters[SIZE] += 1
        found[n] = row
    return len(keys)


@kernel
def enter_all(a: ItemArrays) -> None:
    """Enter all rows into an empty hash table."""
    for row in range(a.counters[SIZE]):
        a.slots[_slot_of(a, a.keys[row])] = row


@kernel
def _slot_of(a: ItemArrays, key: Integer) -> Integer:
    """Return the slot that holds a key, or the empty one where it belongs."""
    mask = len(a.slots) - 1
    at = np.int64(scrambled(key) & np.uint64(mask))
    while a.slots[at] >= 0 and a.keys[a.slots[at]] != key:
        at = (at + 1) & mask
    return at
