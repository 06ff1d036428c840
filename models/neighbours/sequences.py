"""Sequences by key: a bounded table that gives up the one unused longest.

Their items lie in chunks of one size, so that a sequence costs what it holds and no memory is ever
in the wrong place.
"""

import numpy as np
from numpy.typing import NDArray

from models.arrays.neighbours import (
    CHUNKS,
    GIVEN_UP,
    SLOT_SHIFT,
    SLOTS,
    SPARE_CHUNKS,
    SPARE_SLOTS,
    NeighbourArrays,
)
from models.compiled import Integer, compiled, entry, kernel
from models.numeric.initial import scrambled


@kernel
def slot_of(n: NeighbourArrays, key: Integer) -> Integer:
    """Return the slot of a sequence, 0 where it is not known."""
    return n.slots[_hashed(n, key)]


@kernel
def enter(n: NeighbourArrays, key: Integer) -> Integer:
    """Return the slot of a sequence, which is now the one used last; a new one gets a slot."""
    slot = n.slots[_hashed(n, key)]
    if slot > 0:
        if n.older[0] == slot:
            return slot
        _unlink(n, slot)
    else:
        slot = _vacant_slot(n)
        n.keys[slot] = key
        n.slots[_hashed(n, key)] = slot
    _link(n, slot)
    return slot


@entry
def enter_all(n: NeighbourArrays) -> None:
    """Enter all sequences into an empty hash table."""
    slot = n.newer[0]
    while slot > 0:
        n.slots[_hashed(n, n.keys[slot])] = slot
        slot = n.newer[slot]


@entry
def leads_of(
    n: NeighbourArrays, keys: NDArray[np.uint64], known: NDArray[np.int64], lead: NDArray[np.int32]
) -> None:
    """Set how many more events the sequences of users hold than their records know of.

    The record of a user who was away too long is gone, its sequence is not: it goes on where it
    ended, or all that follows would lie before what its ring still holds.

    Parameters
    ----------
    keys : uint64[U]
        Of the users.
    known : int64[U]
        Events of weight > 0 of each, as its record says.
    lead : int32[U]
    """
    for u in range(len(keys)):
        slot = slot_of(n, keys[u])
        lead[u] = max(0, n.until[slot] - n.origin[slot] - known[u]) if slot > 0 else 0


@kernel
def extend(n: NeighbourArrays, slot: Integer, place: Integer) -> None:
    """Let the sequence used last reach up to a place; what lies between is unknown."""
    length = n.chunks.shape[1] << n.shift
    begin = max(n.until[slot], place + 1 - length)
    for block in range(begin >> n.shift, (place >> n.shift) + 1):
        at = block & (n.chunks.shape[1] - 1)
        if n.chunks[slot, at] == 0:
            n.chunks[slot, at] = _vacant_chunk(n)
    n.until[slot] = place + 1
    n.first[slot] = max(n.first[slot], place + 1 - length)
    for between in range(begin, place + 1):
        set_item(n, between, -1)


@kernel
def chunk_of(n: NeighbourArrays, place: Integer) -> Integer:
    """Return the chunk that holds a place."""
    return n.chunks[place >> SLOT_SHIFT, (place >> n.shift) & (n.chunks.shape[1] - 1)]


@kernel
def item_of(n: NeighbourArrays, place: Integer) -> Integer:
    """Return the row at a place, -1 where nobody knows."""
    return n.items[chunk_of(n, place), place & (n.items.shape[1] - 1)]


@kernel
def set_item(n: NeighbourArrays, place: Integer, row: Integer) -> None:
    """Set the row at a place that the sequence reaches."""
    n.items[chunk_of(n, place), place & (n.items.shape[1] - 1)] = row


@kernel
def _vacant_slot(n: NeighbourArrays) -> Integer:
    """Return a slot that is in nobody's use."""
    if n.counters[SPARE_SLOTS] == 0 and n.counters[SLOTS] < len(n.keys) - 1:
        n.counters[SLOTS] += 1
        return n.counters[SLOTS]
    if n.counters[SPARE_SLOTS] == 0:
        _give_up(n, n.newer[0])
    n.counters[SPARE_SLOTS] -= 1
    return n.spare_slots[n.counters[SPARE_SLOTS]]


