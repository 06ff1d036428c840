"""Arrays of the item side as compiled functions see them; rebuilt whenever something grows."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.columns import NOT_SCORED, AcceptedBatch, Events, Users
from models.neighbours.arrays import NeighbourArrays

SIZE, KNOWN, EVENTS, SKIPPED, REFUSED, EVICTED, MOVED, TOLD, RECENT = range(9)
"""Places in `ItemArrays.counters`: rows in use, rows with an event, accepted positive events,
updates left out because they were not finite, keys refused because all rows were taken, rows given
up for others, rows ever put into the queue of moved ones and taken out of it, entries ever made in
`recent`."""

WEIGHTS = 9
"""Weights of the deep score that are compared, see `models.blend`."""
LOSSES = 2 + 2 * WEIGHTS
"""Numbers that scored events add to, see `models.blend`."""
HISTORIES = 10
"""Lengths of a user's history that are told apart: 1, 2-3, 4-7, …, 512 and more events."""
CHOICES = 11
"""Weights of popularity that are compared, see `models.popularity.weights`."""
GAINS = 1 + 2 * CHOICES
"""Numbers that scored events add to for each length of history."""

KNOBS = 4
"""Knobs of scores that find themselves, see `models.ranking.knobs`."""
TUNINGS = 1 + 2 * KNOBS
"""Numbers that scored events add to for them."""
_BEST = 30
"""Best scores whose spread says what a difference of scores is."""


class ItemArrays(NamedTuple):
    """Rows of items; the first `counters[SIZE]` of R are in use."""

    slots: NDArray[np.int32]
    """(S,) open-addressing hash table of rows, -1 where empty; S is a power of two >= 2 R."""
    short_slots: NDArray[np.int32]
    """(S,) the same by short keys, see `models.users.past`."""
    keys: NDArray[np.uint64]
    counts: NDArray[np.int64]
    """Accepted positive events n."""
    discount: NDArray[np.float32]
    """max(n, 1) ** -norm"""
    log_discount: NDArray[np.float32]
    factors: NDArray[np.float32]
    """(R, F)"""
    gradient_sum: NDArray[np.float32]
    bias: NDArray[np.float32]
    bias_gradient_sum: NDArray[np.float32]
    context: NDArray[np.float32]
    """(R, F) factors of the item where it is context; (R, 0) in a model without."""
    context_gradient_sum: NDArray[np.float32]
    variance: NDArray[np.float32]
    """(R, F + 1) of the factors and, in the last place, of the bias; (R, 0) in a model without."""
    first_variance: NDArray[np.float32]
    """(F + 1,) the same of an item of which nothing is known; (0,) in a model without."""
    length: NDArray[np.float32]
    """Norm of `factors`, see `models.items.bounds`."""
    tops: NDArray[np.float32]
    """(3, B) what no row of a block exceeds, see `models.items.bounds`."""
    told: NDArray[np.float32]
    """(R, K) what others were told of what is learnt of the row, see `models.items.differences`."""
    waiting: NDArray[np.bool_]
    """Whether the row is in the queue of moved ones, see `models.items.moved`."""
    queue: NDArray[np.int32]
    """Rows whose factors were moved here, a ring: places `counters[TOLD]` to `counters[MOVED]`."""
    last_time: NDArray[np.int64]
    """Newest event time, ms; -1 before the first event."""
    value_sum: NDArray[np.float64]
    """Sum of the ratings learnt; `counts` is their number in the rating objective."""
    popularity: NDArray[np.float64]
    """Accepted positive events, halved every half-life, as of `last_time`. In 32 bits it would stop
    to grow at 2^24."""
    mark: NDArray[np.int32]
    """What the row is known to contain, see `models.items.marks`; 0 for nothing."""
    touched: NDArray[np.int64]
    """Step at which the worker last changed the row, see `models.items.applied`."""
    named: NDArray[np.bool_]
    """Whether the id is known: only such items can be recommended."""
    known: NDArray[np.int32]
    """Rows with an event, in the order of their first; `counters[KNOWN]` are in use."""
    recent: NDArray[np.int32]
    """Rows of the last positive events, a ring whose length is a power of two; what was counted
    elsewhere is there as a sample, see `models.popularity.recent`."""
    counters: NDArray[np.int64]
    value_total: NDArray[np.float64]
    """(1,) sum of `value_sum`."""
    norm: float
    half_life: float
    """Of the popularity, ms."""


