"""Columns of one micro-batch: the only language the stages speak with each other.

U distinct users, n events, H history length, R recent events, X exclusions, F factors.
Events stand in processing order; events of one user are in (partition, offset) order.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

ACCEPTED, DUPLICATE, LATE, CONFLICT = 0, 1, 2, 3
"""Fates of an event that was decoded; a record that was not decoded is rejected. A conflict has the
identity of an accepted event and another content."""

OFFSET_BITS = 48
"""A coordinate is `partition << OFFSET_BITS | offset` of the record in its source topic."""


@dataclass(slots=True)
class Events:
    """Decoded events of one micro-batch, one row an event, all arrays of length n."""

    user: NDArray[np.int32]
    """Index into the micro-batch's list of distinct users."""
    item: NDArray[np.uint64]
    """64-bit key of the item id (`models.keys.key_of`)."""
    identity: NDArray[np.uint64]
    """64-bit key of the event id, or of the event's content where it has none."""
    content: NDArray[np.uint32]
    """Hash of what the event says, never 0: a repeat says the same."""
    subject: NDArray[np.uint32]
    """Hashes of item (24 bits) and event type (6 bits), see `operators.events.identity`: for one
    user they are told apart by it; two more say whether it has a weight, and one below 0."""
    weight: NDArray[np.float32]
    """Strength of the event type: > 0 is learnt, 0 only counted, < 0 hides the item."""
    value: NDArray[np.float32]
    """The rating an event gives; NaN for every event that is no rating."""
    time: NDArray[np.int64]
    """Event time, ms since 1970."""
    published: NDArray[np.int64]
    """Time of the record in the source topic, ms since 1970."""
    coordinate: NDArray[np.int64]
    """Partition and offset of the record, see OFFSET_BITS."""
    hide: NDArray[np.int64]
    """How long the user is not recommended the item again, ms from the event time; see
    `models.users.past`."""
    counts: NDArray[np.bool_]
    """Whether the event teaches about its item: one user's say is bounded, see
    `operators.stages.deduplicate`."""
    moves: NDArray[np.bool_]
    """Whether it moves the factors of its user, as another type of event on an item may that does
    not count."""

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.user)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> "Events":
        """Return the given rows, in their order."""
        return Events(*(getattr(self, one.name)[rows] for one in fields(self)))


_ALIGNED = 8
"""Bytes at whose multiples columns begin."""
_FOREVER = np.iinfo(np.uint32).max
"""Of `past_until`, see `models.users.past`."""


def _column(kind: type[np.generic], width: str | None = None, fill: int = 0) -> Any:
    """Declare a column: its type, the list whose width it has, and what a new row holds."""
    return field(metadata={"column": (kind, width, fill)})


@dataclass(slots=True)
class Users:
    """What is remembered of the U distinct users of a micro-batch, row u belongs to user u.

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
    """(U, H) time since the user's event before each of them, see `models.deep.gaps`; the highest
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
    `operators.stages.deduplicate`."""
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
    """How the columns of users with lists of some widths lie side by side in one block of bytes."""

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


NOT_SCORED, UNKNOWN = -9, -1
"""In an array of ranks: the event was not ranked; its item had never been seen (a miss)."""

TRANSITION, FACTORS, TRENDING, POPULAR, NEW, DEEP, NEIGHBOURS = range(7)
"""Why an item is recommended: it follows an item of the user's context, its latent factors fit
the user's, it is on the list of trending items, it is popular, it has only just appeared, the
deep model says so, users with the same items went on to it."""


@dataclass(slots=True)
class Learnt:
    """What learning n events of U users leaves behind, C context items, m negatives an event."""

    context: NDArray[np.int32]
    """(C,) rows of each user's last items before the micro-batch, oldest first."""
    context_start: NDArray[np.int32]
    """(U + 1,) user u's context is `context[context_start[u]:context_start[u + 1]]`."""
    factors: NDArray[np.float32]
    """(U, F) user factors before the micro-batch."""
    negatives: NDArray[np.int32]
    """(n, m) rows of the items each event was compared with, -1 for none."""
    gradients: NDArray[np.float32]
    """(n, 1 + m) ascent of the event's item and of each negative along the user's factors; (n, 0)
    where rows travel as differences."""
    position: NDArray[np.int32]
    """(n,) place of the event in the user's sequence: how many events of weight > 0 the user had
    before, those of a record that is gone included where the sequence is still known."""
    rank: NDArray[np.int32]
    """(n,) 0-based rank of the event's item before it was learnt, NOT_SCORED or UNKNOWN: in the
    list that would have been served."""
    online_rank: NDArray[np.int32]
    """(n,) the same without the deep model."""
    deep_rank: NDArray[np.int32]
    """(n,) the same by the deep model alone; NOT_SCORED where there is none."""
    transition_rank: NDArray[np.int32]
    """(n,) the same by transitions alone."""
    neighbour_rank: NDArray[np.int32]
    """(n,) the same by session neighbours alone, or (0,) where nobody asks."""
    hybrid_rank: NDArray[np.int32]
    """(n,) the same by all of the online model but neighbours, or (0,) where nobody asks."""
    popularity_rank: NDArray[np.int32]
    """(n,) the same by plain popularity."""
    loss: NDArray[np.float64]
    """(LOSSES,) sums over the scored events, see `models.blend`."""
    error: NDArray[np.float32]
    """(n,) rating minus its prediction before it was learnt; NaN where not scored."""


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
    """(n,) index of the event's user among the U users of the micro-batch."""
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
    """(U, F) user factors before the micro-batch."""
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


