"""Items of a user's past that are not recommended again: four bytes each, some thousands of them.

An entry is the lower half of the item's key; its lowest bit says whether the event was a strong
one, such as a purchase. Of two items whose keys share 31 bits, one is taken for the other: with
2,048 entries once in a million items.
"""

import numpy as np

from models.arrays import UserArrays
from models.compiled import Integer, Truth, kernel
from models.lookup import short_of


@kernel
def note_past(users: UserArrays, u: Integer, key: Integer, strong: Truth) -> None:
    """Add an item to a user's past; a full one loses its oldest weak entry, else its oldest."""
    past, n = users.past, users.past_length[u]
    short = short_of(key)
    bit = np.uint32(1) if strong else np.uint32(0)
    for at in range(n):
        if past[u, at] & np.uint32(0xFFFFFFFE) == short:
            past[u, at] |= bit
            return
    if n == past.shape[1]:
        out = 0
        while out < n and past[u, out] & np.uint32(1):
            out += 1
        out = 0 if out == n else out
        for at in range(out, n - 1):
            past[u, at] = past[u, at + 1]
        n -= 1
    past[u, n] = short | bit
    users.past_length[u] = n + 1


@kernel
def is_past(users: UserArrays, u: Integer, key: Integer) -> Truth:
    """Return whether an item belongs to a user's past."""
    short, found = short_of(key), False
    for at in range(users.past_length[u]):  # no early exit: the loop is vectorised
        found |= users.past[u, at] & np.uint32(0xFFFFFFFE) == short
    return found