class Lookup(NamedTuple):
    """The columns of `ItemArrays` that find rows: all of them take Python longer to hand over."""

    slots: NDArray[np.int32]
    short_slots: NDArray[np.int32]
    keys: NDArray[np.uint64]
    counters: NDArray[np.int64]

    @classmethod
    def of(cls, items: ItemArrays) -> "Lookup":
        """Return the columns themselves, not copies."""
        return cls(items.slots, items.short_slots, items.keys, items.counters)


class TransitionArrays(NamedTuple):
    """Sparse rows of successors in one arena, see `models.transitions.rows`."""

    start: NDArray[np.int64]
    """(R,) first slot of a row in the arena."""
    capacity: NDArray[np.int64]
    """(R,) slots of a row: 0, or a power of two from 8."""
    fill: NDArray[np.int64]
    """(R,) entries of a row."""
    total: NDArray[np.float64]
    """(R,) sum of the weights of a row's entries."""
    successor: NDArray[np.int32]
    """(A,) row of the successor, -1 where the slot is empty."""
    weight: NDArray[np.float32]
    """(A,)"""
    free: NDArray[np.int64]
    """(classes,) first free block of 8 << class slots, -1 for none; the block names the next."""
    top: NDArray[np.int64]
    """(1,) slots of the arena ever handed out."""
    keep: int
    """Entries a row is cut to when it holds `2 * keep` and needs one more."""
    spare_successor: NDArray[np.int32]
    """Scratch memory, as long as the largest row."""
    spare_weight: NDArray[np.float32]
    sink: NDArray[np.int64]
    """(1,) where what was only read for the cache is written to."""


class UserArrays(NamedTuple):
    """The columns of `models.columns.Users` that models read and write."""

    key: NDArray[np.uint64]
    factors: NDArray[np.float32]
    gradient_sum: NDArray[np.float32]
    bias: NDArray[np.float32]
    history: NDArray[np.uint64]
    history_gap: NDArray[np.uint8]
    history_length: NDArray[np.int32]
    past: NDArray[np.uint32]
    past_until: NDArray[np.uint32]
    past_length: NDArray[np.int32]
    excluded: NDArray[np.uint64]
    excluded_length: NDArray[np.int32]
    events: NDArray[np.int64]
    positives: NDArray[np.int64]
    session_last: NDArray[np.int64]

    @classmethod
    def of(cls, users: Users) -> "UserArrays":
        """Return the columns themselves, not copies."""
        return cls(*(getattr(users, name) for name in cls._fields))


class EventArrays(NamedTuple):
    """The columns of `models.columns.Events` that models read."""

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
    """Time since the user's newest positive event that counts, see `models.deep.gaps`."""

    @classmethod
    def of(cls, events: Events, gap: NDArray[np.uint8]) -> "EventArrays":
        """Return the columns themselves, not copies."""
        known = {name: getattr(events, name) for name in cls._fields if name != "gap"}
        return cls(**known, gap=gap)


class LearntArrays(NamedTuple):
    """The columns of `models.columns.Learnt` that are filled event by event."""

    negatives: NDArray[np.int32]
    gradients: NDArray[np.float32]
    position: NDArray[np.int32]
    rank: NDArray[np.int32]
    online_rank: NDArray[np.int32]
    deep_rank: NDArray[np.int32]
    transition_rank: NDArray[np.int32]
    neighbour_rank: NDArray[np.int32]
    hybrid_rank: NDArray[np.int32]
    popularity_rank: NDArray[np.int32]
    error: NDArray[np.float32]
    loss: NDArray[np.float64]

    @classmethod
    def empty(
        cls, events: int, *, negatives: int = 0, gradients: int = 0, parts: bool = False
    ) -> "LearntArrays":
        """Return columns that say: nothing compared, nothing scored.

        Parameters
        ----------
        negatives, gradients
            How many of them there are an event.
        parts
            Whether there are ranks by single components, which only evaluations ask for.
        """
        ranks = np.full((7, events), NOT_SCORED, np.int32)
        asked = events if parts else 0
        error = np.empty(events, np.float32)
        error.fill(np.nan)
        return cls(
            negatives=np.full((events, negatives), -1, np.int32),
            gradients=np.zeros((events, gradients), np.float32),
            position=np.zeros(events, np.int32),
            rank=ranks[0],
            online_rank=ranks[1],
            deep_rank=ranks[2],
            transition_rank=ranks[3],
            popularity_rank=ranks[4],
            neighbour_rank=ranks[5, :asked],
            hybrid_rank=ranks[6, :asked],
            error=error,
            loss=np.zeros(LOSSES, np.float64),
        )


class BatchArrays(NamedTuple):
    """The columns of `models.columns.AcceptedBatch`, and the worker's own rows of its keys."""

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


