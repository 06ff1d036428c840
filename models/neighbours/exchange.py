"""Places of items on their way out of a worker and into another."""

import numpy as np
from numpy.typing import NDArray

from models.arrays.neighbours import SLOT_SHIFT, NeighbourArrays
from models.compiled import Integer, Truth, compiled, entry, kernel
from models.neighbours.learn import place_at
from models.neighbours.sequences import item_of, set_item

_FARTHEST = np.iinfo(np.int32).max


@compiled
def export_places(
    n: NeighbourArrays, rows: NDArray[np.int32], limit: Integer
) -> tuple[NDArray[np.int32], NDArray[np.uint64], NDArray[np.int32]]:
    """Return bounds, sequence keys and positions of the newest places of rows, oldest first."""
    start = np.zeros(len(rows) + 1, np.int32)
    for at in range(len(rows)):
        start[at + 1] = start[at] + min(_living(n, rows[at]), limit)
    keys = np.empty(start[-1], np.uint64)
    positions = np.empty(start[-1], np.int32)
    for at in range(len(rows)):
        to = start[at + 1]
        for back in range(n.held[rows[at]]):
            place = _place(n, rows[at], back)
            if to > start[at] and _lives(n, place):
                to -= 1
                keys[to] = n.keys[place >> SLOT_SHIFT]
                positions[to] = place - n.origin[place >> SLOT_SHIFT]
    return start, keys, positions


@entry
def replace_row(
    n: NeighbourArrays, row: Integer, keys: NDArray[np.uint64], positions: NDArray[np.int32]
) -> None:
    """Replace the places of an item; positions before a sequence's ring are left out."""
    _forget(n, row)
    for at in range(len(keys)):
        if positions[at] >= 0:
            place_at(n, keys[at], row, positions[at])


@kernel
def _forget(n: NeighbourArrays, row: Integer) -> None:
    """Forget the places of an item, here and in the sequences."""
    for back in range(n.held[row]):
        place = _place(n, row, back)
        if place >= n.first[place >> SLOT_SHIFT] and item_of(n, place) == row:
            set_item(n, place, -1)
    n.held[row] = 0
    n.cursor[row] = 0


@kernel
def _place(n: NeighbourArrays, row: Integer, back: Integer) -> Integer:
    """Return a place of an item, 0 back being the newest."""
    at = n.cursor[row] - 1 - back
    return n.places[row, at if at >= 0 else at + n.places.shape[1]]


@kernel
def _living(n: NeighbourArrays, row: Integer) -> Integer:
    living = 0
    for back in range(n.held[row]):
        living += _lives(n, _place(n, row, back))
    return living


@kernel
def _lives(n: NeighbourArrays, place: Integer) -> Truth:
    """Return whether a sequence still holds what was at a place, and its position can be told."""
    slot = place >> SLOT_SHIFT
    return place >= n.first[slot] and place - n.origin[slot] <= _FARTHEST
