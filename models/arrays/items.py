"""Arrays of items as compiled functions see them; rebuilt whenever something grows."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SIZE, KNOWN, EVENTS, SKIPPED, REFUSED, EVICTED, MOVED, TOLD, RECENT = range(9)
"""Places in `ItemArrays.counters`: rows in use, rows with an event, accepted positive events,
updates left out because they were not finite, keys refused because all rows were taken, rows given
up for others, rows ever put into the queue of moved ones and taken out of it, entries ever made in
`recent`."""


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
    """Norm of `factors`, see `models.index.ceilings`."""
    tops: NDArray[np.float32]
    """(3, B) what no row of a block exceeds, see `models.index.ceilings`."""
    told: NDArray[np.float32]
    """(R, K) what others were told of what is learnt of the row, see `models.items.differences`."""
    waiting: NDArray[np.bool_]
    """Whether the row is in the queue of moved ones, see `models.index.moved`."""
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
    """What the row is known to contain, see `models.index.marks`; 0 for nothing."""
    touched: NDArray[np.int64]
    """Step at which the worker last changed the row, see `models.items.applied`."""
    named: NDArray[np.bool_]
    """Whether the id is known: only such items can be recommended."""
    unavailable: NDArray[np.bool_]
    """Whether the catalogue says that the item is not to be recommended."""
    kind: NDArray[np.int32]
    """What is known of the item, see `models.catalogue.catalogue`."""
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
