"""The table of item-to-item transitions: its arrays, and how they grow."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.arrays.transitions import TransitionArrays
from models.params.transitions import TransitionParams
from models.transitions.rows import SMALLEST, full_at


class Transitions:
    """Owner of the arrays; compiled functions below work on `arrays`.

    Parameters
    ----------
    params : TransitionParams
    rows : int
        Items there is room for.
    """

    def __init__(self, params: TransitionParams, rows: int) -> None:
        largest = SMALLEST
        while full_at(largest) < 2 * params.successors:
            largest *= 2
        self._reserve = params.window * largest * (2 if params.backward else 1)
        self.arrays = TransitionArrays(
            **_rows(rows),
            **_arena(4096 + self._reserve),
            free=np.full(largest.bit_length(), -1, np.int64),
            top=np.zeros(1, np.int64),
            keep=params.successors,
            spare_successor=np.empty(largest, np.int32),
            spare_weight=np.empty(largest, np.float32),
            sink=np.zeros(1, np.int64),
        )

    @property
    def reserve(self) -> int:
        """Slots that one event may need at most: all rows of its window could double."""
        return self._reserve

    def grow(self, rows: int) -> None:
        """Make room for more items."""
        self.arrays = self._copied(_rows(rows))

    def clear(self) -> None:
        """Forget everything."""
        t = self.arrays
        t.capacity[:], t.fill[:], t.total[:] = 0, 0, 0
        t.successor[:] = -1
        t.free[:], t.top[:] = -1, 0

    def make_room(self, slots: int) -> None:
        """Extend the arena so that the given number of slots is free at its end."""
        size = len(self.arrays.successor)
        needed = int(self.arrays.top[0]) + slots
        if needed > size:
            size = max(2 * size, needed)
            self.arrays = self._copied(_arena(size))

    def _copied(self, longer: dict[str, Any]) -> TransitionArrays:
        """Return the arrays with some columns replaced by longer ones, which begin as they did."""
        for name, column in longer.items():
            before = getattr(self.arrays, name)
            column[: len(before)] = before
        return self.arrays._replace(**longer)


def _rows(rows: int) -> dict[str, Any]:
    """Return the columns of empty rows; what belongs to a row lies in one line of the cache."""
    block = np.zeros((rows, 4), np.int64)
    total = block.view(np.float64)[:, 3]
    return {"start": block[:, 0], "capacity": block[:, 1], "fill": block[:, 2], "total": total}


def _arena(slots: int) -> dict[str, Any]:
    """Return empty slots; a successor and its weight lie side by side."""
    block = np.zeros((slots, 2), np.int32)
    block[:, 0] = -1
    return {"successor": block[:, 0], "weight": block.view(np.float32)[:, 1]}


def extended(array: NDArray[Any], rows: int, value: float) -> NDArray[Any]:
    """Return a longer copy of an array, filled up with a value."""
    longer = np.full((rows, *array.shape[1:]), value, array.dtype)
    longer[: len(array)] = array
    return longer
