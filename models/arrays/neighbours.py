"""Arrays of session neighbours as compiled functions see them; rebuilt whenever something grows.

A place is one number: `slot << SLOT_SHIFT | position`, the slot of a sequence and where in it an
item occurred. Positions of a slot run on for ever, also when it is given to another sequence: of
two numbers of one slot the larger is the newer, and what lies before `first` is gone.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SLOT_SHIFT = 40
"""Bits of a position."""
RANK_BITS = 20
"""Bits of a number in `NeighbourArrays.rank` that tell equally similar sequences apart."""
UNIT = 1 << 20
"""A similarity of 1: whole numbers, so that a sum does not depend on the order of its terms."""

SLOTS, CHUNKS, SPARE_SLOTS, SPARE_CHUNKS, GIVEN_UP, FOUND = 0, 1, 2, 3, 4, 5
"""Places in `NeighbourArrays.counters`: slots and chunks ever used, how many of them are free
again, sequences given up for others, and the neighbours that `find` found last."""


class NeighbourArrays(NamedTuple):
    """R item rows with the last M places of each; S sequences of up to L items in C chunks of B."""

    slots: NDArray[np.int32]
    """(H,) open-addressing hash table of sequences by key, 0 where empty; H >= 2 S is a power of
    two."""
    keys: NDArray[np.uint64]
    """(S + 1,) of users or sessions; slot 0 is nobody's."""
    origin: NDArray[np.int64]
    """(S + 1,) place at which the sequence began: its position 0 elsewhere."""
    first: NDArray[np.int64]
    """(S + 1,) oldest place whose item is kept."""
    until: NDArray[np.int64]
    """(S + 1,) place of the next item."""
    chunks: NDArray[np.int32]
    """(S + 1, L / B) where the items of a sequence lie, a ring by place; 0 for none yet."""
    items: NDArray[np.int32]
    """(C + 1, B) rows, -1 where nobody knows; B is a power of two; chunk 0 is nobody's."""
    spare_slots: NDArray[np.int32]
    """(S + 1,) slots that are free again, a stack."""
    spare_chunks: NDArray[np.int32]
    """(C + 1,) chunks that are free again, a stack."""
    newer: NDArray[np.int32]
    """(S + 1,) slot that was used next after this one; 0 ends the list, and `newer[0]` is the one
    unused longest."""
    older: NDArray[np.int32]
    """(S + 1,) the same backwards."""
    places: NDArray[np.int64]
    """(R, M) where an item occurred last, a ring."""
    held: NDArray[np.int32]
    """(R,) places in the ring."""
    cursor: NDArray[np.int32]
    """(R,) where the next one goes."""
    counters: NDArray[np.int64]
    shift: int
    """Binary logarithm of B."""
    keep: int
    """Neighbours K that are listened to."""
    steps: NDArray[np.int64]
    """(D,) similarity that a place of the user's last item, of the one before, … adds, shifted
    by `RANK_BITS`."""
    fade: NDArray[np.float32]
    """(D,) how much is made of a neighbour found by the last item, by the one before, …"""
    falloff: NDArray[np.float32]
    """(2 reach + 1,) the same of an item at an offset of -reach to reach from where it was."""
    found: NDArray[np.int32]
    """(S + 1,) scratch: 0, or 1 + where the sequence stands in the next three; clean between
    users."""
    nearest: NDArray[np.int64]
    """(D M + 1,) scratch: place by which a sequence was found."""
    depth: NDArray[np.int32]
    """(D M + 1,) scratch: by which of the user's items, 0 for the last."""
    rank: NDArray[np.int64]
    """(D M + 1,) scratch: similarity, then 2**20 - 1 less the number of sequences found before;
    after `find` the neighbours come first."""
    sink: NDArray[np.int64]
    """(1,) scratch that is only ever written to."""
