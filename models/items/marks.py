"""What rows of items contain that came from elsewhere: the newest coordinate of each source.

An authoritative row that is received contains some of the events that are still to be heard, and
others it does not. The marks that come with it say which: by user bucket and partition, the newest
coordinate it contains. An event up to there must not be learnt into the row again.
"""

import numpy as np
from numpy.typing import NDArray

from models.arrays import ItemArrays
from models.columns import OFFSET_BITS
from models.compiled import Integer, Truth, kernel


class Marks:
    """Marks by number; 0 stands for nothing contained. All have the same buckets and partitions."""

    def __init__(self) -> None:
        # (buckets, numbers, partitions): what a micro-batch asks for lies together
        self._table = np.full((1, 1, 1), -1, np.int64)
        self._numbers: dict[bytes, int] = {}

    def put(self, name: bytes, marks: NDArray[np.int64]) -> int:
        """Return the number of the newest marks of a name.

        Parameters
        ----------
        name : bytes
            Of the record that the rows came with: the next one of that name replaces them.
        marks : int64[buckets, partitions]
        """
        number = self._numbers.setdefault(name, len(self._numbers) + 1)
        buckets, partitions = marks.shape
        self._make_room(buckets, number + 1, partitions)
        self._table[:, number] = -1
        self._table[:buckets, number, :partitions] = marks
        return number

    def until(self, bucket: int, partitions: int) -> NDArray[np.int64]:
        """Return (M, P) the newest coordinates contained of a bucket, by number and partition."""
        self._make_room(bucket + 1, 1, partitions)
        until: NDArray[np.int64] = self._table[bucket]
        return until

    def _make_room(self, *shape: int) -> None:
        if all(have >= need for have, need in zip(self._table.shape, shape, strict=True)):
            return
        sizes = [
            have if have >= need else max(need, 2 * have)
            for have, need in zip(self._table.shape, shape, strict=True)
        ]
        larger = np.full(sizes, -1, np.int64)
        a, b, c = self._table.shape
        larger[:a, :b, :c] = self._table
        self._table = larger


@kernel
def is_new(until: NDArray[np.int64], a: ItemArrays, row: Integer, coordinate: Integer) -> Truth:
    """Return whether a row does not contain an event yet."""
    return coordinate > until[a.mark[row], coordinate >> OFFSET_BITS]
