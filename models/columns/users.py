"""State of the users of one micro-batch, one row a user.

U distinct users, H history length, R recent events, X exclusions, F factors.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ALIGNED = 8
"""Bytes at whose multiples columns begin."""
_FOREVER = np.iinfo(np.uint32).max
"""Of `past_until`, see `models.users.past`."""


def _column(kind: type[np.generic], width: str | None = None, fill: int = 0) -> Any:
    """Declare a column: its type, the list whose width it has, and what a new row holds."""
    return field(metadata={"column": (kind, width, fill)})


@dataclass(slots=True)
class Users:
    """State of the U distinct users of a micro-batch, row u belongs to user u.

    Lists are left-aligned in their row, oldest first, and `…_length` says how many are held.
    """

    key: NDArray[np.uint64] = _column(np.uint64)
    """(U,) 64-bit key of the user id; not stored, the record lies under the id."""
    factors: NDArray[np.float32] = _column(np.float32, width="factors")
    """(U, F) latent factors."""
    gradient_sum: NDArray[np.float32] = _column(np.float32)
    """(U,) AdaGrad sum of squared gradients of the factors."""
    bias: NDArray[np.float32] = _column(np.float32)
    """(U,) rating bias."""
    history: NDArray[np.uint64] = _column(np.uint64, width="history")
    """(U, H) keys of the last positive items: what the models look at."""
    history_gap: NDArray[np.uint8] = _column(np.uint8, width="history")
    """(U, H) time since the user's event before each of them, see `models.users.gaps`; the highest
    bit says which of them is that of the last event that counted."""
    history_length: NDArray[np.int32] = _column(np.int32)
    """(U,)"""
    past: NDArray[np.uint32] = _column(np.uint32, width="past")
    """(U, P) short keys of items that are not recommended again, see `models.users.past`."""
    past_until: NDArray[np.uint32] = _column(np.uint32, width="past_until", fill=_FOREVER)
    """(U, P) minute until which each of them is not; (U, 0) where that is for ever."""
    past_length: NDArray[np.int32] = _column(np.int32)
    """(U,)"""
    last_positive: NDArray[np.int64] = _column(np.int64, fill=-1)
    """(U,) event time of the newest positive event that counts, ms; -1 before the first."""
    deep: NDArray[np.float32] = _column(np.float32, width="deep")
    """(U, S) state of the deep model."""
    deep_version: NDArray[np.int64] = _column(np.int64)
    """(U,) root of the line of models that advanced it, see `models.deep.serving`; 0: none."""
    excluded: NDArray[np.uint64] = _column(np.uint64, width="excluded")
    """(U, X) keys of the last items the user disliked or removed."""
    excluded_length: NDArray[np.int32] = _column(np.int32)
    """(U,)"""
    recent: NDArray[np.uint64] = _column(np.uint64, width="recent")
    """(U, R) identities of the newest accepted events, in the order of their event time."""
    recent_content: NDArray[np.uint32] = _column(np.uint32, width="recent")
    """(U, R) what each of them said, see `Events.content`; 0 where that was not kept."""
    recent_subject: NDArray[np.uint32] = _column(np.uint32, width="recent")
    """(U, R) what each of them was about, see `Events.subject`."""
    recent_time: NDArray[np.uint32] = _column(np.uint32, width="recent")
    """(U, R) their event times in seconds since 1970, none later than they arrived."""
    recent_length: NDArray[np.int32] = _column(np.int32)
    """(U,)"""
    variance: NDArray[np.float32] = _column(np.float32, width="variance")
    """(U, F + 1) of the factors and, in the last place, of the bias; 0 before the user is learnt
    first. (U, 0) in a model without."""
    mood: NDArray[np.float64] = _column(np.float64, width="mood")
    """(U, 3) mood of the session, its variance, and event time of the last rating, ms; (U, 0) in a
    model without."""
    rated: NDArray[np.uint64] = _column(np.uint64, width="rated")
    """(U, L) keys of the items rated last, in the order of learning."""
    rated_residual: NDArray[np.float32] = _column(np.float32, width="rated")
    """(U, L) what the biases had left of these ratings."""
    rated_length: NDArray[np.int32] = _column(np.int32)
    """(U,)"""
    floor: NDArray[np.int64] = _column(np.int64, fill=-1)
    """(U,) event time, ms, before which events with a weight are late; -1 while none left
    `recent`."""
    idle_floor: NDArray[np.int64] = _column(np.int64, fill=-1)
    """(U,) the same for events without weight."""
    session_start: NDArray[np.int64] = _column(np.int64, fill=-1)
    """(U,) event time of the session's first event, ms."""
    session_last: NDArray[np.int64] = _column(np.int64, fill=-1)
    """(U,) newest event time of the session, ms; -1 before the first event."""
    session_events: NDArray[np.int32] = _column(np.int32)
    """(U,) accepted events in the session."""
    events: NDArray[np.int64] = _column(np.int64)
    """(U,) accepted events ever."""
    positives: NDArray[np.int64] = _column(np.int64)
    """(U,) those of weight > 0: the place of the next one in the user's sequence."""
    said: NDArray[np.float32] = _column(np.float32)
    """(U,) how many new items the user has named to others lately, see
    `operators.learn_users.stages.deduplicate`."""
    said_at: NDArray[np.uint32] = _column(np.uint32)
    """(U,) when, as of arrival, seconds since 1970."""
    repeated: NDArray[np.uint64] = _column(np.uint64)
    """(U,) which known items that was about: bits by hash, for the window of `said_at`."""
    seen: NDArray[np.int64] = _column(np.int64, fill=-1)
    """(U,) processing time of the last update, ms: idle users are evicted by it."""

    @classmethod
    def new(cls, count: int, widths: Mapping[str, int]) -> "Users":
        """Return users without a past; their keys and factors are still zero.

        Parameters
        ----------
        widths : mapping
            Columns of each kind of list: factors, history, past, past_until, deep, excluded,
            recent, variance, mood, rated.
        """
        block = Block.of(widths)
        return block.new(count, np.zeros(block.places(count)[-1], np.uint8))

    def __len__(self) -> int:
        """Return the number of users."""
        return len(self.bias)

    def take(self, rows: NDArray[np.int32]) -> "Users":
        """Return the given rows, in their order."""
        return Users(*(getattr(self, one.name)[rows] for one in fields(self)))