class DeepArrays(NamedTuple):
    """What the deep model says of the users of a micro-batch; all empty where there is none."""

    y: NDArray[np.float32]
    """(S, d) of scored events: the user as it was before the event; h units of `output` wide where
    there are some."""
    row: NDArray[np.int32]
    """(n,) row of `y` of each event, -1 where it is not scored."""
    targets: NDArray[np.float32]
    """(R, d) output embedding of every item row, nothing for those the model does not know."""
    bias: NDArray[np.float32]
    """(R,)"""
    weight: float
    """Of the deep score beside the online one, see `models.blend`."""
    output: NDArray[np.float32]
    """(h,) weights of the hidden units that join y and target, see `models.deep.part`;
    empty where their scalar product is the score."""

    @classmethod
    def none(cls) -> "DeepArrays":
        """Return what stands for no deep model."""
        empty = np.empty((0, 0), np.float32)
        nothing = np.empty(0, np.int32)
        none = np.empty(0, np.float32)
        return cls(empty, nothing, empty, none, 0.0, none)


class Window(NamedTuple):
    """The last items of every user of a micro-batch, oldest first, left-aligned."""

    rows: NDArray[np.int32]
    """(U, W) rows; in batches of other workers: indices into the batch's keys."""
    length: NDArray[np.int32]
    """(U,)"""
    coefficient: NDArray[np.float32]
    """(W,) scratch: weight of each row of the user at hand."""


OWN_WORDS = 256
"""Words of 64 bits that say which items may be a user's own."""
TRASH = 16
"""Places after the rows of `Scratch.boost` for what is added to no row."""


class Scratch(NamedTuple):
    """Memory for scoring one user against R items; clean between users."""

    boost: NDArray[np.float32]
    """(R + TRASH,) 0, or something of each item while it is summed or looked for."""
    mark: NDArray[np.int64]
    """(R,) stamp of the user an item was last left out for."""
    stamp: NDArray[np.int64]
    """(1,) number of the user at hand."""
    pull: NDArray[np.float32]
    """(1, F) step of the user's factors."""
    z: NDArray[np.float32]
    """(1, F) what the user at hand is to factors, see `models.factors.part`."""
    drawn: NDArray[np.int64]
    """(1 + M,) rows of an event's item and of those it is compared with, -1 for none."""
    odds: NDArray[np.float32]
    """(1 + M,) their scores, then the gradients of these."""
    first: NDArray[np.int32]
    """(W, 1 + M) what stands where each of them is looked for first among followers."""
    shares: NDArray[np.float32]
    """(1 + M,) their shares of transitions."""
    own: NDArray[np.uint64]
    """(OWN_WORDS,) bits of items that may be the user's own; all of them where nobody looked."""
    parts: NDArray[np.float32]
    """(C, R) scores of the user at hand by each component, see `models.component`."""
    weights: NDArray[np.float32]
    """(C,) of each component in the joint score."""
    sums: NDArray[np.float32]
    """(C,) of each component over all items."""
    recent: NDArray[np.int32]
    """(D,) rows of the last items that neighbours are looked for by."""
    found: NDArray[np.int64]
    """(1,) how many of them there are for the user at hand."""
    near: NDArray[np.float32]
    """(R,) 0, or what neighbours say of each item while a short list is made."""
    touched: NDArray[np.int32]
    """(R + 1,) rows of items that transitions or neighbours name to the user at hand."""
    mean: NDArray[np.float32]
    """(1, F) mean of the factors of items."""
    means: NDArray[np.float32]
    """(C,) mean of what each component says of items to everybody."""
    joint: NDArray[np.float32]
    """(R,) joint scores of the user at hand."""
    places: NDArray[np.float32]
    """(10,) where an event's item stands without a score and by its weights."""

    gains: NDArray[np.float64]
    """(CHOICES,) what each weight of popularity gained at the event at hand."""
    slopes: NDArray[np.float32]
    """(R + TRASH, 4) 0, or how the shares of transitions change, see `models.ranking.slopes`; of no
    rows where knobs stay."""
    best: NDArray[np.int32]
    """(1, 30) rows of the best scores, for these slopes."""
    best_scores: NDArray[np.float32]
    """(1, 30)"""

    @classmethod
    def of_size(
        cls,
        rows: int,
        factors: int,
        components: int,
        negatives: int = 0,
        recent: int = 0,
        window: int = 0,
        *,
        tuned: bool = False,
    ) -> "Scratch":
        """Return clean memory."""
        return cls(
            boost=np.zeros(rows + TRASH, np.float32),
            mark=np.zeros(rows, np.int64),
            stamp=np.zeros(1, np.int64),
            pull=np.zeros((1, factors), np.float32),
            z=np.zeros((1, factors), np.float32),
            drawn=np.full(1 + negatives, -1, np.int64),
            odds=np.zeros(1 + negatives, np.float32),
            first=np.zeros((window, 1 + negatives), np.int32),
            shares=np.zeros(1 + negatives, np.float32),
            own=np.full(OWN_WORDS, np.iinfo(np.uint64).max, np.uint64),
            parts=np.zeros((components, rows), np.float32),
            weights=np.zeros(components, np.float32),
            sums=np.zeros(components, np.float32),
            recent=np.zeros(recent, np.int32),
            found=np.zeros(1, np.int64),
            near=np.zeros(rows, np.float32),
            touched=np.zeros(rows + 1, np.int32),
            mean=np.zeros((1, factors), np.float32),
            means=np.zeros(components, np.float32),
            joint=np.zeros(rows, np.float32),
            places=np.zeros(1 + max(WEIGHTS, CHOICES - 1), np.float32),
            gains=np.zeros(CHOICES, np.float64),
            slopes=np.zeros((rows + TRASH if tuned else 0, 4), np.float32),
            best=np.zeros((1, _BEST), np.int32),
            best_scores=np.zeros((1, _BEST), np.float32),
        )


