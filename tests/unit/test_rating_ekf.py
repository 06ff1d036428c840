"""The rating objective by the filter: what it predicts, and what others are told of it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.arrays.deep import DeepArrays
from models.arrays.lesson import Lesson
from models.columns.events import Events
from models.columns.learnt import Learnt
from models.columns.lists import BY_FACTORS, BY_NEW
from models.columns.users import Users
from models.items.differences import take
from models.items.table import Items
from models.params.rating import KalmanParams
from models.params.users import UserParams
from models.rating import kalman
from models.rating.ekf import FilteredRating, start_of
from models.rating.kalman_arrays import Kalman, KalmanItems, KalmanUsers
from tests.columns import FACTORS, TRANSITIONS, accepted, events, key, rows_of
from tests.kernels import predict_rating

PARAMS = KalmanParams(factors=FACTORS, history=5, support=2, deviation=0.2, history_deviation=0.1)
NONE = DeepArrays.none()


def new_users(n: int, params: KalmanParams = PARAMS) -> Users:
    widths = {"history": 8, "excluded": 4, "factors": FACTORS, "past": 64, "recent": 2}
    widths |= {"past_until": 0, "deep": 0, "mood": 3}
    widths |= {"variance": FACTORS + 1, "rated": params.history}
    users = Users.new(n, widths)
    users.key[:] = np.arange(n)
    return users


def new_items(params: KalmanParams = PARAMS) -> Items:
    return Items(
        factors=FACTORS,
        transitions=TRANSITIONS,
        limit=10_000,
        seed=1,
        context=params.history > 0,
        start=start_of(params),
        radius=params.radius,
    )


def learn(items: Items, users: Users, batch: Events, **changes: Any) -> Learnt:
    every = np.ones(len(batch), np.bool_)
    params = changes.pop("params", PARAMS)
    lesson = Lesson(
        events=batch,
        rows=rows_of(items, batch),
        bucket=0,
        gap=np.zeros(len(batch), np.uint8),
        deep=NONE,
        **{"fresh": every, "scored": every} | changes,
    )
    return FilteredRating(params, users=UserParams()).learn(items, users, lesson)


def ratings(n: int, users: int = 8, catalogue: int = 15, seed: int = 1, first: int = 0) -> Events:
    """Ratings of random pairs: the user's bias and the item's; sessions of some ratings."""
    random = np.random.default_rng(seed)
    user, item = random.integers(0, users, n), random.integers(0, catalogue, n)
    value = np.clip(np.round(3 + user % 3 - 1 + (item % 5 - 2) / 2, 1), 1, 5)
    made = events(*zip(user.tolist(), item.tolist(), strict=True), value=value, first=first)
    made.time = 10**12 + np.cumsum(random.choice([0, 1_000, 599_999, 9_000_000], n))
    return made


def part(batch: Events, begin: int, end: int) -> Events:
    return batch.take(np.arange(begin, end))


def reference(batch: Events, params: KalmanParams) -> tuple[Kalman, NDArray[np.float32]]:
    """The pure model over the same ratings from the same start; what it predicted of each."""
    start = new_items(params)
    rows = rows_of(start, batch)
    users = KalmanUsers.new(np.arange(8, dtype=np.uint64), params)
    items = KalmanItems.new(start.keys, params)
    items.factors[:] = start.arrays.factors[: start.size]
    items.taste[:] = start.arrays.context[: start.size]
    model, predicted = Kalman.new(users, items, params), np.empty(len(batch), np.float32)
    kalman.learn_events(batch.user, rows, batch.value, batch.time, model, predicted)
    return model, predicted


@pytest.mark.parametrize("history", [0, 1, 5])
@pytest.mark.parametrize("cuts", [[], [1, 2, 50, 51, 200]])
def test_it_predicts_what_the_pure_model_predicts(history: int, cuts: list[int]) -> None:
    params, batch = replace(PARAMS, history=history), ratings(300)
    items, users = new_items(params), new_users(8, params)
    errors = [
        learn(items, users, part(batch, begin, end), params=params).error
        for begin, end in zip([0, *cuts], [*cuts, 300], strict=True)
    ]
    model, predicted = reference(batch, params)
    expected = batch.value - np.clip(predicted, params.lowest, params.highest)
    assert np.concatenate(errors) == pytest.approx(expected, abs=1e-5)
    a, size = items.arrays, items.size
    for found, wanted in (
        (users.bias, model.users.bias),
        (users.factors, model.users.factors),
        (users.variance, model.users.variance),
        (users.mood[:, 0], model.users.session),
        (users.mood[:, 1], model.users.session_variance),
        (users.mood[:, 2], model.users.time),
        (a.bias[:size], model.items.bias),
        (a.factors[:size], model.items.factors),
        (a.variance[:size], model.items.variance),
        (a.context[:size], model.items.taste),
    ):
        assert found == pytest.approx(wanted, abs=1e-5)
    assert items.skipped == 0


def told(here: Items, batch: Events, learnt: Learnt, there: Items) -> None:
    """Another worker receives what was learnt here."""
    message = accepted(batch, here.rows(batch.item), learnt, here)
    message.moved, message.differences = take(here.arrays, 1_000)
    _apply(there, message, np.ones(len(batch), np.bool_))


def _apply(there: Items, message: Any, fresh: NDArray[np.bool_]) -> None:
    rows = there.rows(message.keys)
    FilteredRating(PARAMS, users=UserParams()).apply(there, message, rows, fresh=fresh)


def test_another_worker_learns_from_what_travels() -> None:
    here, there, users = new_items(), new_items(), new_users(8)
    for n in range(40):
        batch = ratings(10, seed=n, first=10 * n)
        told(here, batch, learn(here, users, batch), there)
    a, b, size = here.arrays, there.arrays, here.size
    assert np.array_equal(here.count, there.count)
    assert b.value_total[0] == pytest.approx(a.value_total[0])
    for name in ("bias", "factors", "context"):
        assert getattr(b, name)[:size] == pytest.approx(getattr(a, name)[:size], abs=2e-3), name
    assert b.variance[:size] == pytest.approx(a.variance[:size], rel=2e-3)


@pytest.mark.parametrize("workers", [2, 3, 5])
def test_what_several_have_learnt_adds_up_as_information(workers: int) -> None:
    """None goes too far: means weigh by precision, and precisions add."""
    parts, everything = [new_items() for _ in range(workers)], new_items()
    for items in parts:
        for n in range(5):
            users = new_users(1)
            users.key[:] = 100 + n
            batch = events((0, 1), value=5.0, first=n)
            told(items, batch, learn(items, users, batch), everything)
    one, every, first = parts[0].arrays.variance[0, -1], everything.arrays.variance[0, -1], 0.3
    assert 1 / every - 1 / first == pytest.approx(workers * (1 / one - 1 / first), rel=1e-2)
    one, every = parts[0].arrays.bias[0], everything.arrays.bias[0]
    assert one < every < (workers - 0.1) * one
    assert everything.count.tolist() == [5 * workers]


@pytest.mark.parametrize("radius", [0.3, 4.0])
def test_workers_that_meet_the_ball_and_tell_again_stay_alike(radius: float) -> None:
    """Each copy shortens by itself, and none leaves the others behind."""
    params = replace(PARAMS, radius=radius)
    sides = [(new_items(params), new_users(8, params)) for _ in range(3)]
    every, met = np.ones(10, np.bool_), 0
    for n in range(30):
        sent = []
        for at, (items, users) in enumerate(sides):
            batch = ratings(10, seed=n + 100 * at, first=1_000 * n + 100 * at, catalogue=5)
            learnt = learn(items, users, batch, params=params)
            message = accepted(batch, items.rows(batch.item), learnt, items)
            message.moved, message.differences = take(items.arrays, 1_000)
            sent.append(message)
        for at, (items, _) in enumerate(sides):
            for received in (one for teller, one in enumerate(sent) if teller != at):
                model = FilteredRating(params, users=UserParams())
                model.apply(items, received, items.rows(received.keys), fresh=every)
        bias = np.abs(sides[0][0].arrays.bias)
        assert bias.max() <= radius * 1.001
        met += np.count_nonzero(bias > radius * 0.99)
    assert (met > 30) == (radius < 1)
    first, *others = (items for items, _ in sides)
    for items in others:
        rows, a, b = items.rows(first.keys), first.arrays, items.arrays
        for name in ("factors", "context", "bias"):
            mine = getattr(a, name)[: first.size]
            assert getattr(b, name)[rows] == pytest.approx(mine, abs=2e-2), name
        assert b.variance[rows] == pytest.approx(a.variance[: first.size], rel=1e-2)


def test_a_poisoned_difference_cannot_spoil_the_items() -> None:
    here, there, users = new_items(), new_items(), new_users(8)
    batch = ratings(30)
    message = accepted(batch, rows_of(here, batch), learn(here, users, batch), here)
    message.moved, message.differences = take(here.arrays, 1_000)
    message.differences[::2] = 60_000
    message.differences[1::2] = -60_000
    for _ in range(3):
        _apply(there, message, np.ones(30, np.bool_))
    a, size = there.arrays, there.size
    assert (np.linalg.norm(a.factors[:size], axis=1) <= PARAMS.radius * 1.001).all()
    assert (np.linalg.norm(a.context[:size], axis=1) <= PARAMS.radius * 1.001).all()
    assert (np.abs(a.bias[:size]) <= PARAMS.radius).all()
    assert (a.variance[:size] > 0).all()
    assert (a.variance[:size] <= 4.001 * a.first_variance).all()
    learn(there, users, ratings(30, seed=2, first=30))
    assert np.isfinite(users.factors).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, 399.0])
def test_what_is_no_rating_is_remembered_but_not_learnt(value: float) -> None:
    items, users = new_items(), new_users(1)
    learnt = learn(items, users, events((0, 1), value=value))
    assert np.isnan(learnt.error).all()
    assert items.count.tolist() == [0]
    assert users.rated_length.tolist() == [0]
    assert users.history[0, : users.history_length[0]].tolist() == [key(1)]


def test_a_spoilt_item_spoils_no_user_and_is_counted() -> None:
    items, users = new_items(), new_users(1)
    learn(items, users, events((0, 1), value=4.0))
    before = users.take(np.array([0], np.int32))
    items.arrays.factors[0, 1] = np.nan
    learn(items, users, events((0, 1), value=4.0, first=1))
    assert items.skipped == 1
    assert np.array_equal(users.factors, before.factors)
    assert np.array_equal(users.rated, before.rated)


def test_a_rating_that_is_not_fresh_teaches_the_user_only() -> None:
    items, users, batch = new_items(), new_users(8), ratings(60)
    rows_of(items, batch)
    a = items.arrays
    before = [column.copy() for column in (a.factors, a.bias, a.variance, a.context, a.counts)]
    learn(items, users, batch, fresh=np.zeros(60, np.bool_))
    after = (a.factors, a.bias, a.variance, a.context, a.counts)
    assert all(np.array_equal(x, y) for x, y in zip(before, after, strict=True))
    assert users.bias.any()
    assert users.rated_length.sum() > 20


def test_an_item_that_was_given_up_says_nothing() -> None:
    items, users = new_items(), new_users(1)
    learn(items, users, events((0, 1), (0, 2), value=4.0))
    users.rated[0, 0] = 12345
    learnt = learn(items, users, events((0, 3), value=4.0, first=2))
    assert np.isfinite(learnt.error).all()
    assert users.rated[0, :3].tolist() == [12345, key(2), key(3)]


def test_a_rebuilt_replica_predicts_the_same() -> None:
    items, other, users = new_items(), new_items(), new_users(8)
    learn(items, users, ratings(200))
    other.replace(items.export(np.arange(items.size, dtype=np.int32)), only_newer=False)
    model = FilteredRating(PARAMS, users=UserParams())
    expected, found = (model.recommend(one, users, 15, NONE) for one in (items, other))
    assert np.array_equal(found.rows, expected.rows)
    assert found.scores == pytest.approx(expected.scores, abs=1e-6)


def test_what_was_not_told_yet_stays_when_rows_are_replaced() -> None:
    items, older, users = new_items(), new_items(), new_users(8)
    batch = ratings(100)
    rows_of(older, batch)
    learn(items, users, batch)
    before = items.arrays.bias[: items.size].copy()
    items.replace(older.export(np.arange(older.size, dtype=np.int32)), only_newer=False)
    assert items.arrays.bias[: items.size] == pytest.approx(before, abs=1e-5)


def test_the_highest_predicted_rating_comes_first_and_rare_items_last() -> None:
    items, users = new_items(), new_users(8)
    batch = ratings(600)
    learn(items, users, batch)
    learn(items, users, events((0, 50), value=5.0, first=600))
    users.session_last[:] = users.mood[:, 2]
    objective = FilteredRating(PARAMS, users=UserParams())
    lists = objective.recommend(items, users, 15, NONE)
    rare = items.rows(np.array([key(50)], np.uint64))[0]
    model = objective._model(items, users)
    model.mean[0] = items.arrays.value_total[0] / items.events
    for u in range(1, 8):
        rows = lists.rows[u][lists.rows[u] >= 0]
        assert (rows[-1], lists.reasons[u, len(rows) - 1]) == (rare, BY_NEW)
        time = int(users.session_last[u])
        predicted = [predict_rating(model, u, row, time) for row in rows.tolist()]
        assert lists.scores[u, : len(rows)] == pytest.approx(predicted, abs=1e-4)
        assert (np.diff(lists.scores[u, : len(rows) - 1]) <= 0).all()
        assert (lists.reasons[u, : len(rows) - 1] == BY_FACTORS).all()
