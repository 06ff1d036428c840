"""Columns of events, own and received, that compiled functions read and fill."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.arrays.weights import LOSSES
from models.columns.accepted import AcceptedBatch
from models.columns.events import Events
from models.columns.learnt import NOT_SCORED


class EventArrays(NamedTuple):
    """The columns of `models.columns.events.Events` that models read."""

    user: NDArray[np.int32]
    item: NDArray[np.uint64]
    identity: NDArray[np.uint64]
    coordinate: NDArray[np.int64]
    weight: NDArray[np.float32]
    value: NDArray[np.float32]
    time: NDArray[np.int64]
    hide: NDArray[np.int64]
    counts: NDArray[np.bool_]
    moves: NDArray[np.bool_]
    gap: NDArray[np.uint8]
    """Time since the user's newest positive event that counts, see `models.users.gaps`."""

    @classmethod
    def of(cls, events: Events, gap: NDArray[np.uint8]) -> "EventArrays":
        """Return the columns themselves, not copies."""
        known = {name: getattr(events, name) for name in cls._fields if name != "gap"}
        return cls(**known, gap=gap)


class LearntArrays(NamedTuple):
    """The columns of `models.columns.learnt.Learnt` that are filled event by event."""

    user: NDArray[np.int32]
    negatives: NDArray[np.int32]
    gradients: NDArray[np.float32]
    position: NDArray[np.int32]
    rank: NDArray[np.int32]
    online_rank: NDArray[np.int32]
    deep_rank: NDArray[np.int32]
    transition_rank: NDArray[np.int32]
    popularity_rank: NDArray[np.int32]
    error: NDArray[np.float32]
    loss: NDArray[np.float64]

    @classmethod
    def empty(cls, events: int, *, negatives: int = 0, gradients: int = 0) -> "LearntArrays":
        """Return columns that say: nothing compared, nothing scored.

        Parameters
        ----------
        negatives, gradients
            How many of them there are an event.
        """
        ranks = np.full((5, events), NOT_SCORED, np.int32)
        error = np.empty(events, np.float32)
        error.fill(np.nan)
        return cls(
            user=np.zeros(events, np.int32),
            negatives=np.full((events, negatives), -1, np.int32),
            gradients=np.zeros((events, gradients), np.float32),
            position=np.zeros(events, np.int32),
            rank=ranks[0],
            online_rank=ranks[1],
            deep_rank=ranks[2],
            transition_rank=ranks[3],
            popularity_rank=ranks[4],
            error=error,
            loss=np.zeros(LOSSES, np.float64),
        )


class BatchArrays(NamedTuple):
    """The columns of `AcceptedBatch`, and the worker's own rows of its keys."""

    user: NDArray[np.int32]
    item: NDArray[np.int32]
    coordinate: NDArray[np.int64]
    weight: NDArray[np.float32]
    value: NDArray[np.float32]
    context: NDArray[np.int32]
    context_start: NDArray[np.int32]
    factors: NDArray[np.float32]
    negatives: NDArray[np.int32]
    gradients: NDArray[np.float32]
    user_keys: NDArray[np.uint64]
    position: NDArray[np.int32]
    rows: NDArray[np.int32]
    """(D,) row of each key, -1 where it has none."""
    owned: NDArray[np.bool_]
    """(D,) keys whose rows may be changed."""
    until: NDArray[np.int64]
    """(M, P) newest coordinate of each partition that rows with a mark contain."""
    time: NDArray[np.int64]
    """(n,) see `AcceptedBatch.times`."""

    @classmethod
    def of(
        cls,
        batch: AcceptedBatch,
        rows: NDArray[np.int32],
        owned: NDArray[np.bool_] | None,
        until: NDArray[np.int64],
    ) -> "BatchArrays":
        """Return the columns; those that are views of received bytes are copied.

        Compiled functions are typed by layout: one kind of array, one compilation.
        """
        columns = {name: _plain(getattr(batch, name)) for name in cls._fields[:12]}
        owned = rows >= 0 if owned is None else owned & (rows >= 0)
        return cls(**columns, rows=rows, owned=owned, until=until, time=batch.times)


def _plain(column: NDArray[Any]) -> NDArray[Any]:
    return column if column.flags.carray else np.require(column, None, ["C", "A", "W"])
