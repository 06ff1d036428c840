"""Accepted events of one micro-batch as they travel to every other worker."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

_SECOND = 1000


def ages(time: NDArray[np.int64], newest: int) -> NDArray[np.uint32]:
    """Return by how many seconds events are older than the newest; (0,) where none is.

    Seconds are those of the clock, not of the batch: how a log was cut must not change a time.

    Parameters
    ----------
    time : int64[n]
        Event times, ms.
    newest : int
        The newest of them, or a newer one.
    """
    age = (newest // _SECOND - time // _SECOND).astype(np.uint32)
    return age if age.any() else age[:0]


@dataclass(slots=True)
class AcceptedBatch:
    """Accepted events of one micro-batch as they travel to every other worker.

    `item`, `context`, `negatives` and `moved` are indices into `keys` (D distinct items).
    """

    origin: int
    """Whose events these are, see `models.keys.origin_of`; 0 where that is not said."""
    bucket: int
    """User bucket the micro-batch belongs to."""
    keys: NDArray[np.uint64]
    """(D,) keys of the items; those that only occur as context or negatives come last."""
    ids: list[str]
    """Ids of the first `len(ids)` keys."""
    user: NDArray[np.int32]
    """(n,) index of the event's user among the U users of the micro-batch. Of ratings learnt by SGD
    each has one of its own, as what is told of users is told before each; other events there have
    the first."""
    item: NDArray[np.int32]
    """(n,)"""
    coordinate: NDArray[np.int64]
    """(n,) partition and offset of the record, see OFFSET_BITS."""
    weight: NDArray[np.float32]
    """(n,)"""
    value: NDArray[np.float32]
    """(n,) see Events; else none, where no ratings are learnt."""
    time: int
    """Newest event time, ms since 1970."""
    context: NDArray[np.int32]
    """(C,) see Learnt."""
    context_start: NDArray[np.int32]
    """(U + 1,)"""
    factors: NDArray[np.float32]
    """(U, F) factors of each user of `user`, before their events."""
    negatives: NDArray[np.int32]
    """(n, m) -1 for none."""
    gradients: NDArray[np.float32]
    """(n, g) see Learnt."""
    moved: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    """(M,) indices of keys whose rows the worker has moved, up to and with these events; each
    once."""
    differences: NDArray[np.float16] = field(default_factory=lambda: np.empty((0, 0), np.float16))
    """(M, K) by how much, see `models.items.differences`."""
    user_keys: NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))
    """(U,) keys of the users, where their sequences are learnt; else none."""
    position: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    """(n,) place of each event in the sequence of its user; else none."""
    age: NDArray[np.uint32] = field(default_factory=lambda: np.empty(0, np.uint32))
    """(n,) whole seconds from each event to that of `time`, see `ages`; (0,) where all are 0."""

    @property
    def times(self) -> NDArray[np.int64]:
        """Return (n,) the time of each event in ms, as popularity counts it: to the second."""
        if not len(self.age):
            return np.full(len(self.user), self.time, np.int64)
        return (self.time // _SECOND - self.age.astype(np.int64)) * _SECOND

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.user)
