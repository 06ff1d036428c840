"""The last places of every item and the sequences they lie in, all bounded.

An item row costs 8 M bytes, a sequence about 64 + 4 L / B and each chunk of B items in it 4 B. All
grow as they are used, up to the rows of the item table, to S sequences and to C chunks.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.arrays.neighbours import (
    CHUNKS,
    RANK_BITS,
    SLOT_SHIFT,
    SLOTS,
    SPARE_SLOTS,
    UNIT,
    NeighbourArrays,
)
from models.neighbours.exchange import export_places, replace_row
from models.neighbours.sequences import enter_all, forget_all
from models.params.neighbours import NeighbourParams
from models.transitions.table import extended

_FIRST_SEQUENCES = 1024
_CHUNK = 32
"""Items in a chunk, where sequences are that long."""
_BY_ROW = ("places", "held", "cursor")
_BY_SLOT = ("keys", "origin", "first", "until", "chunks", "newer", "older", "spare_slots", "found")


NONE = NeighbourParams(
    occurrences=1, most_similar=1, sequences=1, length=1, kept=1, recent=1, reach=0
)
"""Of a model without neighbours."""


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
        length = 1 << (params.length - 1).bit_length()
        chunk = min(length, _CHUNK)
        self._limit = params.sequences
        # one sequence must have room, whoever else has to go
        self._chunk_limit = max(-(-params.kept // chunk), length // chunk)
        sequences = min(_FIRST_SEQUENCES, params.sequences)
        chunks = max(min(_FIRST_SEQUENCES, self._chunk_limit), length // chunk)
        scratch = params.recent * params.occurrences + 1
        steps = params.decay ** np.arange(params.recent)
        offsets = np.arange(-params.reach, params.reach + 1)
        falloff = np.where(offsets < 0, params.before, 1.0) / (1 + 0.5 * np.abs(offsets))
        self.arrays = NeighbourArrays(
            slots=_empty_slots(sequences),
            keys=np.zeros(sequences + 1, np.uint64),
            origin=_beginnings(0, sequences + 1),
            first=_beginnings(0, sequences + 1),
            until=_beginnings(0, sequences + 1),
            chunks=np.zeros((sequences + 1, length // chunk), np.int32),
            items=np.full((chunks + 1, chunk), -1, np.int32),
            spare_slots=np.zeros(sequences + 1, np.int32),
            spare_chunks=np.zeros(chunks + 1, np.int32),
            newer=np.zeros(sequences + 1, np.int32),
            older=np.zeros(sequences + 1, np.int32),
            places=np.zeros((rows, params.occurrences), np.int64),
            held=np.zeros(rows, np.int32),
            cursor=np.zeros(rows, np.int32),
            counters=np.zeros(6, np.int64),
            shift=chunk.bit_length() - 1,
            keep=params.most_similar,
            steps=np.rint(steps * UNIT).astype(np.int64) << RANK_BITS,
            fade=steps.astype(np.float32),
            falloff=falloff.astype(np.float32),
            found=np.zeros(sequences + 1, np.int32),
            nearest=np.zeros(scratch, np.int64),
            depth=np.zeros(scratch, np.int32),
            rank=np.zeros(scratch, np.int64),
            sink=np.zeros(1, np.int64),
        )

    @property
    def sequences(self) -> int:
        """Sequences held."""
        counters = self.arrays.counters
        return int(counters[SLOTS] - counters[SPARE_SLOTS])

    def grow(self, rows: int) -> None:
        """Make room for more items."""
        longer: dict[str, Any] = {
            name: extended(getattr(self.arrays, name), rows, 0) for name in _BY_ROW
        }
        self.arrays = self.arrays._replace(**longer)

    def make_room(self, events: int) -> None:
        """Make room for what is learnt next, as far as the limits allow.

        Call it before so many events are learnt, or a sequence is given up before its time.
        """
        self._make_room(events, events)

    def _make_room(self, sequences: int, chunks: int) -> None:
        n = self.arrays
        slots = _longer(len(n.keys) - 1, int(n.counters[SLOTS]) + sequences, self._limit)
        if slots >= len(n.keys):
            self._add_slots(slots + 1)
        size = _longer(len(n.items) - 1, int(n.counters[CHUNKS]) + chunks, self._chunk_limit)
        if size >= len(n.items):
            self.arrays = self.arrays._replace(
                items=extended(n.items, size + 1, -1),
                spare_chunks=extended(n.spare_chunks, size + 1, 0),
            )

    def _add_slots(self, size: int) -> None:
        n, before = self.arrays, len(self.arrays.keys)
        longer: dict[str, Any] = {name: extended(getattr(n, name), size, 0) for name in _BY_SLOT}
        for name in ("origin", "first", "until"):
            longer[name][before:] = _beginnings(before, size)
        self.arrays = n._replace(slots=_empty_slots(size - 1), **longer)
        enter_all(self.arrays)

    def clear(self) -> None:
        """Forget everything."""
        n = self.arrays
        n.slots[:], n.newer[:], n.older[:], n.chunks[:] = 0, 0, 0, 0
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
        other = kept[moved[kept] != kept]
        for name in _BY_ROW:
            column = getattr(n, name)
            column[moved[other]] = column[other]
        gone = np.ones(len(n.held), np.bool_)
        gone[moved[kept]] = False
        n.held[gone], n.cursor[gone] = 0, 0
        n.items[:] = np.append(moved, np.int32(-1))[n.items]

    def forget(self, users: NDArray[np.uint64]) -> NDArray[np.int32]:
        """Forget the sequences of users, by their keys; return the rows that were in them."""
        return forget_all(self.arrays, users)

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
        sequences = len(np.unique(keys))
        self._make_room(sequences, sequences * self.arrays.chunks.shape[1])
        for n in range(len(rows)):
            bounds = slice(start[n], start[n + 1])
            replace_row(self.arrays, rows[n], keys[bounds], positions[bounds])


def _longer(size: int, needed: int, limit: int) -> int:
    """Return the size of something that at least doubles when it grows, up to a limit."""
    return min(limit, max(needed, 2 * size)) if needed > size else size


def _empty_slots(sequences: int) -> NDArray[np.int32]:
    """Return a hash table that is at most half full."""
    return np.zeros(1 << (2 * sequences - 1).bit_length(), np.int32)


def _beginnings(begin: int, end: int) -> NDArray[np.int64]:
    """Return the place of the first position of each slot."""
    return np.arange(begin, end, dtype=np.int64) << SLOT_SHIFT
