"""Marks of rows: which events from elsewhere a row contains, by the newest of each source.

An authoritative row that is received contains some of the events that are still to be received, and
others it does not. The marks that come with it say which: by user bucket and partition, the newest
coordinate it contains. An event up to there must not be learnt into the row again.

A worker learns no event that is older than what it has applied itself (`models.items.applied`). So
of marks that reach no further it needs to know no more than that they were received: they share a
number. The others are few, unless a worker has just begun: most chunks of a publication have the
same, and it soon gets beyond them.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

from models.arrays.items import ItemArrays
from models.columns.events import OFFSET_BITS
from models.compiled import Integer, Truth, kernel

NEVER_RECEIVED, PASSED = 0, 1
"""Numbers of marks: of rows that were never received, and of those that contain nothing which this
worker has not applied itself."""
_MOST = 64
"""Numbers at most: B x P x 8 bytes each."""
_FIRST = 4


class Marks:
    """Marks by number. All have the same buckets and partitions."""

    def __init__(self) -> None:
        # (buckets, numbers, partitions): what a micro-batch asks for lies together
        self._table = np.full((1, _FIRST, 1), -1, np.int64)
        self._numbers: dict[bytes, int] = {}
        self._next = PASSED + 1

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return self._table.nbytes

    def put(
        self, marks: NDArray[np.int64], applied: NDArray[np.int64], numbers: NDArray[np.int32]
    ) -> int:
        """Return the number of some marks.

        Parameters
        ----------
        marks : int64[buckets, partitions]
            -1 for none.
        applied : int64[buckets, partitions]
            What this worker has applied itself, see `models.items.applied.Applied.highest`.
        numbers : int32[n]
            Of all rows; they are given others in place where numbers have run out.
        """
        if within(marks, applied):
            return PASSED
        content = hashlib.blake2b(marks.tobytes(), digest_size=16)
        content.update(repr(marks.shape).encode())
        name = content.digest()
        number = self._numbers.get(name)
        if number is None:
            if self._next == _MOST:
                self._clean(applied, numbers)
            number = self._numbers[name] = self._next
            self._next += 1
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

    def _clean(self, applied: NDArray[np.int64], numbers: NDArray[np.int32]) -> None:
        """Free numbers: of what is passed by now, of what no row has, and else of the oldest.

        The oldest are said to contain what the next ones do. What a row lacks of that, an event
        after its chunk was published, has changed it elsewhere: its chunk is published again.
        """
        used = np.bincount(numbers, minlength=self._next) > 0
        passed = [within(self._table[:, n], applied) for n in range(self._next)]
        left = [n for n in range(PASSED + 1, self._next) if used[n] and not passed[n]]
        renamed = np.full(self._next, PASSED, np.int32)
        renamed[NEVER_RECEIVED] = NEVER_RECEIVED
        joined = max(0, len(left) - _MOST // 2)
        for old, older in zip(left[1 : joined + 1], left[:joined], strict=True):
            np.maximum(self._table[:, old], self._table[:, older], out=self._table[:, old])
        kept = left[joined:]
        for to, old in enumerate(kept, PASSED + 1):
            renamed[old] = to
            self._table[:, to] = self._table[:, old]
        renamed[left[:joined]] = PASSED + 1
        numbers[:] = renamed[numbers]
        self._next = PASSED + 1 + len(kept)
        self._numbers = {
            name: int(renamed[n]) for name, n in self._numbers.items() if n in set(kept[1:])
        }

    def _make_room(self, buckets: int, numbers: int, partitions: int) -> None:
        a, b, c = self._table.shape
        if a >= buckets and b >= numbers and c >= partitions:
            return
        a_more = a if a >= buckets else max(buckets, a + a // 4)
        b_more = b if b >= numbers else min(_MOST, max(numbers, 2 * b))
        larger = np.full((a_more, b_more, max(c, partitions)), -1, np.int64)
        larger[:a, :b, :c] = self._table
        self._table = larger


def within(marks: NDArray[np.int64], applied: NDArray[np.int64]) -> bool:
    """Return whether marks, (buckets, partitions), reach nowhere beyond others of any shape."""
    rows, columns = applied.shape
    inside = marks[:rows, :columns]
    common = applied[: inside.shape[0], : inside.shape[1]]
    beyond = (marks[rows:] >= 0).any() or (marks[:, columns:] >= 0).any()
    return bool((inside <= common).all()) and not beyond


@kernel
def is_new(until: NDArray[np.int64], a: ItemArrays, row: Integer, coordinate: Integer) -> Truth:
    """Return whether a row does not contain an event yet."""
    return coordinate > until[a.mark[row], coordinate >> OFFSET_BITS]
