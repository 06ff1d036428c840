"""The hash table from item keys to rows: open addressing, at most half full."""

import numpy as np
from numpy.typing import NDArray

from models.arrays.items import SIZE, ItemArrays, Lookup
from models.compiled import Integer, Truth, entry, kernel
from models.numeric.initial import scrambled


def empty_slots(rows: int) -> NDArray[np.int32]:
    """Return a hash table that is at most half full."""
    return np.full(1 << (2 * rows - 1).bit_length(), -1, np.int32)


@kernel
def row_of(a: ItemArrays | Lookup, key: Integer) -> Integer:
    """Return the row of a key, -1 where it has none."""
    return a.slots[_slot_of(a, key)]


@entry
def find_rows(
    a: Lookup,
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
            _enter_short(a, row)
        found[n] = row
    return len(keys)


@entry
def enter_all(a: Lookup) -> None:
    """Enter all rows into an empty hash table."""
    for row in range(a.counters[SIZE]):
        a.slots[_slot_of(a, a.keys[row])] = row
        _enter_short(a, row)


@kernel
def mark_short(a: ItemArrays, short: Integer, marks: NDArray[np.int64], mark: Integer) -> None:
    """Mark the rows of a short key: one, or several whose keys end alike."""
    mask = len(a.short_slots) - 1
    at = _short_slot(a, short)
    while a.short_slots[at] >= 0:
        row = a.short_slots[at]
        if short_of(a.keys[row]) == short_of(short):
            marks[row] = mark
        at = (at + 1) & mask


@kernel
def short_of(key: Integer) -> Integer:
    """Return the 31 bits of a key that a short key has; its lowest bit is free."""
    return np.uint32(np.uint64(key) & np.uint64(0xFFFFFFFE))


@kernel
def _enter_short(a: Lookup, row: Integer) -> None:
    mask = len(a.short_slots) - 1
    at = _short_slot(a, a.keys[row])
    while a.short_slots[at] >= 0:
        at = (at + 1) & mask
    a.short_slots[at] = row


@kernel
def _short_slot(a: ItemArrays | Lookup, key: Integer) -> Integer:
    mask = np.uint64(len(a.short_slots) - 1)
    return np.int64(scrambled(np.uint64(short_of(key))) & mask)


@kernel
def _slot_of(a: ItemArrays | Lookup, key: Integer) -> Integer:
    """Return the slot that holds a key, or the empty one where it belongs."""
    mask = len(a.slots) - 1
    at = np.int64(scrambled(key) & np.uint64(mask))
    while a.slots[at] >= 0 and a.keys[a.slots[at]] != key:
        at = (at + 1) & mask
    return at
