"""Learning of session neighbours: one more occurrence of the event's item."""

from models.arrays.neighbours import NeighbourArrays
from models.compiled import Integer, kernel
from models.neighbours.sequences import enter, extend, set_item


@kernel
def learn(n: NeighbourArrays, key: Integer, row: Integer) -> None:
    """Append an item to a sequence."""
    slot = enter(n, key)
    place = n.until[slot]
    extend(n, slot, place)
    set_item(n, place, row)
    note(n, row, place)


@kernel
def place_at(n: NeighbourArrays, key: Integer, row: Integer, position: Integer) -> None:
    """Put an item at a position of a sequence; what its ring no longer reaches is left out."""
    slot = enter(n, key)
    place = n.origin[slot] + position
    if place >= n.until[slot]:
        extend(n, slot, place)
    if place >= n.first[slot]:
        set_item(n, place, row)
        note(n, row, place)


@kernel
def note(n: NeighbourArrays, row: Integer, place: Integer) -> None:
    """Remember a place of an item, instead of its oldest where the ring is full."""
    room = n.places.shape[1]
    at = n.cursor[row]
    n.places[row, at] = place
    n.cursor[row] = at + 1 if at + 1 < room else 0
    n.held[row] = min(n.held[row] + 1, room)
