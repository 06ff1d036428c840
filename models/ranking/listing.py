"""The list of a user by the scores of all items: where they are few, or a deep model is served."""

import numpy as np
from numpy.typing import NDArray

from models.arrays.items import SIZE, ItemArrays
from models.arrays.work import Work
from models.compiled import Integer, compiled, entry, kernel
from models.components import COMPONENTS, POPULARITY, add_up, join
from models.deep import part as deep
from models.factors import part as factors
from models.index.ceilings import listable
from models.lists import Lists
from models.neighbours import part as neighbours
from models.numeric.best import keep_best
from models.ranking.reasons import set_reasons
from models.transitions import share as transitions
from models.users.own import mark_own
from models.weights.popularity import history_of


@compiled
def recommendable(a: ItemArrays) -> NDArray[np.float32]:
    """Return 0 for each item that can be recommended, -inf for the others."""
    constants = np.full(a.counters[SIZE], -np.inf, np.float32)
    for row in range(len(constants)):
        if listable(a, row):
            constants[row] = 0
    return constants


@entry
def list_block(
    begin: Integer,
    products: NDArray[np.float32],
    deep_products: NDArray[np.float32],
    work: Work,
    lists: Lists,
) -> None:
    """Recommend to the users from `begin`, whose products of factors (B, items) are given.

    The list of a user whose last items say nothing stays empty.

    Parameters
    ----------
    deep_products : float32[B, items]
        The same of the deep model; (0, 0) where it says nothing or makes no scalar products.
    """
    for n in range(len(products)):
        u = begin + n
        if transitions.weigh_served(work, u) > 0:
            transitions.fill(work, u)
            factors.fill_from(work, products, n)
            if work.knobs.neighbour_smoothing > 0:
                neighbours.fill(work, u)
            if len(deep_products) > 0:
                deep.fill_from(work, deep_products, n)
            elif len(work.deep.y) > 0:
                deep.fill(work, u)
            _list_best(u, work, lists)


@kernel
def _list_best(u: Integer, work: Work, lists: Lists) -> None:
    """Fill a user's list with the best scores, and say why."""
    scratch, size = work.scratch, len(lists.constants)
    mark = mark_own(scratch, work.items, work.users, u, work.users.session_last[u])
    if len(work.popular.weights) > 0:
        history: Integer = history_of(work.users.positives[u])
        scratch.weights[POPULARITY] = work.popular.weights[history]
    join(scratch.parts, scratch.weights, COMPONENTS, size, scratch.joint)
    held, limit = 0, lists.rows.shape[1]
    worst = np.float32(-np.inf)
    for row in range(size):
        score = scratch.joint[row] + lists.constants[row]
        if score > worst and scratch.mark[row] != mark:
            held = keep_best(lists.rows, lists.scores, u, held, row, score)
            if held == limit:
                worst = lists.scores[u, held - 1]
    add_up(scratch.parts, size, scratch.sums)
    set_reasons(u, held, size, work, lists)
