r"""The rating objective: biased matrix factorisation, one SGD step an event.

.. math:: \hat r = \mu + b_u + b_i + p_u q_i, \quad e = r - \hat r
.. math:: b \mathrel{+}= \eta_b (e - \lambda_b b), \quad
    p \mathrel{+}= \eta (e q - \lambda p), \quad q \mathrel{+}= \eta (e p - \lambda q)

all from old values; μ is the running mean of the ratings (Koren, Bell and Volinsky, IEEE
Computer 42(8), 2009; the step of River's BiasedMF, whose squared loss doubles the rates).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.arrays import (
    SIZE,
    SKIPPED,
    BatchArrays,
    EventArrays,
    ItemArrays,
    LearntArrays,
    Scratch,
    UserArrays,
)
from models.best import keep_best
from models.columns import (
    FACTORS,
    NEW,
    POPULAR,
    TRENDING,
    AcceptedBatch,
    Events,
    Learnt,
    Recommended,
    Users,
)
from models.compiled import compiled, kernel
from models.history import remember
from models.items import Items, count_event
from models.params import RatingParams, TransitionParams, UserParams
from models.popularity import most_popular
from models.rehearsal import rehearse
from models.scoring import mark_own, take_in_order
from models.vectors import dot, move


class Knobs(NamedTuple):
    """Hyper-parameters, see `models.params.RatingParams`."""

    rate: float
    bias_rate: float
    decay: float
    bias_decay: float
    radius: float
    lowest: float
    highest: float
    support: int


class Rating:
    """Learns what users give and recommends what they would rate highest.

    An event is a rating where its value lies in the rating range; only ratings are learnt and
    counted. Positive events without one are remembered as seen all the same.

    Parameters
    ----------
    params : RatingParams
    users : UserParams
    transitions : TransitionParams
        Not used by this objective, which learns no transitions.
    """

    def __init__(
        self, params: RatingParams, *, users: UserParams, transitions: TransitionParams
    ) -> None:
        self._params = params
        self._users = users
        self._transitions = transitions
        self._scratch = Scratch.for_rows(0)
        self._knobs = Knobs(
            rate=params.rate,
            bias_rate=params.bias_rate,
            decay=params.decay,
            bias_decay=params.bias_decay,
            radius=params.radius,
            lowest=params.lowest,
            highest=params.highest,
            support=params.support,
        )

    def warm_up(self) -> None:
        """Compile all that learning and recommending run, or load it from the cache."""
        rehearse(self, self._params.factors, self._users, self._transitions)

    def learn(
        self,
        items: Items,
        users: Users,
        events: Events,
        rows: NDArray[np.int32],
        *,
        fresh: NDArray[np.bool_],
        sampled: NDArray[np.bool_],
    ) -> Learnt:
        """Learn accepted events in order; see `models.ranking.Ranking.learn`.

        Its gradients (n, 1) are the errors e of the equations; there are no negatives and no
        context.
        """
        factors = users.factors.copy()
        out = LearntArrays.empty(len(rows), 0)
        _learn_events(
            EventArrays.of(events),
            rows,
            fresh,
            sampled,
            UserArrays.of(users),
            items.arrays,
            self._knobs,
            out,
            np.empty((1, factors.shape[1]), np.float32),
        )
        return Learnt(
            context=np.empty(0, np.int32),
            context_start=np.zeros(len(users) + 1, np.int32),
            factors=factors,
            **out._asdict(),
        )

    def apply(
        self,
        items: Items,
        batch: AcceptedBatch,
        rows: NDArray[np.int32],
        *,
        fresh: NDArray[np.bool_],
        owned: NDArray[np.bool_] | None = None,
    ) -> None:
        """Learn the item side of other workers' events; see `models.ranking.Ranking.apply`."""
        _apply_events(BatchArrays.of(batch, rows, owned), fresh, items.arrays, self._knobs)

    def recommend(
        self, items: Items, users: Users, k: int, fallback: NDArray[np.int32]
    ) -> Recommended:
        """Return the k items of highest predicted rating; see `models.ranking.Ranking.recommend`.

        Items with fewer than `support` ratings come last.
        """
        out = Recommended.empty(len(users), k)
        if len(self._scratch.mark) < len(items.arrays.keys):
            self._scratch = Scratch.for_rows(len(items.arrays.keys))
        popular = most_popular(items.arrays, k + users.history.shape[1] + users.excluded.shape[1])
        _recommend(
            UserArrays.of(users),
            items.arrays,
            _constants(items.arrays, self._knobs),
            fallback,
            popular,
            self._scratch,
            self._knobs,
            (out.rows, out.scores, out.reasons, out.sources),
        )
        return out


