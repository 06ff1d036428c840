"""Shared code of the models of ratings: which events are ratings, their mean, and lists."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.arrays.deep import DeepArrays
from models.arrays.events import BatchArrays, EventArrays
from models.arrays.items import EVENTS, SIZE, ItemArrays
from models.arrays.users import UserArrays
from models.arrays.work import Scratch
from models.columns.lists import BY_FACTORS, BY_NEW
from models.compiled import Integer, Real, Truth, compiled, entry, kernel
from models.index.ceilings import listable
from models.index.marks import is_new
from models.lists import Lists
from models.numeric.best import keep_best
from models.params.rating import KalmanParams, RatingParams
from models.params.users import UserParams
from models.popularity.counts import count_event
from models.refit.fold import known
from models.users.history import remember, remember_positive
from models.users.own import mark_own
from models.users.past import note_past


class Scale(NamedTuple):
    """The range of ratings and the rules of lists, see `models.params.rating.RatingParams`."""

    lowest: Real
    highest: Real
    """32 bits both, as the ratings have: 4.9 is not above 4.9."""
    support: int
    strong: float
    """See `models.params.users.UserParams`."""

    @classmethod
    def of(cls, params: RatingParams | KalmanParams, users: UserParams) -> "Scale":
        """Return what kernels need."""
        lowest, highest = np.float32(params.lowest), np.float32(params.highest)
        return cls(lowest, highest, params.support, users.strong)


@kernel
def is_rating(value: Real, scale: Scale) -> Truth:
    """Return whether a value lies in the rating range; NaN does not."""
    return scale.lowest <= value <= scale.highest


@kernel
def clipped(rating: Real, scale: Scale) -> Real:
    """Return the nearest rating of the range."""
    return min(scale.highest, max(scale.lowest, rating))


@kernel
def mean_rating(a: ItemArrays, scale: Scale) -> Real:
    """Return the mean of all ratings learnt; the middle of the range before the first."""
    if a.counters[EVENTS] > 0:
        return a.value_total[0] / a.counters[EVENTS]
    return (np.float64(scale.lowest) + np.float64(scale.highest)) / 2


@kernel
def count_rating(a: ItemArrays, row: Integer, value: Real, time: Integer) -> None:
    """Count a rating of an item, and add it to the sums that means are taken of."""
    a.value_sum[row] += value
    a.value_total[0] += value
    count_event(a, row, time)


@kernel
def is_due(e: Integer, batch: BatchArrays, a: ItemArrays, scale: Scale) -> Truth:
    """Return whether an event is a rating of an item that may be changed and lacks it yet."""
    item = batch.item[e]
    if item < 0 or not batch.owned[item] or not is_rating(batch.value[e], scale):
        return False
    return is_new(batch.until, a, batch.rows[item], batch.coordinate[e])


@kernel
def remember_event(e: Integer, events: EventArrays, users: UserArrays, strong: Real) -> None:
    """Let an event enter its user's lists and counts, rating or not."""
    u, weight, key = events.user[e], events.weight[e], events.item[e]
    if weight > 0:
        users.positives[u] += 1
        remember_positive(users, u, key, events.gap[e], events.counts[e])
        note_past(users, u, key, weight >= strong, events.time[e], events.hide[e])
    elif weight < 0:
        remember(users.excluded, users.excluded_length, u, key)
    users.events[u] += 1


@compiled
def constant_predictions(a: ItemArrays, scale: Scale) -> NDArray[np.float32]:
    """Return each item's part of the score; -inf where it cannot be recommended."""
    constants, mean = np.full(a.counters[SIZE], -np.inf, np.float32), mean_rating(a, scale)
    for row in range(len(constants)):
        if listable(a, row):
            constants[row] = a.bias[row] + mean
    return constants


def second_block(begin: int, users: int, deep: DeepArrays, items: int) -> NDArray[np.float32]:
    """Return (B, items) what the refitted model predicts to some users; (0, 0) without weight."""
    if deep.weight == 0 or not len(deep.y):
        return np.empty((0, 0), np.float32)
    products: NDArray[np.float32] = deep.y[begin : begin + users] @ deep.targets[:items].T
    products += deep.bias[:items]
    return products


@entry
def list_block(  # noqa: PLR0913  # columns
    begin: Integer,
    products: NDArray[np.float32],
    second: NDArray[np.float32],
    deep: DeepArrays,
    levels: NDArray[np.float32],
    users: UserArrays,
    a: ItemArrays,
    scratch: Scratch,
    scale: Scale,
    lists: Lists,
) -> None:
    """Recommend what they would rate highest to the users from `begin`, see `models.lists`.

    A rating is the mean, the item's bias, the user's level and a product, moved towards the second
    prediction where there is one. The list of a user without a history stays empty.
    """
    mean = mean_rating(a, scale)
    for n in range(len(products)):
        u, held = begin + n, 0
        if users.history_length[u] == 0:
            continue
        mark = mark_own(scratch, a, users, u, users.session_last[u])
        for few in (False, True):  # what is guessed at from few ratings only fills a list up
            if few and held == lists.rows.shape[1]:
                break
            for row in range(len(lists.constants)):
                if lists.constants[row] == -np.inf or scratch.mark[row] == mark:
                    continue
                if (a.counts[row] < scale.support) != few:
                    continue
                score = lists.constants[row] + products[n, row]
                first = mean + a.bias[row] + levels[u] + products[n, row]
                score += _moved(n, row, first, second, deep.weight)
                held = keep_best(lists.rows, lists.scores, u, held, row, score)
            for at in range(held):  # nothing comes before them any more
                lists.scores[u, at] = np.inf
        for at in range(held):
            row = lists.rows[u, at]
            first = mean + a.bias[row] + levels[u] + products[n, row]
            lists.scores[u, at] = first + _moved(n, row, first, second, deep.weight)
            lists.reasons[u, at] = BY_NEW if a.counts[row] < scale.support else BY_FACTORS


@kernel
def _moved(
    n: Integer, row: Integer, first: Real, second: NDArray[np.float32], weight: Real
) -> Real:
    """Return how far a second prediction moves the first; not at all of an item it knows not."""
    if len(second) == 0 or not known(second[n, row]):
        return np.float32(0)
    return np.float32(weight) * (second[n, row] - np.float32(first))