@dataclass(slots=True)
class Recommended:
    """The k best items of U users, best first; shorter lists are padded with row -1."""

    rows: NDArray[np.int32]
    """(U, k) rows of `models.items.table.Items`."""
    scores: NDArray[np.float32]
    """(U, k) comparable inside one user's list only."""
    reasons: NDArray[np.uint8]
    """(U, k) TRANSITION, FACTORS, TRENDING, POPULAR or NEW."""
    sources: NDArray[np.int32]
    """(U, k) row of the context item behind a TRANSITION, else -1."""

    @classmethod
    def empty(cls, users: int, k: int) -> "Recommended":
        """Return lists without items."""
        return cls(
            rows=np.full((users, k), -1, np.int32),
            scores=np.zeros((users, k), np.float32),
            reasons=np.zeros((users, k), np.uint8),
            sources=np.full((users, k), -1, np.int32),
        )


@dataclass(slots=True)
class ItemRows:
    """Everything known about m items, row i belongs to item i: what state and topics hold.

    The successors of item i are rows `successor_start[i]` to `successor_start[i + 1]`.
    """

    keys: NDArray[np.uint64]
    """(m,) `models.keys.key_of` of the ids."""
    ids: list[str]
    """Item ids, length m; "" for an item known only by its key."""
    count: NDArray[np.int64]
    """(m,) accepted positive events."""
    last_time: NDArray[np.int64]
    """(m,) newest event time, ms."""
    value_sum: NDArray[np.float64]
    """(m,) sum of the ratings learnt; `count` is their number in the rating objective."""
    popularity: NDArray[np.float64]
    """(m,) events halved every half-life, as of `last_time`."""
    factors: NDArray[np.float32]
    """(m, F) latent factors."""
    gradient_sum: NDArray[np.float32]
    """(m,) AdaGrad sum of squared gradients of the factors."""
    bias: NDArray[np.float32]
    """(m,)"""
    bias_gradient_sum: NDArray[np.float32]
    """(m,) AdaGrad sum of the bias."""
    context: NDArray[np.float32]
    """(m, F) factors of the item where it is context; (m, 0) in a model without."""
    context_gradient_sum: NDArray[np.float32]
    """(m,) AdaGrad sum of these."""
    variance: NDArray[np.float32]
    """(m, F + 1) of the factors and, in the last place, of the bias; (m, 0) in a model without."""
    place_start: NDArray[np.int32]
    """(m + 1,) bounds of each item's places, as those of its successors."""
    place_keys: NDArray[np.uint64]
    """(L,) keys of the users in whose sequences it occurred last, oldest first."""
    place_positions: NDArray[np.int32]
    """(L,) where in them."""
    successor_start: NDArray[np.int64]
    """(m + 1,) bounds of each item's successors; starts at 0, ends at S."""
    successors: NDArray[np.uint64]
    """(S,) keys of the items that followed."""
    weights: NDArray[np.float32]
    """(S,) how much they followed."""

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self.keys)

    def take(self, begin: int, end: int) -> "ItemRows":
        """Return the rows from `begin` to before `end`."""
        first, last = self.successor_start[[begin, end]].tolist()
        ranges = {
            "successor_start": self.successor_start[begin : end + 1] - first,
            "successors": self.successors[first:last],
            "weights": self.weights[first:last],
        }
        first, last = self.place_start[[begin, end]].tolist()
        ranges |= {
            "place_start": self.place_start[begin : end + 1] - first,
            "place_keys": self.place_keys[first:last],
            "place_positions": self.place_positions[first:last],
        }
        rest = (one.name for one in fields(self) if one.name not in ranges)
        return ItemRows(**ranges, **{name: getattr(self, name)[begin:end] for name in rest})
