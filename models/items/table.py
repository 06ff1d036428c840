"""Everything a worker knows about items, in dense rows.

A row moves only when the table is full and gives up the least popular items: `make_room`, which is
called between micro-batches, and `admit`. Then the last rows fill the places of those given up.
Rows that somebody keeps are good for one `generation`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.arrays.items import (
    EVENTS,
    EVICTED,
    KNOWN,
    MOVED,
    REFUSED,
    SIZE,
    SKIPPED,
    TOLD,
    ItemArrays,
    Lookup,
)
from models.catalogue.catalogue import Catalogue, Facts
from models.columns.events import OFFSET_BITS
from models.columns.items import ItemRows
from models.index.ceilings import blocks, empty_tops, raise_all
from models.index.lookup import empty_slots, enter_all, find_rows
from models.index.marks import Marks
from models.items import differences
from models.neighbours.table import NONE as NO_NEIGHBOURS
from models.neighbours.table import Neighbours
from models.numeric.initial import INITIAL_DEVIATION, initial_factors
from models.params.neighbours import NeighbourParams
from models.params.transitions import TransitionParams
from models.popularity.counts import replace_counts
from models.popularity.levels import levels, worth
from models.popularity.recent import Recent, in_order
from models.transitions.exchange import export_rows, replace_row
from models.transitions.rows import move_rows
from models.transitions.table import Transitions, extended

NEW_BELOW = 5
"""An item with fewer events is new."""
_FIRST_ROWS = 1024
_AT_ONCE = 1 << 11
"""Rows that a large table gives up, unless more are needed."""
_RECENT = 1 << 14
"""Events remembered to draw negatives by popularity."""


_COLUMNS: dict[str, tuple[type[np.generic], float]] = {
    "keys": (np.uint64, 0),
    "counts": (np.int64, 0),
    "discount": (np.float32, 1),
    "log_discount": (np.float32, 0),
    "factors": (np.float32, 0),
    "gradient_sum": (np.float32, 0),
    "bias": (np.float32, 0),
    "bias_gradient_sum": (np.float32, 0),
    "context": (np.float32, 0),
    "context_gradient_sum": (np.float32, 0),
    "variance": (np.float32, 0),
    "length": (np.float32, 0),
    "told": (np.float32, 0),
    "waiting": (np.bool_, 0),
    "queue": (np.int32, 0),
    "last_time": (np.int64, -1),
    "value_sum": (np.float64, 0),
    "popularity": (np.float64, 0),
    "mark": (np.int32, 0),
    "touched": (np.int64, 0),
    "named": (np.bool_, 0),
    "unavailable": (np.bool_, 0),
    "kind": (np.int32, 0),
    "known": (np.int32, 0),
}
"""Type of each column of the table, and what an unused row holds."""


HALF_LIFE_MS = 7 * 86_400_000
"""Of the popularity, unless something else is said."""


@dataclass(frozen=True, slots=True)
class Start:
    """Values a new row begins with besides zeros."""

    deviation: float = INITIAL_DEVIATION
    """Standard deviation of its factors."""
    context_deviation: float = INITIAL_DEVIATION
    """Of its factors as context."""
    variance: tuple[float, ...] = ()
    """Its variances, F + 1 of them; none in a model without."""


class Items:
    """Items known by 64-bit key, found through a compiled open-addressing hash.

    Parameters
    ----------
    factors : int
        Length F of a factor vector.
    transitions : TransitionParams
    limit : int
        Most rows there may be; further keys are refused.
    seed : int
        New rows get factors from the seed and the key: the same in every worker.
    half_life_ms : float
        Of the popularity.
    context : bool
        Whether items have factors as context, too.
    neighbours : NeighbourParams, optional
        Of the sequences that items occur in; without, none are kept.
    start : Start, optional
        What new rows hold.
    radius : float
        Largest norm of a factor vector, and largest bias.

    Attributes
    ----------
    arrays : ItemArrays
        What compiled functions work on. Replaced when rows are added: fetch it anew each call.
    transitions : Transitions
    neighbours : Neighbours
    ids : list of str or None
        Id of each row, None where only the key is known.
    generation : int
        Grows when rows move.
    marks : Marks
        What rows contain that came from elsewhere.
    trending : uint64[m]
        Keys of the items that are trending, best first.
    gone : set of int
        Keys of the items that became unavailable since somebody cleared it.
    private : bool
        Whether they stand in for popular ones, whose counts are not private.
    catalogue : Catalogue
        What is known of items besides behaviour, see `describe`.
    """

    def __init__(  # noqa: PLR0913  # each bounds something else
        self,
        *,
        factors: int,
        transitions: TransitionParams,
        limit: int,
        seed: int,
        half_life_ms: float = HALF_LIFE_MS,
        context: bool = False,
        neighbours: NeighbourParams | None = None,
        start: Start | None = None,
        radius: float = np.inf,
    ) -> None:
        if factors < 1 or limit < 1:
            raise ValueError(
                f"Items: expected factors >= 1 and limit >= 1, got {factors} and {limit}; "
                "change the configuration"
            )
        rows = min(_FIRST_ROWS, limit)
        self._limit = limit
        self._first = start or Start()
        self._radius = radius
        variance = np.array(self._first.variance, np.float32)
        # a user and an item of one name must not start alike
        self._seed = ~seed & 0x7FFFFFFF
        self.ids: list[str | None] = []
        self.generation = 0
        self.marks = Marks()
        self.trending = np.empty(0, np.uint64)
        self.private = False
        self._unavailable: set[int] = set()
        self._blocked: set[int] = set()
        self.gone: set[int] = set()
        self.catalogue = Catalogue()
        self._looked_up = (self.trending, (0, 0), np.empty(0, np.int32))
        self.transitions = Transitions(transitions, rows)
        self.neighbours = Neighbours(neighbours or NO_NEIGHBOURS, rows)
        self._has_neighbours = neighbours is not None
        self._recent = Recent()
        self.arrays = ItemArrays(
            slots=empty_slots(rows),
            short_slots=empty_slots(rows),
            recent=np.zeros(_RECENT, np.int32),
            tops=empty_tops(rows),
            counters=np.zeros(9, np.int64),
            value_total=np.zeros(1, np.float64),
            norm=float(transitions.norm),
            half_life=float(half_life_ms),
            first_variance=variance,
            **_columns(rows, factors, factors if context else 0, len(variance)),
        )

    @property
    def limit(self) -> int:
        """Most rows there may be."""
        return self._limit

    @property
    def size(self) -> int:
        """Rows in use."""
        return int(self.arrays.counters[SIZE])

    @property
    def events(self) -> int:
        """Accepted positive events counted."""
        return int(self.arrays.counters[EVENTS])

    @property
    def skipped(self) -> int:
        """Updates left out because they were not finite."""
        return int(self.arrays.counters[SKIPPED])

    @property
    def refused(self) -> int:
        """Return how often a key got no row because all were taken."""
        return int(self.arrays.counters[REFUSED])

    @property
    def evicted(self) -> int:
        """Return how many rows were given up for others."""
        return int(self.arrays.counters[EVICTED])

    @property
    def keys(self) -> NDArray[np.uint64]:
        """(size,) key of each row."""
        return self.arrays.keys[: self.size]

    @property
    def count(self) -> NDArray[np.int64]:
        """(size,) accepted positive events of each row."""
        return self.arrays.counts[: self.size]

    @property
    def context_seed(self) -> int | None:
        """Seed of the first factors as context; None in a model without."""
        return context_seed(self._seed) if self.arrays.context.shape[1] else None

    def rows(self, keys: NDArray[np.uint64], *, register: bool = True) -> NDArray[np.int32]:
        """Return the row of each key, -1 where it has none.

        Parameters
        ----------
        keys : uint64[n]
        register : bool
            Give unknown keys a row, as long as there are rows.
        """
        found = np.empty(len(keys), np.int32)
        before = self.size
        done = find_rows(Lookup.of(self.arrays), keys, found, 0, register)
        while done < len(keys) and len(self.arrays.keys) < self._limit:
            self._grow()
            done = find_rows(Lookup.of(self.arrays), keys, found, done, register)
        if done < len(keys):
            found[done:] = self.rows(keys[done:], register=False)
            self.arrays.counters[REFUSED] += np.count_nonzero(found[done:] < 0)
        self._start(before)
        return found

    def until(self, bucket: int, coordinate: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return what rows contain already of a bucket's events, see `models.index.marks`."""
        partitions = int(coordinate.max() >> OFFSET_BITS) + 1 if len(coordinate) else 1
        return self.marks.until(bucket, partitions)

    def mark_of(self, marks: NDArray[np.int64], applied: NDArray[np.int64]) -> int:
        """Return the number of what rows that come contain, see `models.index.marks.Marks.put`."""
        return self.marks.put(marks, applied, self.arrays.mark[: self.size])

    def trending_rows(self) -> NDArray[np.int32]:
        """Return the rows of trending items that are known here, best first."""
        known = (self.size, self.generation)
        if self._looked_up[0] is not self.trending or self._looked_up[1] != known:
            rows = self.rows(self.trending, register=False)
            self._looked_up = (self.trending, known, rows[rows >= 0])
        return self._looked_up[2]

    def set_available(self, key: int, *, available: bool) -> None:
        """Say whether an item is there; of one that is not known yet it is remembered."""
        self._hide(self._unavailable, key, hidden=not available)

    def set_blocked(self, key: int, *, blocked: bool) -> None:
        """Say whether an item is blocked, be it there or not."""
        self._hide(self._blocked, key, hidden=blocked)

    def _hide(self, among: set[int], key: int, *, hidden: bool) -> None:
        if hidden:
            among.add(key)
            self.gone.add(key)
        else:
            among.discard(key)
        row = self.rows(np.array([key], np.uint64), register=False)[0]
        if row >= 0:
            self.arrays.unavailable[row] = not self.is_available(key)

    def is_available(self, key: int) -> bool:
        """Return whether an item may be recommended, as far as was said."""
        return key not in self._unavailable and key not in self._blocked

    def describe(self, key: int, facts: Facts) -> None:
        """Keep what is known of an item, which may still have no row."""
        if self.catalogue.put(key, facts):
            self.arrays.kind[: self.size] = self.catalogue.kinds_of(self.keys)
            return
        row = self.rows(np.array([key], np.uint64), register=False)[0]
        if row >= 0:
            self.arrays.kind[row] = self.catalogue.kind_of(key)

    def make_room(self, keys: NDArray[np.uint64], *, known: bool = False) -> NDArray[np.uint64]:
        """Give up the least popular items where the limit leaves no row for new keys.

        An eighth of all rows at most: what still has no row then is refused. Of a large table
        fewer, or most rows of transitions would have to be written anew. Those of a single event
        go first, see `models.popularity.levels.worth`, and alone where they are a fourth of that:
        what comes once takes the place of what came once. Where hardly any are, a fourth of it is
        all that is given up, unless the keys are `known` to be more than that.

        Returns
        -------
        uint64[m]
            Keys of the items that were given up.
        """
        free = self._limit - self.size
        if free >= len(keys):
            return keys[:0]
        own = self.rows(keys, register=False)
        needed = len(np.unique(keys[own < 0])) - free
        if needed <= 0:
            return keys[:0]
        usefulness = worth(levels(self.arrays), self.count)
        usefulness[own[own >= 0]] = np.inf
        most = min(max(1, self._limit // 8), max(needed, _AT_ONCE))
        given_up, fewer = _lowest(usefulness, most), max(1, most // 4)
        once = given_up[self.count[given_up] <= 1]
        if not known:
            given_up = once if len(once) >= fewer else _lowest(usefulness, fewer)
        return self._give_up(given_up[usefulness[given_up] < np.inf])

    def admit(
        self, keys: NDArray[np.uint64], level: NDArray[np.float64]
    ) -> tuple[NDArray[np.bool_], NDArray[np.uint64]]:
        """Choose what has a row of what there is and what comes: the most popular of both.

        Parameters
        ----------
        keys : uint64[n]
            Distinct ones that come.
        level : float64[n]
            Their worth, see `models.popularity.levels`; of those that have a row already
            it stands for the row's.

        Returns
        -------
        bool[n], uint64[m]
            Which of them have a row or get one, and the keys of the items that were given up.
        """
        own = self.rows(keys, register=False)
        fresh = np.flatnonzero(own < 0)
        size, admitted = self.size, np.ones(len(keys), np.bool_)
        over = size + len(fresh) - self._limit
        gone = keys[:0]
        if over > 0:
            here = worth(levels(self.arrays), self.count)
            here[own[own >= 0]] = level[own >= 0]
            worst = _lowest(np.append(here, level[fresh]), over)
            admitted[fresh[worst[worst >= size] - size]] = False
            gone = self._give_up(worst[worst < size])
            admitted &= ~np.isin(keys, gone)
        self.rows(keys[admitted])
        return admitted, gone

    def _give_up(self, rows: NDArray[np.intp]) -> NDArray[np.uint64]:
        """Give up some rows, ascending, into whose places the last ones move; return their keys."""
        gone: NDArray[np.uint64] = self.keys[rows]
        self.arrays.counters[EVICTED] += len(gone)
        if len(gone):
            self._move(rows)
        return gone

    def _move(self, given_up: NDArray[np.intp]) -> None:
        """Fill the places of rows that are given up with the last ones: few move, all are kept."""
        a, size = self.arrays, self.size
        left = size - len(given_up)
        last = np.ones(len(given_up), np.bool_)
        last[given_up[given_up >= left] - left] = False
        holes, movers = given_up[given_up < left], np.flatnonzero(last) + left
        moved = np.arange(size, dtype=np.int32)
        moved[given_up] = -1
        moved[movers] = holes
        known = moved[a.known[: a.counters[KNOWN]]]
        known = known[known >= 0]
        recent = moved[in_order(a)]
        queue = a.queue.copy()
        a.counters[EVENTS] -= a.counts[given_up].sum()
        a.value_total[0] -= a.value_sum[given_up].sum()
        for name, (_, fill) in _COLUMNS.items():
            column = getattr(a, name)
            column[holes] = column[movers]
            column[left:size] = fill
        a.known[:] = 0
        a.known[: len(known)] = known
        self._recent.moved(a, recent)
        a.counters[SIZE], a.counters[KNOWN] = left, len(known)
        for to, row in zip(holes.tolist(), movers.tolist(), strict=True):
            self.ids[to] = self.ids[row]
        del self.ids[left:]
        # the other tops still hold for what is left of their blocks
        tops = empty_tops(len(a.keys))
        used = blocks(left)
        tops[:, :used] = a.tops[:, :used]
        self.arrays = a._replace(
            slots=empty_slots(len(a.keys)), short_slots=empty_slots(len(a.keys)), tops=tops
        )
        raise_all(self.arrays, holes.astype(np.int32))
        enter_all(Lookup.of(self.arrays))
        self._requeue(queue, moved)
        self.neighbours.move(moved)
        move_rows(self.transitions.arrays, np.append(np.int32(-1), moved))
        self.generation += 1

    def unnamed(self, rows: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Return which rows have no id yet; rows below 0 are not among them."""
        return (rows >= 0) & ~self.arrays.named[rows]

    def name(self, rows: NDArray[np.int32], ids: Sequence[str]) -> None:
        """Give rows their id where they have none; rows below 0 are passed over."""
        for n in np.flatnonzero(self.unnamed(rows)).tolist():
            if ids[n]:
                self.ids[rows[n]] = ids[n]
                self.arrays.named[rows[n]] = True

    def id_of(self, row: int) -> str | None:
        """Return the id of a row, None where only its key is known."""
        return self.ids[row] if row >= 0 else None

    def export(self, rows: NDArray[np.int32]) -> ItemRows:
        """Return all that is known about the given rows, with the heaviest successors."""
        a = self.arrays
        rows = rows[rows >= 0]
        start, successors, weights = export_rows(
            self.transitions.arrays, rows, self.transitions.arrays.keep
        )
        place_start, place_keys, positions = self.neighbours.export(rows)
        return ItemRows(
            place_start=place_start,
            place_keys=place_keys,
            place_positions=positions,
            keys=a.keys[rows],
            ids=[self.ids[row] or "" for row in rows.tolist()],
            count=a.counts[rows],
            last_time=a.last_time[rows],
            value_sum=a.value_sum[rows],
            popularity=a.popularity[rows],
            factors=a.factors[rows],
            gradient_sum=a.gradient_sum[rows],
            bias=a.bias[rows],
            bias_gradient_sum=a.bias_gradient_sum[rows],
            context=a.context[rows],
            context_gradient_sum=a.context_gradient_sum[rows],
            variance=a.variance[rows],
            successor_start=start,
            successors=a.keys[successors],
            weights=weights,
        )

    def replace(
        self,
        exported: ItemRows,
        *,
        only_newer: bool,
        step: int = -1,
        mark: int = 0,
        as_it_is: bool = False,
    ) -> None:
        """Overwrite rows by what another worker knows; new items get a row.

        Parameters
        ----------
        exported : ItemRows
        only_newer : bool
            Pass over items of which this worker has counted as many events itself, unless it has
            not changed them since `step`: then what is exported contains all that is in the row.
        step, mark : int
            See `models.arrays.items.ItemArrays.touched` and `.mark`.
        as_it_is : bool
            Forget what was learnt of rows that were never received, unless all their events are
            known here: it set out from a new row, and says nothing of the one that comes.
        """
        rows = self.rows(exported.keys)
        taken = rows >= 0
        if only_newer:
            at = rows[taken]
            newer = exported.count[taken] > self.arrays.counts[at]
            taken[taken] = newer | (self.arrays.touched[at] <= step)
        self.name(rows, exported.ids)
        chosen = np.flatnonzero(taken)
        if not len(chosen):
            return
        successors = self.rows(exported.successors)
        a, at = self.arrays, rows[chosen]
        untold = differences.untold(a, at)
        if as_it_is:
            untold[(a.mark[at] == 0) & (exported.count[chosen] > a.counts[at])] = 0
        a.last_time[at] = exported.last_time[chosen]
        a.popularity[at] = exported.popularity[chosen]
        a.mark[at] = mark
        a.factors[at] = exported.factors[chosen]
        a.gradient_sum[at] = exported.gradient_sum[chosen]
        a.bias[at] = exported.bias[chosen]
        a.bias_gradient_sum[at] = exported.bias_gradient_sum[chosen]
        a.variance[at] = exported.variance[chosen]
        if a.context.shape[1] and exported.context.shape[1]:  # not from before there were such
            a.context[at] = exported.context[chosen]
            a.context_gradient_sum[at] = exported.context_gradient_sum[chosen]
        if a.told.shape[1]:
            differences.replace(a, at, untold, self._radius)
        count = exported.count[chosen]
        elsewhere = np.maximum(0, count - a.counts[at]) / np.maximum(1, count)
        replace_counts(a, at, count, exported.value_sum[chosen])
        self._recent.add(a, at, elsewhere)
        raise_all(a, at)
        for n in chosen.tolist():
            bounds = slice(exported.successor_start[n], exported.successor_start[n + 1])
            self._replace_row(rows[n], successors[bounds], exported.weights[bounds])
        if self._has_neighbours:
            self._replace_places(at, exported, chosen)

    def _replace_places(
        self, rows: NDArray[np.int32], exported: ItemRows, chosen: NDArray[np.intp]
    ) -> None:
        start = exported.place_start
        lengths = np.diff(start)[chosen]
        bounds = np.zeros(len(chosen) + 1, np.int32)
        np.cumsum(lengths, out=bounds[1:])
        places = np.repeat(start[chosen] - bounds[:-1], lengths) + np.arange(bounds[-1])
        self.neighbours.replace(
            rows, bounds, exported.place_keys[places], exported.place_positions[places]
        )

    def _replace_row(
        self, row: int, successors: NDArray[np.int32], weights: NDArray[np.float32]
    ) -> None:
        # doubling from 8 slots takes less than four times what is stored in the end
        self.transitions.make_room(4 * len(successors) + self.transitions.reserve)
        replace_row(self.transitions.arrays, row, successors, weights)

    def _grow(self) -> None:
        """Double the rows, up to the limit."""
        a, rows = self.arrays, min(2 * len(self.arrays.keys), self._limit)
        longer: dict[str, Any] = {
            name: extended(getattr(a, name), rows, fill) for name, (_, fill) in _COLUMNS.items()
        }
        tops = empty_tops(rows)
        tops[:, : a.tops.shape[1]] = a.tops
        self.arrays = a._replace(
            slots=empty_slots(rows), short_slots=empty_slots(rows), tops=tops, **longer
        )
        enter_all(Lookup.of(self.arrays))
        self.transitions.grow(rows)
        self.neighbours.grow(rows)
        self._requeue(a.queue, np.arange(self.size, dtype=np.int32))

    def _requeue(self, queue: NDArray[np.int32], moved: NDArray[np.int32]) -> None:
        """Put the rows that wait in an old queue, whose new places are given, into this one."""
        a = self.arrays
        told, end = int(a.counters[TOLD]), int(a.counters[MOVED])
        rows = moved[queue[np.arange(told, end) % max(1, len(queue))]]
        rows = rows[rows >= 0]
        a.queue[: len(rows)] = rows
        a.counters[TOLD], a.counters[MOVED] = 0, len(rows)

    def _start(self, before: int) -> None:
        """Give the rows registered since `before` their first factors."""
        a, size = self.arrays, self.size
        if size > before:
            new = a.keys[before:size]
            for columns, seed, deviation in (
                (a.factors, self._seed, self._first.deviation),
                (a.context, context_seed(self._seed), self._first.context_deviation),
            ):
                columns[before:size] = initial_factors(new, seed, columns.shape[1], deviation)
            a.variance[before:size] = a.first_variance
            a.told[before:size] = differences.vectors(a, slice(before, size))
            raise_all(a, np.arange(before, size, dtype=np.int32))
            self.ids.extend([None] * (size - before))
            if self._unavailable or self._blocked:
                a.unavailable[before:size] = [not self.is_available(key) for key in new.tolist()]
            a.kind[before:size] = self.catalogue.kinds_of(new)


def _lowest(values: NDArray[np.float64], n: int) -> NDArray[np.intp]:
    """Return the indices of the n lowest values, ascending; of equal ones the first."""
    if n >= len(values):
        return np.arange(len(values))
    edge = np.partition(values, n - 1)[n - 1]  # to sort them all takes five times as long
    below = values < edge
    equal = np.flatnonzero(values == edge)[: n - np.count_nonzero(below)]
    below[equal] = True
    return np.flatnonzero(below)


def context_seed(seed: int) -> int:
    """Return the seed of factors as context, from that of the others of an item."""
    return seed ^ 0x2545F491


def _columns(rows: int, factors: int, context: int, variances: int) -> dict[str, Any]:
    """Return the columns of a table without an item."""
    widths = {
        "factors": (factors,),
        "context": (context,),
        "variance": (variances,),
        "told": (differences.width_of(factors, context, variances),),
    }
    return {
        name: np.full((rows, *widths.get(name, ())), fill, kind)
        for name, (kind, fill) in _COLUMNS.items()
    }
