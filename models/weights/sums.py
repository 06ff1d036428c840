"""Sums of user buckets that weights are learnt from, and their total over a worker's buckets."""

from abc import ABC, abstractmethod
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray


class Summed(Protocol):
    """Arrays that events of one bucket change."""

    @property
    def bucket(self) -> NDArray[np.float64]:
        """Sums of the bucket at hand."""

    @property
    def changed(self) -> NDArray[np.bool_]:
        """(1,) whether they differ from those stored."""


Arrays = TypeVar("Arrays", bound=Summed)


class BucketSums(ABC, Generic[Arrays]):
    """Sums by user bucket, and their total: what is learnt is additive over buckets and workers.

    Parameters
    ----------
    nothing : float64
        Sums over nothing, of the shape that all have.
    """

    def __init__(self, nothing: NDArray[np.float64]) -> None:
        self._nothing = nothing
        self._total = nothing.copy()
        self._buckets: dict[int, Arrays] = {}

    def knows(self, bucket: int) -> bool:
        """Return whether a bucket's sums were given."""
        return bucket in self._buckets

    def restore(self, bucket: int, sums: NDArray[np.float64]) -> None:
        """Take the sums of a bucket as they were stored."""
        if self.knows(bucket):
            self._total -= self._buckets[bucket].bucket
        self._total += sums
        self._buckets[bucket] = self._arrays(sums.copy(), np.zeros(1, np.bool_))
        self._follow(self._buckets[bucket])

    def of(self, bucket: int) -> Arrays:
        """Return the arrays that events of a bucket change."""
        if not self.knows(bucket):
            self.restore(bucket, self._nothing)
        return self._buckets[bucket]

    def changed(self, bucket: int) -> NDArray[np.float64] | None:
        """Return the sums of a bucket where they changed since this was asked last."""
        arrays = self.of(bucket)
        if not arrays.changed[0]:
            return None
        arrays.changed[0] = False
        return arrays.bucket

    @abstractmethod
    def _arrays(self, sums: NDArray[np.float64], changed: NDArray[np.bool_]) -> Arrays:
        """Return the arrays of a bucket with these sums."""

    @abstractmethod
    def _follow(self, restored: Any) -> None:
        """Let the weights follow the total, after a bucket was restored."""
