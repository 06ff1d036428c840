"""Which events a worker has learnt already: the loop delivers at least once, and its own too."""

import numpy as np
from numpy.typing import NDArray

from models.columns import OFFSET_BITS
from models.compiled import kernel
from models.transitions import extended


class Applied:
    """Highest offset applied of every (bucket, partition).

    Events of one bucket and partition must come in order of their offsets, and none may be
    claimed that is not then learnt. Memory: 8 bytes a bucket and partition.
    """

    def __init__(self) -> None:
        self._highest = np.full((0, 0), -1, np.int64)

    def claim(self, bucket: int, coordinate: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which events are newer than all before them, and remember them.

        Parameters
        ----------
        bucket : int
            User bucket the events belong to.
        coordinate : int64[n]
            See `models.columns.OFFSET_BITS`.

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
            self._highest = np.ascontiguousarray(
                extended(self._highest.T, max(partitions, 2 * columns), -1).T
            )
        if rows < buckets:
            self._highest = extended(self._highest, max(buckets, 2 * rows), -1)


@kernel
def _claim(
    highest: NDArray[np.int64], coordinate: NDArray[np.int64], fresh: NDArray[np.bool_]
) -> None:
    for n in range(len(coordinate)):
        partition = coordinate[n] >> OFFSET_BITS
        fresh[n] = coordinate[n] > highest[partition]
        if fresh[n]:
            highest[partition] = coordinate[n]
