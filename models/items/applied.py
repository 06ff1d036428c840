"""Events a worker has learnt already: the loop delivers at least once, and its own too."""

from collections import deque

import numpy as np
from numpy.typing import NDArray

from models.columns.events import OFFSET_BITS
from models.compiled import Integer, entry
from models.index.marks import within
from models.transitions.table import extended

_SNAPSHOTS = 24


class Applied:
    """Highest offset applied of every (bucket, partition).

    Events of one bucket and partition must come in order of their offsets, and none may be
    claimed that is not then learnt. Memory: 8 bytes a bucket and partition.
    """

    def __init__(self) -> None:
        self._highest = np.full((0, 0), -1, np.int64)
        self._past: deque[tuple[int, NDArray[np.int64]]] = deque(maxlen=_SNAPSHOTS)

    @property
    def highest(self) -> NDArray[np.int64]:
        """(buckets, partitions) newest coordinate applied, -1 for none; as far as there are any."""
        return used(self._highest)

    def contain(self, marks: NDArray[np.int64]) -> None:
        """Take for applied what somebody else has: (buckets, partitions) coordinates."""
        self._make_room(*marks.shape)
        rows, columns = marks.shape
        mine = self._highest[:rows, :columns]
        np.maximum(mine, marks, out=mine)

    def note(self, step: int) -> None:
        """Remember what is applied at a step of the caller's; the oldest notes are forgotten."""
        self._past.append((step, used(self._highest).copy()))

    def step_within(self, marks: NDArray[np.int64]) -> int:
        """Return the newest step noted at which nothing was applied beyond marks; -1 for none."""
        for step, highest in reversed(self._past):
            if within(highest, marks):
                return step
        return -1

    def claim(self, bucket: int, coordinate: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which events are newer than all before them, and remember them.

        Parameters
        ----------
        bucket : int
            User bucket the events belong to.
        coordinate : int64[n]
            See `models.columns.events.OFFSET_BITS`.

        Returns
        -------
        bool[n]
        """
        if len(coordinate):
            self._make_room(bucket + 1, (int(coordinate.max()) >> OFFSET_BITS) + 1)
        fresh = np.empty(len(coordinate), np.bool_)
        if len(coordinate):
            _claim(self._highest[bucket], coordinate, fresh)
        return fresh

    def _make_room(self, buckets: int, partitions: int) -> None:
        rows, columns = self._highest.shape
        if columns < partitions:
            self._highest = np.ascontiguousarray(extended(self._highest.T, partitions, -1).T)
        if rows < buckets:
            self._highest = extended(self._highest, max(buckets, rows + rows // 4), -1)


def used(marks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return (buckets, partitions) of marks up to the last of each that has any: a view."""
    some = marks >= 0
    rows, columns = (np.flatnonzero(some.any(axis=axis)) for axis in (1, 0))
    return marks[: rows[-1] + 1, : columns[-1] + 1] if len(rows) else marks[:0, :0]


@entry
def _claim(
    highest: NDArray[np.int64], coordinate: NDArray[np.int64], fresh: NDArray[np.bool_]
) -> None:
    for n in range(len(coordinate)):
        partition = coordinate[n] >> OFFSET_BITS
        # a record that lists several items is several events of one coordinate
        same = n > 0 and coordinate[n] == coordinate[n - 1]
        fresh[n] = fresh[n - 1] if same else coordinate[n] > highest[partition]
        if fresh[n]:
            highest[partition] = coordinate[n]


@entry
def touch(touched: NDArray[np.int64], rows: NDArray[np.int32], step: Integer) -> None:
    """Note that rows were changed at a step; rows below 0 are none."""
    for n in range(len(rows)):
        if rows[n] >= 0:
            touched[rows[n]] = step
