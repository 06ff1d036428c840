"""The last places of every item and the sequences they lie in, all bounded.

An item row costs 8 M bytes, a sequence about 4 L + 40. Both grow as they are used, up to the rows
of the item table and to S sequences.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.neighbours.arrays import (
    RANK_BITS,
    SLOT_SHIFT,
    UNIT,
    USED,
    NeighbourArrays,
)
from models.neighbours.exchange import export_places, replace_row
from models.neighbours.sequences import enter_all
from models.params import NeighbourParams
from models.transitions.rows import extended

_FIRST_SEQUENCES = 1024
_BY_ROW = ("places", "held", "cursor")
_BY_SLOT = ("keys", "origin", "first", "until", "items", "newer", "older", "found")


class Neighbours:
    """Owner of the arrays; compiled functions of this room work on `arrays`.

    Parameters
    ----------
    params : NeighbourParams
    rows : int
        Items there is room for.

    Attributes
    ----------
    arrays : NeighbourArrays
        Replaced when something grows: fetch it anew each call.
    """

    def __init__(self, params: NeighbourParams, rows: int) -> None:
        self._limit = params.sequences
        sequences = min(_FIRST_SEQUENCES, params.sequences)
        length = 1 << (params.length - 1).bit_length()
        scratch = params.recent * params.places + 1
        steps = params.decay ** np.arange(params.recent)
        offsets = np.arange(-params.reach, params.reach + 1)
        falloff = np.where(offsets < 0, params.before, 1.0) / (1 + 0.5 * np.abs(offsets))
        self.arrays = NeighbourArrays(
            slots=_empty_slots(sequences),
            keys=np.zeros(sequences + 1, np.uint64),
            origin=_beginnings(0, sequences + 1),
            first=_beginnings(0, sequences + 1),
            until=_beginnings(0, sequences + 1),
            items=np.full((sequences + 1, length), -1, np.int32),
            newer=np.zeros(sequences + 1, np.int32),
            older=np.zeros(sequences + 1, np.int32),
            places=np.zeros((rows, params.places), np.int64),
            held=np.zeros(rows, np.int32),
            cursor=np.zeros(rows, np.int32),
            counters=np.zeros(3, np.int64),
            keep=params.neighbours,
            steps=np.rint(steps * UNIT).astype(np.int64) << RANK_BITS,
            fade=steps.astype(np.float32),
            falloff=falloff.astype(np.float32),
            found=np.zeros(sequences + 1, np.int32),
            nearest=np.zeros(scratch, np.int64),
            depth=np.zeros(scratch, np.int32),
            rank=np.zeros(scratch, np.int64),
            touched=np.zeros(rows + 1, np.int32),
            given=np.zeros(params.recent, np.float32),
        )

    @property
    def sequences(self) -> int:
        """Sequences held."""
        return int(self.arrays.counters[USED])

    def grow(self, rows: int) -> None:
        """Make room for more items."""
        longer: dict[str, Any] = {
            name: extended(getattr(self.arrays, name), rows, 0) for name in _BY_ROW
        }
        self.arrays = self.arrays._replace(touched=np.zeros(rows + 1, np.int32), **longer)

    def make_room(self, sequences: int) -> None:
        """Make room for new sequences, as far as the limit allows.

        Call it before so many are learnt, or one would be given up before its time.
        """
        n, before = self.arrays, len(self.arrays.keys)
        needed = min(self._limit, int(n.counters[USED]) + sequences)
        if needed < before:
            return
        slots = min(self._limit, max(needed, 2 * before)) + 1
        longer: dict[str, Any] = {name: extended(getattr(n, name), slots, 0) for name in _BY_SLOT}
        for name in ("origin", "first", "until"):
            longer[name][before:] = _beginnings(before, slots)
        longer["items"][before:] = -1
        self.arrays = n._replace(slots=_empty_slots(slots - 1), **longer)
        enter_all(self.arrays)

    def clear(self) -> None:
        """Forget everything."""
        n = self.arrays
        n.slots[:], n.newer[:], n.older[:] = 0, 0, 0
        for column in (n.origin, n.first, n.until):
            column[:] = _beginnings(0, len(column))
        n.held[:], n.cursor[:], n.counters[:] = 0, 0, 0

    def move(self, moved: NDArray[np.int32]) -> None:
        """Give items other rows.

        Parameters
        ----------
        moved : int32[m]
            New row of each old one, -1 for those given up.
        """
        n = self.arrays
        kept = np.flatnonzero(moved >= 0)
        for name in _BY_ROW:
            column = getattr(n, name)
            column[moved[kept]] = column[kept]
        gone = np.setdiff1d(np.arange(len(n.held)), moved[kept])
        n.held[gone], n.cursor[gone] = 0, 0
        # -1, nobody knows, stays what it is
        n.items[:] = np.append(moved, np.int32(-1))[n.items]

    def export(
        self, rows: NDArray[np.int32], limit: int | None = None
    ) -> tuple[NDArray[np.int32], NDArray[np.uint64], NDArray[np.int32]]:
        """Return where items occurred.

        Parameters
        ----------
        rows : int32[n]
        limit : int, optional
            Newest places of an item that are exported; all without it.

        Returns
        -------
        int32[n + 1], uint64[m], int32[m]
            Bounds of each row, keys of the sequences and positions in them, oldest first.
        """
        room = self.arrays.places.shape[1]
        return export_places(self.arrays, rows, room if limit is None else limit)

    def replace(
        self,
        rows: NDArray[np.int32],
        start: NDArray[np.int32],
        keys: NDArray[np.uint64],
        positions: NDArray[np.int32],
    ) -> None:
        """Overwrite where items occurred by what another worker knows: what `export` returns.

        The last to name an item at a place is believed.
        """
        self.make_room(len(np.unique(keys)))
        for n in range(len(rows)):
            bounds = slice(start[n], start[n + 1])
            replace_row(self.arrays, rows[n], keys[bounds], positions[bounds])


def _empty_slots(sequences: int) -> NDArray[np.int32]:
    """Return a hash table that is at most half full."""
    return np.zeros(1 << (2 * sequences - 1).bit_length(), np.int32)


def _beginnings(begin: int, end: int) -> NDArray[np.int64]:
    """Return the place of the first position of each slot."""
    return np.arange(begin, end, dtype=np.int64) << SLOT_SHIFT
