"""Events one after the other, each through all components."""

import numpy as np
from numpy.typing import NDArray

from models.arrays.events import BatchArrays, EventArrays, LearntArrays
from models.arrays.items import KNOWN, ItemArrays
from models.arrays.neighbours import NeighbourArrays
from models.arrays.transitions import TransitionArrays
from models.arrays.work import Knobs, Window, Work
from models.compiled import Integer, Truth, entry, kernel
from models.factors.pairs import apply_event as apply_pairs
from models.factors.pairs import learn_event as learn_pairs
from models.factors.softmax import learn_event as learn_softmax
from models.index.marks import is_new
from models.neighbours.learn import place_at
from models.popularity.counts import count_event
from models.ranking.ranks import is_ranked, rank_all
from models.transitions.learn import apply_event as apply_transitions
from models.transitions.learn import learn_event as learn_transitions
from models.users.history import remember, remember_positive
from models.users.past import note_past


@entry
def learn_events(
    begin: Integer,
    events: EventArrays,
    rows: NDArray[np.int32],
    fresh: NDArray[np.bool_],
    scored: NDArray[np.bool_],
    work: Work,
    out: LearntArrays,
) -> Integer:
    """Learn events in order; return where it stopped for want of room for transitions."""
    users, window, knobs = work.users, work.window, work.knobs
    for e in range(begin, len(rows)):
        u, weight, key, row = events.user[e], events.weight[e], events.item[e], rows[e]
        time = events.time[e]
        if weight > 0:
            if len(work.transitions.successor) - work.transitions.top[0] < knobs.reserve:
                return e
            out.position[e] += users.positives[u]
            if (
                scored[e]
                and users.history_length[u] > 0
                and is_ranked(users.key[u], work.items.counters[KNOWN], knobs.ranked)
            ):
                rank_all(e, u, key, row, time, work, out)
            if row >= 0 and events.moves[e]:
                _learn_event(e, row, fresh[e] and events.counts[e], events, work, out)
            if row >= 0:
                remember(window.rows, window.length, u, row)
            users.positives[u] += 1
            remember_positive(users, u, key, events.gap[e], events.counts[e])
            note_past(users, u, key, weight >= knobs.strong, time, events.hide[e])
        elif weight < 0:
            remember(users.excluded, users.excluded_length, u, key)
        users.events[u] += 1
    return len(rows)


@kernel
def _learn_event(
    e: Integer, row: Integer, fresh: Truth, events: EventArrays, work: Work, out: LearntArrays
) -> None:
    """Teach every component; the item side only what is fresh."""
    u = events.user[e]
    if work.knobs.context > 0:
        learn_softmax(e, row, fresh, events, work)
    else:
        learn_pairs(e, row, fresh, events, work, out)
    if fresh:
        if is_new(work.until, work.items, row, events.coordinate[e]):
            count_event(work.items, row, events.time[e])
            if work.knobs.neighbour_smoothing > 0:
                place_at(work.neighbours, work.users.key[u], row, out.position[e])
        learn_transitions(e, u, row, events, work)


@entry
def apply_events(
    begin: Integer,
    batch: BatchArrays,
    fresh: NDArray[np.bool_],
    window: Window,
    a: ItemArrays,
    t: TransitionArrays,
    n: NeighbourArrays,
    knobs: Knobs,
) -> Integer:
    """Learn the item side of events another worker accepted; otherwise as `learn_events`.

    An event of weight 0 is one that does not count: it is only remembered.
    """
    for e in range(begin, len(batch.item)):
        u, item = batch.user[e], batch.item[e]
        if item < 0 or not batch.weight[e] >= 0:
            continue
        if len(t.successor) - t.top[0] < knobs.reserve:
            return e
        if fresh[e] and batch.weight[e] > 0:
            if knobs.context == 0:
                apply_pairs(e, u, batch, a, knobs)
            if batch.owned[item] and is_new(batch.until, a, batch.rows[item], batch.coordinate[e]):
                count_event(a, batch.rows[item], batch.time[e])
                if knobs.neighbour_smoothing > 0:
                    place_at(n, batch.user_keys[u], batch.rows[item], batch.position[e])
            apply_transitions(e, u, batch, window, a, t, knobs)
        remember(window.rows, window.length, u, item)
    return len(batch.item)