@kernel
def _vacant_chunk(n: NeighbourArrays) -> Integer:
    """Return a chunk that is in nobody's use."""
    if n.counters[SPARE_CHUNKS] == 0 and n.counters[CHUNKS] < len(n.items) - 1:
        n.counters[CHUNKS] += 1
        return n.counters[CHUNKS]
    while n.counters[SPARE_CHUNKS] == 0:  # a sequence may be without one
        _give_up(n, n.newer[0])
    n.counters[SPARE_CHUNKS] -= 1
    return n.spare_chunks[n.counters[SPARE_CHUNKS]]


@compiled
def forget_all(n: NeighbourArrays, keys: NDArray[np.uint64]) -> NDArray[np.int32]:
    """Forget some sequences; return the rows that were in them.

    Parameters
    ----------
    keys : uint64[m]
        Of users; those that are not known are passed over.
    """
    many: Integer = 0
    for at in range(len(keys)):
        slot = slot_of(n, keys[at])
        many += n.until[slot] - n.first[slot] if slot > 0 else 0
    rows, found = np.empty(many, np.int32), 0
    for at in range(len(keys)):
        slot = slot_of(n, keys[at])
        if slot > 0:
            for place in range(n.first[slot], n.until[slot]):
                row = item_of(n, place)
                if row >= 0:
                    rows[found] = row
                    found += 1
            n.keys[slot] = _give_up_key(n, slot)
    unique: NDArray[np.int32] = np.unique(rows[:found])
    return unique


@kernel
def _give_up_key(n: NeighbourArrays, slot: Integer) -> Integer:
    """Forget a sequence, and return what stands for its key: nothing."""
    _give_up(n, slot)
    return np.uint64(0)


@kernel
def _give_up(n: NeighbourArrays, slot: Integer) -> None:
    """Forget a sequence: its places are gone, its slot and its chunks are free."""
    _unhash(n, n.keys[slot])
    _unlink(n, slot)
    for at in range(n.chunks.shape[1]):
        if n.chunks[slot, at] > 0:
            n.spare_chunks[n.counters[SPARE_CHUNKS]] = n.chunks[slot, at]
            n.counters[SPARE_CHUNKS] += 1
            n.chunks[slot, at] = 0
    # the next one begins with a chunk of its own
    begin = ((n.until[slot] - 1 >> n.shift) + 1) << n.shift
    n.origin[slot], n.first[slot], n.until[slot] = begin, begin, begin
    n.spare_slots[n.counters[SPARE_SLOTS]] = slot
    n.counters[SPARE_SLOTS] += 1
    n.counters[GIVEN_UP] += 1


@kernel
def _hashed(n: NeighbourArrays, key: Integer) -> Integer:
    """Return where the hash table holds a key, or the empty place where it belongs."""
    mask = len(n.slots) - 1
    at = _home(key, mask)
    while n.slots[at] > 0 and n.keys[n.slots[at]] != np.uint64(key):
        at = (at + 1) & mask
    return at


@kernel
def _home(key: Integer, mask: Integer) -> Integer:
    return np.int64(scrambled(np.uint64(key)) & np.uint64(mask))


@kernel
def _unhash(n: NeighbourArrays, key: Integer) -> None:
    """Take a key out; those behind it that it had pushed aside move up (Knuth 3, 6.4, R)."""
    mask = len(n.slots) - 1
    hole = _hashed(n, key)
    at = (hole + 1) & mask
    while n.slots[at] > 0:
        home = _home(n.keys[n.slots[at]], mask)
        if (at - home) & mask >= (at - hole) & mask:
            n.slots[hole] = n.slots[at]
            hole = at
        at = (at + 1) & mask
    n.slots[hole] = 0


@kernel
def _unlink(n: NeighbourArrays, slot: Integer) -> None:
    n.newer[n.older[slot]] = n.newer[slot]
    n.older[n.newer[slot]] = n.older[slot]


@kernel
def _link(n: NeighbourArrays, slot: Integer) -> None:
    last = n.older[0]
    n.newer[last] = slot
    n.older[slot] = last
    n.newer[slot] = 0
    n.older[0] = slot