@dataclass(frozen=True, slots=True)
class Block:
    """Layout of the columns of users, whose lists have some widths, in one block of bytes."""

    columns: tuple[tuple[np.dtype[Any], tuple[int, ...], int, int], ...]
    """Of each: type, shape of a row, bytes of a row, and what a new row holds."""

    @classmethod
    def of(cls, widths: Mapping[str, int]) -> "Block":
        """Return the block of some widths, see `Users.new`."""
        columns = []
        for one in fields(Users):
            kind, width, fill = one.metadata["column"]
            row = () if width is None else (widths[width],)
            columns.append((np.dtype(kind), row, np.dtype(kind).itemsize * math.prod(row), fill))
        return cls(tuple(columns))

    def places(self, count: int) -> list[int]:
        """Return where each column of so many users begins, and where the block ends."""
        places = [0]
        for _, _, size, _ in self.columns:
            places.append(places[-1] + (-(-size * count // _ALIGNED)) * _ALIGNED)
        return places

    def new(self, count: int, block: NDArray[np.uint8]) -> Users:
        """Return users without a past, made of a block of zeros."""
        columns: list[NDArray[Any]] = []
        for (kind, row, _, fill), at in zip(self.columns, self.places(count), strict=False):
            column: NDArray[Any] = np.ndarray((count, *row), kind, block, at)
            if fill:
                column.fill(fill)
            columns.append(column)
        return Users(*columns)
