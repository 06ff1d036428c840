"""The list of a user without a look at every item: the same as over the whole catalogue.

What the user's last items or neighbours name is scored first. The k-th best of that is more than
nearly all other items can reach, by `models.index.ceilings`: only blocks of rows whose tops exceed
it are looked at, row by row, and only rows whose own bound exceeds it are scored.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.arrays.items import SIZE
from models.arrays.work import Work
from models.compiled import Integer, Real, Truth, entry, kernel
from models.components import DEEP, FACTORS, NEIGHBOURS, POPULARITY, TRANSITIONS
from models.factors import part as factors
from models.index.ceilings import BLOCK, CEILING, LENGTH, MOST, SHIFT, ceiling_of, listable, most_of
from models.lists import Lists
from models.neighbours import part as neighbours
from models.neighbours import share as received
from models.numeric.best import keep_best
from models.numeric.logarithm import log1p
from models.numeric.vectors import dot, norm
from models.popularity.part import part_of as popularity_of
from models.ranking.reasons import set_reasons
from models.transitions import share as transitions
from models.users.own import mark_own
from models.weights.popularity import history_of

SLACK = 1e-5
"""What rounding may add to a score, for every unit that its terms may be large."""
_SAMPLE = 256
"""Items whose mean stands for that of all of them, where there are more."""
_STRIDE = 32
"""Blocks that are compared with the k-th best at once."""


@entry
def list_all(now: Integer, slack: Real, work: Work, lists: Lists) -> None:
    """Fill the list of every user; that of one whose last items say nothing stays empty.

    Parameters
    ----------
    now
        Event time that popularity is taken at, ms.
    slack
        `SLACK`; very large to score every item.
    """
    if lists.rows.shape[1] > 0:
        _set_means(work, now)
        for u in range(len(lists.rows)):
            if transitions.weigh_served(work, u) > 0:
                _list_best(u, now, slack, work, lists)


@kernel
def _set_means(work: Work, now: Integer) -> None:
    """Set the means over items of what does not depend on the user, and of factors.

    Those of `_SAMPLE` rows at equal distances: which component lifts an item above the average
    one most needs no more.
    """
    a, mean, means = work.items, work.scratch.mean, work.scratch.means
    size = a.counters[SIZE]
    sample: Integer = min(size, _SAMPLE)
    share = np.float32(1) / np.float32(max(sample, 1))
    mean[:], means[:] = 0, 0
    for n in range(sample):
        row = n * size // sample
        for f in range(mean.shape[1]):
            mean[0, f] += share * a.factors[row, f]
        means[TRANSITIONS] += share * a.log_discount[row]
        means[FACTORS] += share * a.bias[row]
        if len(work.popular.weights) > 0:
            means[POPULARITY] += share * popularity_of(a, row, now)


class Search(NamedTuple):
    """Parameters of the search for one user's list."""

    now: Integer
    """Event time that popularity is taken at, ms."""
    mark: Integer
    """Of the rows that are named; what is the user's own has a later one."""
    scale: Real
    """What `Scratch.near` is multiplied by."""
    popular: Real
    """Weight of popularity."""
    weight: Real
    """Weight of factors."""
    reach: Real
    """Norm of what the user is to factors, rounded up."""
    margin: Real
    """What rounding may add to a score besides."""


@kernel
def _list_best(u: Integer, now: Integer, slack: Real, work: Work, lists: Lists) -> None:
    """Fill a user's list with the best scores, and say why."""
    scratch, size = work.scratch, work.items.counters[SIZE]
    popular: Real = np.float32(0)
    if len(work.popular.weights) > 0:
        history: Integer = history_of(work.users.positives[u])
        popular = work.popular.weights[history]
    scratch.weights[POPULARITY], scratch.weights[DEEP] = popular, 0
    factors.look(work, u)
    # sums of F products are rounded up to F times
    up = np.float32(1 + slack * (1 + scratch.z.shape[1] / 64))
    reach = up * np.sqrt(norm(scratch.z, 0))
    margin = np.float32(slack * (10 + work.knobs.radius))
    named, scale, mark = _touch(u, work)
    mark_own(scratch, work.items, work.users, u, work.users.session_last[u])
    _set_sums(named, scale, size, work)
    search = Search(now, mark, scale, popular, scratch.weights[FACTORS], reach, margin)
    held = _list_named(u, named, search, work, lists)
    held = _list_others(u, held, search, work, lists)
    for at in range(held):
        row = lists.rows[u, at]
        parts = _parts_of(row, search, work)
        scratch.parts[TRANSITIONS, row], scratch.parts[FACTORS, row] = parts[0], parts[1]
        scratch.parts[NEIGHBOURS, row], scratch.parts[POPULARITY, row] = parts[2], parts[3]
        scratch.parts[DEEP, row] = 0
    for n in range(named):
        scratch.boost[scratch.touched[n]] = 0
        scratch.near[scratch.touched[n]] = 0
    set_reasons(u, held, size, work, lists)


@kernel
def _touch(u: Integer, work: Work) -> tuple[Integer, Real, Integer]:
    """Set `Scratch.boost` and `.near` of the items that are named for a user.

    Returns
    -------
    int, float, int
        How many there are in `Scratch.touched`, what `near` is to be multiplied by, and their mark.
    """
    scratch = work.scratch
    scratch.stamp[0] += 2
    mark, scale = scratch.stamp[0], np.float32(0)
    named = transitions.touch(work, u, mark)
    if work.knobs.neighbour_smoothing > 0:
        neighbours.find(work, u)
        named, total = received.touch(
            work.neighbours, scratch.near, scratch.touched, named, scratch.mark, mark
        )
        if total > 0:
            scale = np.float32(1) / (total * np.float32(work.knobs.neighbour_smoothing))
    return named, scale, mark


