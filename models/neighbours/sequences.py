"""Sequences by key: a bounded table that gives up the one unused longest."""

import numpy as np

from models.compiled import Integer, kernel
from models.initial import scrambled
from models.neighbours.arrays import GIVEN_UP, USED, NeighbourArrays


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
        slot = _vacant(n)
        n.keys[slot] = key
        n.slots[_hashed(n, key)] = slot
    _link(n, slot)
    return slot


@kernel
def enter_all(n: NeighbourArrays) -> None:
    """Enter all sequences into an empty hash table."""
    for slot in range(1, n.counters[USED] + 1):
        n.slots[_hashed(n, n.keys[slot])] = slot


@kernel
def _vacant(n: NeighbourArrays) -> Integer:
    """Return a slot that is in nobody's use; its old places are gone."""
    if n.counters[USED] < len(n.keys) - 1:
        n.counters[USED] += 1
        return n.counters[USED]
    slot = n.newer[0]
    _unhash(n, n.keys[slot])
    _unlink(n, slot)
    n.origin[slot] = n.until[slot]
    n.first[slot] = n.until[slot]
    n.counters[GIVEN_UP] += 1
    return slot


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