@kernel
def _mean(a: ItemArrays, knobs: Knobs) -> float:
    """Return the mean of all ratings learnt; the middle of the range before the first."""
    if a.values[1] > 0:
        return a.values[0] / a.values[1]
    return (knobs.lowest + knobs.highest) / 2


@kernel
def _is_rating(value: float, knobs: Knobs) -> bool:
    return knobs.lowest <= value <= knobs.highest


@kernel
def _learn_events(
    events: EventArrays,
    rows: NDArray[np.int32],
    fresh: NDArray[np.bool_],
    sampled: NDArray[np.bool_],
    users: UserArrays,
    a: ItemArrays,
    knobs: Knobs,
    out: LearntArrays,
    old: NDArray[np.float32],
) -> None:
    """Learn events in order; `old` (1, F) is scratch memory."""
    for e in range(len(rows)):
        u, row, value, key = events.user[e], rows[e], events.value[e], events.item[e]
        if row >= 0 and _is_rating(value, knobs):
            product = dot(users.factors, u, a.factors, row)
            predicted = _mean(a, knobs) + users.bias[u] + a.bias[row] + product
            if sampled[u]:
                out.error[e] = value - min(knobs.highest, max(knobs.lowest, predicted))
            error = np.float32(value - predicted)
            out.gradients[e, 0] = error
            for f in range(old.shape[1]):
                old[0, f] = users.factors[u, f]
            move(users.factors, u, knobs.rate * error, a.factors, row, knobs.rate * knobs.decay, knobs.radius)
            users.bias[u] += knobs.bias_rate * (error - knobs.bias_decay * users.bias[u])
            if fresh[e]:
                _move_item(a, row, error, old, 0, value, events.time[e], knobs)
        if events.weight[e] > 0:
            remember(users.history, users.history_length, u, key)
        elif events.weight[e] < 0:
            remember(users.excluded, users.excluded_length, u, key)
        users.events[u] += 1


@kernel
def _apply_events(
    batch: BatchArrays, fresh: NDArray[np.bool_], a: ItemArrays, knobs: Knobs
) -> None:
    for e in range(len(batch.item)):
        item, value, error = batch.item[e], batch.value[e], batch.gradients[e, 0]
        if fresh[e] and item >= 0 and batch.owned[item] and _is_rating(value, knobs):
            _move_item(
                a, batch.rows[item], error, batch.factors, batch.user[e], value, batch.time, knobs
            )


@kernel
def _move_item(
    a: ItemArrays,
    row: int,
    error: float,
    factors: NDArray[np.float32],
    u: int,
    value: float,
    time: int,
    knobs: Knobs,
) -> None:
    """Take the item's side of one step, and count the rating."""
    if np.isfinite(error * dot(factors, u, factors, u)):
        move(a.factors, row, knobs.rate * error, factors, u, knobs.rate * knobs.decay, knobs.radius)
        a.bias[row] += knobs.bias_rate * (error - knobs.bias_decay * a.bias[row])
    else:
        a.counters[SKIPPED] += 1
    a.values[0] += value
    a.values[1] += 1
    count_event(a, row, time)


@compiled
def _constants(a: ItemArrays, knobs: Knobs) -> NDArray[np.float32]:
    """Return an item's prediction for an average user; -inf where it cannot be recommended."""
    constants = np.full(a.counters[SIZE], -np.inf, np.float32)
    for row in range(len(constants)):
        if a.named[row] and a.count[row] > 0:
            constants[row] = a.bias[row] + _mean(a, knobs)
    return constants


@kernel
def _recommend(users, a, constants, fallback, popular, scratch, knobs, out):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    """Fill the lists of all users."""
    for u in range(len(users.history_length)):
        mark = mark_own(scratch, a, users, u)
        if users.history_length[u] == 0:
            taken = take_in_order(u, 0, fallback, TRENDING, constants, mark, scratch, out)
            take_in_order(u, taken, popular, POPULAR, constants, mark, scratch, out)
            continue
        held = _take_best(u, 0, users, a, constants, mark, scratch, knobs, out, True)
        _take_best(u, held, users, a, constants, mark, scratch, knobs, out, False)


@kernel
def _take_best(u, taken, users, a, constants, mark, scratch, knobs, out, supported):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202, E501
    """Append the items of highest predicted rating, with or without enough ratings; return the
    length of the list."""
    rows, scores, reasons, _ = out
    best, score_of = rows[u, taken:], scores[u, taken:]
    held = 0
    if len(best) > 0:
        for row in range(len(constants)):
            if (a.count[row] >= knobs.support) == supported and scratch.mark[row] != mark:
                score = users.bias[u] + constants[row] + dot(users.factors, u, a.factors, row)
                if score > -np.inf:
                    held = keep_best(best, score_of, held, row, score)
        reasons[u, taken : taken + held] = FACTORS if supported else NEW
    return taken + held