class Knobs(NamedTuple):
    """Hyper-parameters of the ranking objective, see `models.params`."""

    rate: float
    bias_rate: float
    decay: float
    radius: float
    smoothing: float
    window_decay: float
    backward: float
    """See `models.params.TransitionParams`."""
    source_decay: float
    source_norm: float
    """The same of scores, see `models.params.RankingParams`."""
    repeats: bool
    context: int
    """Last items of the user that are context of its factors; 0 in a model without."""
    context_decay: float
    neighbours: float
    """Smoothing of the neighbours' share; 0 in a model without."""
    seed: int
    reserve: int
    """Slots of the arena that must be free before an event is learnt."""
    strong: float
    """Weight from which an item stays in the past while weaker ones leave it."""
    ranked: float
    """Items beyond which fewer of the users' events are ranked, so that it costs no more."""
    taught: int
    """Lower halves of users' keys below which their ranked events teach the weights."""


class PopularArrays(NamedTuple):
    """How much popularity weighs, see `models.popularity.weights`; all empty in a model without."""

    weights: NDArray[np.float32]
    """(HISTORIES,) by length of history."""
    bucket: NDArray[np.float64]
    """(HISTORIES, GAINS) sums of the user bucket at hand."""
    total: NDArray[np.float64]
    """(HISTORIES, GAINS) of all buckets of the worker."""
    changed: NDArray[np.bool_]
    """(1,) whether the bucket's differ from those stored."""

    @classmethod
    def none(cls) -> "PopularArrays":
        """Return what stands for a model without."""
        empty = np.empty((0, GAINS))
        return cls(np.empty(0, np.float32), empty, empty, np.zeros(1, np.bool_))


class TunedArrays(NamedTuple):
    """Where knobs of scores stand, see `models.ranking.knobs`; all empty where they stay."""

    start: NDArray[np.float64]
    """(KNOBS,)"""
    steps: NDArray[np.float64]
    """(KNOBS,) notches from there, as served."""
    bucket: NDArray[np.float64]
    """(TUNINGS,) sums of the user bucket at hand: events, pulls, pushes."""
    total: NDArray[np.float64]
    """(TUNINGS,) of all buckets of the worker."""
    changed: NDArray[np.bool_]
    """(1,) whether the bucket's differ from those stored."""
    worse: NDArray[np.float64]
    """(1,) worth that was lost lately against the starts."""
    gradient: NDArray[np.float64]
    """(KNOBS,) scratch: of the event at hand."""
    slopes: NDArray[np.float64]
    """(4, KNOBS) scratch."""

    @classmethod
    def none(cls) -> "TunedArrays":
        """Return what stands for knobs that stay."""
        empty = np.empty(0)
        changed = np.zeros(1, np.bool_)
        return cls(empty, empty, empty, empty, changed, empty, empty, np.empty((0, KNOBS)))


class Work(NamedTuple):
    """Everything that ranking needs at hand, with the users of one micro-batch."""

    users: UserArrays
    window: Window
    items: ItemArrays
    transitions: TransitionArrays
    neighbours: NeighbourArrays
    scratch: Scratch
    knobs: Knobs
    deep: DeepArrays
    until: NDArray[np.int64]
    """See `BatchArrays.until`."""
    fallback: NDArray[np.int32]
    """Rows of trending items, best first: what is served where nothing else is known."""
    popular: PopularArrays
    tuned: TunedArrays
