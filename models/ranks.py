"""Where an event's item stood before it was learnt: by what is served, and by each part of it."""

import numpy as np
from numpy.typing import NDArray

from models.arrays import SIZE, ItemArrays, LearntArrays, Work
from models.blend import add_loss
from models.columns import UNKNOWN
from models.compiled import Integer, Real, kernel
from models.popularity import level_of
from models.scoring import (
    boost_all,
    clear_boosts,
    constant_of,
    deep_score,
    is_own,
    mark_own,
    weigh,
)
from models.vectors import dot


@kernel
def _miss_all(e: Integer, work: Work, out: LearntArrays) -> None:
    """Note that an event's item was in nobody's list."""
    out.rank[e], out.online_rank[e], out.popularity_rank[e] = UNKNOWN, UNKNOWN, UNKNOWN
    out.transition_rank[e] = UNKNOWN
    if len(work.deep.row) > 0 and work.deep.row[e] >= 0:
        out.deep_rank[e] = UNKNOWN


@kernel
def rank_all(
    e: Integer,
    u: Integer,
    key: Integer,
    target: Integer,
    time: Integer,
    work: Work,
    out: LearntArrays,
) -> None:
    """Rank an event's item among all known ones that are not the user's own at its time.

    Ties count half. Where the user's last items say nothing, trending and then popular items stand
    for the online model and for what is served, as they do in recommendations. An item that is the
    user's own at its time is not recommended again: a miss.
    """
    a, scratch, deep = work.items, work.scratch, work.deep
    y = deep.row[e] if len(deep.row) > 0 else -1
    _miss_all(e, work, out)
    if target < 0 or a.counts[target] == 0 or is_own(work.users, u, key, time):
        return
    mark = mark_own(scratch, a, work.users, u, time)
    popularity = _place_by_count(a, scratch.mark, mark, target)
    out.popularity_rank[e] = popularity
    total = weigh(work.window, u, a, work.transitions, work.knobs.window_decay)
    touched = boost_all(work, u) if total > 0 else 0
    online, other = scratch.online, scratch.deep
    _score_online(u, work)
    if y >= 0:
        _score_deep(y, work)
        out.deep_rank[e] = _place(online, other, 0.0, 1.0, a, scratch.mark, mark, target)
    if total > 0:
        boost, discount = scratch.boost, a.log_discount
        out.transition_rank[e] = _place(boost, discount, 1.0, 1.0, a, scratch.mark, mark, target)
        out.online_rank[e] = _place(online, other, 1.0, 0.0, a, scratch.mark, mark, target)
        out.rank[e] = out.online_rank[e]
        if y >= 0:
            share = deep.weights[1] / deep.weights[0]
            out.rank[e] = _place(online, other, 1.0, share, a, scratch.mark, mark, target)
            add_loss(online, other, deep.weights, a, scratch.mark, mark, target, out.loss)
    else:
        place = _place_in_fallback(work, mark, target)
        out.rank[e], out.online_rank[e], out.transition_rank[e] = place, place, place
    clear_boosts(scratch, touched)


@kernel
def _score_online(u: Integer, work: Work) -> None:
    a, scratch = work.items, work.scratch
    for row in range(a.counters[SIZE]):
        known = constant_of(a, row) + scratch.boost[row]
        scratch.online[row] = dot(work.users.factors, u, a.factors, row) + known


@kernel
def _score_deep(y: Integer, work: Work) -> None:
    for row in range(work.items.counters[SIZE]):
        work.scratch.deep[row] = deep_score(work.deep, y, row)


@kernel
def _place(
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    first_weight: Real,
    second_weight: Real,
    a: ItemArrays,
    marks: NDArray[np.int64],
    mark: Integer,
    target: Integer,
) -> Integer:
    """Return the 0-based rank of the target by the weighted sum of two scores."""
    p, q = np.float32(first_weight), np.float32(second_weight)
    aim = p * first[target] + q * second[target]
    above, level = 0, 1
    for row in range(a.counters[SIZE]):
        if a.counts[row] == 0 or marks[row] == mark or row == target:
            continue
        score = p * first[row] + q * second[row]
        above += score > aim
        level += score == aim
    return above + level // 2


@kernel
def _place_in_fallback(work: Work, mark: Integer, target: Integer) -> Integer:
    """Return the 0-based rank of the target among trending items, then by popularity."""
    a, marks, before = work.items, work.scratch.mark, 0
    listed = mark + 1  # no user's mark yet: stamps go up by two
    for n in range(len(work.fallback)):
        row = work.fallback[n]
        if row == target:
            return before
        if marks[row] != mark and marks[row] != listed and a.counts[row] > 0:
            marks[row] = listed
            before += 1
    aim = level_of(a, target)
    for row in range(a.counters[SIZE]):
        if a.counts[row] > 0 and marks[row] != mark and marks[row] != listed and row != target:
            before += level_of(a, row) > aim
    return before


@kernel
def _place_by_count(
    a: ItemArrays, marks: NDArray[np.int64], mark: Integer, target: Integer
) -> Integer:
    more, equal = 0, 1
    for row in range(a.counters[SIZE]):
        if a.counts[row] == 0 or marks[row] == mark or row == target:
            continue
        more += a.counts[row] > a.counts[target]
        equal += a.counts[row] == a.counts[target]
    return more + equal // 2
