"""Ranks of an event's item before it is learnt: by what is served, and by each part of it."""

import numpy as np
from numpy.typing import NDArray

from models.arrays.events import LearntArrays
from models.arrays.items import KNOWN, SIZE, ItemArrays
from models.arrays.work import Knobs, Work
from models.columns.learnt import UNKNOWN
from models.compiled import Integer, Real, Truth, kernel
from models.components import COMPONENTS, DEEP, POPULARITY, TRANSITIONS, add, join
from models.deep import part as deep_model
from models.factors import part as factors
from models.neighbours import part as neighbours
from models.popularity import part as popularity
from models.popularity.levels import level_of
from models.ranking.slopes import learn_event as learn_slopes
from models.transitions import share as transitions
from models.users.own import is_own, mark_own
from models.weights.blend import add_event
from models.weights.popularity import gains_of, history_of, learn

_KEYS = 1 << 32
RANKED = 20_000
"""Items beyond which fewer of the sampled users' events are ranked: each costs as many looks."""


@kernel
def is_ranked(key: Integer, known: Integer, most: Real) -> Truth:
    """Return whether a sampled user's events are ranked among so many items, where most are few.

    Of a large catalogue's sampled users a share is, always the same ones: which are sampled at all
    is said by the lower half of their keys, and this by the upper one.
    """
    share = np.float64(key >> np.uint64(32)) / _KEYS
    return share * np.float64(known) < most


@kernel
def _teaches(key: Integer, known: Integer, knobs: Knobs) -> Truth:
    """Return whether weights are learnt from a user's ranked events.

    In the job from all of them; an evaluation ranks more events than the job.
    """
    sampled = np.int64(key & np.uint64(_KEYS - 1)) < knobs.taught
    return sampled and is_ranked(key, known, float(RANKED))


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
    out.popularity_rank[e] = _rank_by_count(a, scratch.mark, mark, target)
    total = transitions.weigh_served(work, u)
    if y >= 0:
        deep_model.fill(work, y)
        out.deep_rank[e] = _rank_by(scratch.parts[DEEP], a, scratch.mark, mark, target)
    if total > 0:
        _rank_by_parts(e, u, y, time, mark, target, work, out)
    else:
        rank = _rank_in_fallback(work, mark, target)
        out.rank[e], out.online_rank[e], out.transition_rank[e] = rank, rank, rank


@kernel
def _rank_by_parts(
    e: Integer,
    u: Integer,
    y: Integer,
    time: Integer,
    mark: Integer,
    target: Integer,
    work: Work,
    out: LearntArrays,
) -> None:
    """Rank by the transitions, by all but the deep model, and by all."""
    a, scratch, joint = work.items, work.scratch, work.scratch.joint
    size = a.counters[SIZE]
    teaches = _teaches(work.users.key[u], a.counters[KNOWN], work.knobs)
    transitions.fill(work, u)
    factors.fill(work, u)
    if work.knobs.neighbour_smoothing > 0:
        neighbours.fill(work, u)
    out.transition_rank[e] = _rank_by(scratch.parts[TRANSITIONS], a, scratch.mark, mark, target)
    join(scratch.parts, scratch.weights, DEEP, size, joint)
    if len(work.popular.weights) > 0:
        _add_popularity(u, time, mark, target, teaches, work)
    out.online_rank[e] = _rank_by(joint, a, scratch.mark, mark, target)
    out.rank[e] = out.online_rank[e]
    if y >= 0:
        if teaches:
            add_event(
                joint,
                scratch.parts[DEEP],
                scratch.weights[DEEP],
                a,
                scratch.mark,
                mark,
                target,
                scratch.ranks,
                out.loss,
            )
        join(scratch.parts, scratch.weights, COMPONENTS, size, joint)
        out.rank[e] = _rank_by(joint, a, scratch.mark, mark, target)
    if teaches and len(work.tuned.bucket) > 0:
        learn_slopes(u, mark, target, work)


@kernel
def _add_popularity(
    u: Integer, time: Integer, mark: Integer, target: Integer, teaches: Truth, work: Work
) -> None:
    """Add popularity to the joint scores by its weight, then learn what weights were worth."""
    scratch, size = work.scratch, work.items.counters[SIZE]
    part, marks = scratch.parts[POPULARITY], scratch.mark
    popularity.fill(work.items, time, part)
    history: Integer = history_of(work.users.positives[u])
    weight = work.popular.weights[history]
    if teaches:
        ranks, gains = scratch.ranks, scratch.gains
        gains_of(scratch.joint, part, work.items, marks, mark, target, ranks, gains)
        learn(work.popular, history, gains)
    scratch.weights[POPULARITY] = weight
    add(part, weight, size, scratch.joint)


@kernel
def _rank_by(
    scores: NDArray[np.float32],
    a: ItemArrays,
    marks: NDArray[np.int64],
    mark: Integer,
    target: Integer,
) -> Integer:
    """Return the 0-based rank of the target by scores."""
    aim = scores[target]
    above, level = 0, 0
    for row in range(a.counters[SIZE]):  # the target is level with itself
        counted = (a.counts[row] > 0) & (marks[row] != mark)
        above += counted & (scores[row] > aim)
        level += counted & (scores[row] == aim)
    return above + level // 2


@kernel
def _rank_in_fallback(work: Work, mark: Integer, target: Integer) -> Integer:
    """Return the 0-based rank of the target among trending items, then by popularity.

    The trending ones are listed in their order; of those equally popular half stand before it.
    """
    a, marks, before = work.items, work.scratch.mark, 0
    listed = mark + 1  # no user's mark yet: stamps go up by two
    for n in range(len(work.fallback)):
        row = work.fallback[n]
        if row == target:
            return before
        if marks[row] != mark and marks[row] != listed and a.counts[row] > 0:
            marks[row] = listed
            before += 1
    aim, level = level_of(a, target), 0
    for row in range(a.counters[SIZE]):  # the target is level with itself
        if a.counts[row] > 0 and marks[row] != mark and marks[row] != listed:
            other = level_of(a, row)
            before += other > aim
            level += other == aim
    return before + level // 2


@kernel
def _rank_by_count(
    a: ItemArrays, marks: NDArray[np.int64], mark: Integer, target: Integer
) -> Integer:
    aim = a.counts[target]
    more, equal = 0, 0
    for row in range(a.counters[SIZE]):
        counted = (a.counts[row] > 0) & (marks[row] != mark)
        more += counted & (a.counts[row] > aim)
        equal += counted & (a.counts[row] == aim)
    return more + equal // 2
