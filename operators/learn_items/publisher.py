"""The order of publication: oldest change first, within a bytes-per-second budget."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


class Publisher:
    """Publishing queue of one item bucket.

    The catalogue is cut into a fixed number of chunks by item key, so that a compacted topic
    keeps exactly the newest version of each. A chunk is published whole when one of its items
    changed, at most once an interval.
    """

    def __init__(
        self,
        *,
        bucket: int,
        buckets: int,
        chunks: int,
        interval_ms: int,
        bytes_per_second: int,
        restore_bytes_per_second: int,
    ) -> None:
        self._bucket = bucket
        self._buckets = buckets
        self._chunks = max(1, chunks // buckets)
        self._interval_ms = interval_ms
        self._usual = bytes_per_second / buckets / 1000
        self._generous = max(bytes_per_second, restore_bytes_per_second) / buckets / 1000
        self._restoring: set[int] = set()
        self._budget = 0.0
        self._refilled_ms: int | None = None
        self._members: dict[int, set[int]] = {}
        self._queue: dict[int, None] = {}
        self._published_ms: dict[int, int] = {}

    @property
    def items(self) -> int:
        """Items of the bucket."""
        return sum(map(len, self._members.values()))

    @property
    def _rate(self) -> float:
        """Bytes a ms; more until all that was restored is published."""
        return self._generous if self._restoring else self._usual

    def restore(self, keys: NDArray[np.uint64]) -> None:
        """Note items that were read from state: they are published as fast as allowed."""
        self.mark(keys)
        self._restoring = set(self._queue)

    def holds(self, key: int) -> bool:
        """Return whether an item is one of the bucket's."""
        return key in self._members.get(key // self._buckets % self._chunks, ())

    def forget(self, keys: NDArray[np.uint64]) -> None:
        """Note that items are gone; their chunks are published without them."""
        for key, number in self._numbered(keys):
            self._members.get(number, set()).discard(key)
            self._queue.setdefault(number)

    def mark(self, keys: NDArray[np.uint64]) -> None:
        """Note that items changed; unknown ones join their chunk."""
        for key, number in self._numbered(keys):
            self._members.setdefault(number, set()).add(key)
            self._queue.setdefault(number)

    def _numbered(self, keys: NDArray[np.uint64]) -> Iterator[tuple[int, int]]:
        numbers = (keys // np.uint64(self._buckets)) % np.uint64(self._chunks)
        return zip(keys.tolist(), numbers.tolist(), strict=True)

    def due(self, now_ms: int) -> Iterator[tuple[bytes, NDArray[np.uint64]]]:
        """Yield name and item keys of chunks to publish now; `spend` each one's size."""
        self._refill(now_ms)
        for number in list(self._queue):
            if self._budget <= 0:
                return
            if now_ms - self._published_ms.get(number, -self._interval_ms) < self._interval_ms:
                continue
            del self._queue[number]
            self._restoring.discard(number)
            self._published_ms[number] = now_ms
            name = b"items/%d" % (number * self._buckets + self._bucket)
            yield name, np.array(sorted(self._members.get(number, ())), np.uint64)

    def spend(self, size: int) -> None:
        """Take a published chunk's bytes off the budget; it may go below zero once."""
        self._budget -= size

    def _refill(self, now_ms: int) -> None:
        elapsed = self._interval_ms if self._refilled_ms is None else now_ms - self._refilled_ms
        self._refilled_ms = now_ms
        full = self._rate * self._interval_ms
        self._budget = min(full, self._budget + self._rate * max(0, elapsed))