@kernel
def _set_sums(named: Integer, scale: Real, size: Integer, work: Work) -> None:
    """Set the sum of each component over all items, from the means and what is named."""
    scratch = work.scratch
    sums, means, whole = scratch.sums, scratch.means, np.float32(size)
    boosts, said = np.float32(0), np.float32(0)
    for n in range(named):
        row = scratch.touched[n]
        boosts += log1p(scratch.boost[row])
        said += log1p(scratch.near[row] * scale)
    sums[TRANSITIONS] = whole * means[TRANSITIONS] + boosts
    sums[FACTORS] = whole * (means[FACTORS] + dot(scratch.z, 0, scratch.mean, 0))
    sums[NEIGHBOURS], sums[DEEP] = said, 0
    sums[POPULARITY] = whole * means[POPULARITY]


@kernel
def _list_named(u: Integer, named: Integer, search: Search, work: Work, lists: Lists) -> Integer:
    """List the best of the named items; return how many are listed."""
    a, scratch, held = work.items, work.scratch, 0
    weight = scratch.weights[NEIGHBOURS]
    floor = _floor(u, held, search, lists)
    # the followers of the newest item come last, and are most
    for n in range(named - 1, -1, -1):
        row = scratch.touched[n]
        if scratch.mark[row] == search.mark:
            bound = log1p(scratch.boost[row]) + weight * log1p(scratch.near[row] * search.scale)
            bound += _bound(ceiling_of(a, row), most_of(a, row), a.length[row], search)
            if bound > floor and listable(a, row):
                held = _offer(u, held, row, search, work, lists)
                floor = _floor(u, held, search, lists)
    return held


@kernel
def _list_others(u: Integer, held: Integer, search: Search, work: Work, lists: Lists) -> Integer:
    """Add all other items that are good enough to a list of `held`; return how many it holds."""
    tops = work.items.tops
    blocks = (work.items.counters[SIZE] + BLOCK - 1) >> SHIFT
    floor = _floor(u, held, search, lists)
    for begin in range(0, blocks, _STRIDE):
        end: Integer = min(begin + _STRIDE, blocks)
        if _some_exceed(tops, begin, end, search, floor):
            for at in range(begin, end):
                if _bound(tops[CEILING, at], tops[MOST, at], tops[LENGTH, at], search) > floor:
                    held = _list_block(u, held, at, search, work, lists)
                    floor = _floor(u, held, search, lists)
    return held


@kernel
def _some_exceed(
    tops: NDArray[np.float32], begin: Integer, end: Integer, search: Search, floor: Real
) -> Truth:
    """Return whether the bound of some block exceeds a floor: a sum, without branches."""
    over = np.float32(0)
    for at in range(begin, end):
        bound = _bound(tops[CEILING, at], tops[MOST, at], tops[LENGTH, at], search)
        over += bound - floor if bound > floor else np.float32(0)
    return over > 0


@kernel
def _list_block(
    u: Integer, held: Integer, at: Integer, search: Search, work: Work, lists: Lists
) -> Integer:
    """Do as `_list_others` with the rows of one block, and lower its tops to what they hold."""
    a, marks = work.items, work.scratch.mark
    ceiling, most, length = np.float32(-np.inf), np.float32(0), np.float32(0)
    floor = _floor(u, held, search, lists)
    for row in range(at << SHIFT, min((at + 1) << SHIFT, a.counters[SIZE])):
        its_ceiling, its_most, its_length = ceiling_of(a, row), most_of(a, row), a.length[row]
        # what is no number exceeds nothing
        ceiling = its_ceiling if its_ceiling > ceiling else ceiling
        most = its_most if its_most > most else most
        length = its_length if its_length > length else length
        bound = _bound(its_ceiling, its_most, its_length, search)
        if bound > floor and marks[row] < search.mark and listable(a, row):
            held = _offer(u, held, row, search, work, lists)
            floor = _floor(u, held, search, lists)
    a.tops[CEILING, at], a.tops[MOST, at], a.tops[LENGTH, at] = ceiling, most, length
    return held


@kernel
def _bound(ceiling: Real, most: Real, length: Real, search: Search) -> Real:
    """Return what the score of an item that nothing names cannot exceed, but for rounding."""
    return search.weight * (ceiling + search.reach * length) + search.popular * most


@kernel
def _floor(u: Integer, held: Integer, search: Search, lists: Lists) -> Real:
    """Return what a bound must exceed for its item to have a place; -inf while there are some."""
    if held < lists.rows.shape[1]:
        return np.float32(-np.inf)
    return lists.scores[u, held - 1] - search.margin


@kernel
def _offer(
    u: Integer, held: Integer, row: Integer, search: Search, work: Work, lists: Lists
) -> Integer:
    """Score an item exactly and keep it in a list if it is good enough."""
    parts, weights = _parts_of(row, search, work), work.scratch.weights
    score = weights[TRANSITIONS] * parts[0] + weights[FACTORS] * parts[1]
    score += weights[NEIGHBOURS] * parts[2] + search.popular * parts[3]
    if score > -np.inf:
        return keep_best(lists.rows, lists.scores, u, held, row, np.float32(score))
    return held


@kernel
def _parts_of(row: Integer, search: Search, work: Work) -> tuple[Real, Real, Real, Real]:
    """Return what transitions, factors, neighbours and popularity say of an item."""
    a, scratch = work.items, work.scratch
    followed = a.log_discount[row] + log1p(scratch.boost[row])
    near = log1p(scratch.near[row] * search.scale)
    popular = popularity_of(a, row, search.now) if search.popular > 0 else np.float32(0)
    return followed, factors.part_of(work, row), near, popular
