"""The rating objective against its equations."""

from dataclasses import replace

import numpy as np
import pytest

from models.arrays.deep import DeepArrays
from models.arrays.lesson import Lesson
from models.columns.events import Events
from models.columns.learnt import Learnt
from models.columns.lists import BY_FACTORS, BY_NEW, BY_POPULAR, BY_TRENDING
from models.columns.users import Users
from models.items.table import Items
from models.params.rating import RatingParams
from models.params.users import UserParams
from models.rating.model import Rating
from tests import columns
from tests.columns import accepted, events, key, new_items, new_users, rows_of

PARAMS = RatingParams(factors=columns.FACTORS, support=2)
NONE = DeepArrays.none()


def objective(**changes: float) -> Rating:
    return Rating(replace(PARAMS, **changes), users=UserParams())


def learn(
    items: Items, users: Users, batch: Events, *, fresh: bool = True, sampled: bool = True
) -> Learnt:
    return objective().learn(
        items,
        users,
        Lesson(
            batch,
            rows_of(items, batch),
            bucket=0,
            fresh=np.full(len(batch), fresh),
            scored=np.full(len(batch), sampled),
            gap=np.zeros(len(batch), np.uint8),
            deep=DeepArrays.none(),
        ),
    )


def ratings(n: int, users: int = 8, catalogue: int = 15, seed: int = 1) -> Events:
    """Ratings of random pairs: the user's bias and the item's, in steps of a half."""
    random = np.random.default_rng(seed)
    user, item = random.integers(0, users, n), random.integers(0, catalogue, n)
    value = np.clip(np.round(3 + user % 3 - 1 + (item % 5 - 2) / 2, 1), 1, 5)
    return events(*zip(user.tolist(), item.tolist(), strict=True), value=value)


def test_a_rating_takes_one_step_of_the_equations() -> None:
    items, users, batch = new_items(), new_users(8), ratings(50)
    rows = rows_of(items, batch)
    p, q = users.factors.astype(float), items.arrays.factors[: items.size].astype(float)
    bu, bi, mean = np.zeros(8), np.zeros(items.size), 2.75
    errors = []
    for n, (u, i, r) in enumerate(zip(batch.user, rows, batch.value.astype(float), strict=True)):
        predicted = mean + bu[u] + bi[i] + p[u] @ q[i]
        errors.append(r - min(5, max(0.5, predicted)))
        e = r - predicted
        bu[u] += PARAMS.bias_rate * (e - PARAMS.bias_decay * bu[u])
        bi[i] += PARAMS.bias_rate * (e - PARAMS.bias_decay * bi[i])
        old = p[u].copy()
        p[u] += PARAMS.rate * (e * q[i] - PARAMS.decay * p[u])
        q[i] += PARAMS.rate * (e * old - PARAMS.decay * q[i])
        mean = batch.value[: n + 1].astype(float).mean()
    learnt = learn(items, users, batch)
    assert learnt.error == pytest.approx(errors, abs=1e-4)
    assert users.factors == pytest.approx(p, abs=1e-4)
    assert users.bias == pytest.approx(bu, abs=1e-4)
    assert items.arrays.factors[: items.size] == pytest.approx(q, abs=1e-4)
    assert items.arrays.bias[: items.size] == pytest.approx(bi, abs=1e-4)


def test_errors_shrink_as_it_learns() -> None:
    error = learn(new_items(), new_users(8), ratings(4000)).error
    assert np.abs(error[-500:]).mean() < 0.4 * np.abs(error[:200]).mean()


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, 399.0])
def test_what_is_no_rating_is_remembered_but_not_learnt(value: float) -> None:
    items, users = new_items(), new_users(1)
    before = users.factors.copy()
    learnt = learn(items, users, events((0, 1), value=value))
    assert np.isnan(learnt.error).all()
    assert items.count.tolist() == [0]
    assert np.array_equal(users.factors, before)
    assert users.history[0, : users.history_length[0]].tolist() == [key(1)]


def test_only_sampled_users_have_errors() -> None:
    items, users = new_items(), new_users(8)
    assert np.isnan(learn(items, users, ratings(20), sampled=False).error).all()


def test_a_rating_that_is_not_fresh_teaches_the_user_only() -> None:
    items, users, batch = new_items(), new_users(8), ratings(20)
    rows_of(items, batch)
    factors = items.arrays.factors.copy()
    before = users.factors.copy()
    learn(items, users, batch, fresh=False)
    assert np.array_equal(items.arrays.factors, factors)
    assert not items.count.any()
    assert not np.array_equal(users.factors, before)


def test_another_worker_learns_from_what_travels() -> None:
    here, there, users = new_items(), new_items(), new_users(8)
    for seed in range(4):
        batch = ratings(300, seed=seed)  # a user has many in one micro-batch
        learnt = learn(here, users, batch)
        message = accepted(batch, rows_of(here, batch), learnt, here)
        rows = there.rows(message.keys)
        objective().apply(there, message, rows, fresh=np.ones(300, np.bool_))
    assert np.array_equal(here.count, there.count)
    assert np.array_equal(here.arrays.bias, there.arrays.bias)
    assert np.array_equal(here.arrays.factors, there.arrays.factors)


def test_a_rebuilt_replica_predicts_the_same() -> None:
    items, other, users = new_items(), new_items(), new_users(8)
    learn(items, users, ratings(200))
    other.replace(items.export(np.arange(items.size, dtype=np.int32)), only_newer=False)
    expected = objective().recommend(items, users, 15, NONE)
    found = objective().recommend(other, users, 15, NONE)
    assert np.array_equal(found.rows, expected.rows)
    assert found.scores == pytest.approx(expected.scores, abs=1e-6)


def mean(items: Items) -> float:
    return items.arrays.value_total[0] / items.events


def test_the_mean_follows_the_rows_that_are_taken() -> None:
    items, other, users = new_items(), new_items(), new_users(1)
    learn(items, users, events((0, 1), (0, 1), (0, 2), value=[5.0, 4.0, 3.0]))
    learn(other, users, events((0, 1), (0, 2), (0, 2), (0, 3), value=[1.0, 2.0, 2.5, 1.5]))
    exported = items.export(np.arange(items.size, dtype=np.int32))
    other.replace(exported, only_newer=True)
    assert mean(other) == pytest.approx((5 + 4 + 2 + 2.5 + 1.5) / 5)
    other.replace(exported, only_newer=False)
    other.replace(exported, only_newer=False)
    assert mean(other) == pytest.approx((5 + 4 + 3 + 1.5) / 4)


def test_a_poisoned_error_cannot_spoil_the_items() -> None:
    here, there, users = new_items(), new_items(), new_users(8)
    batch = ratings(30)
    message = accepted(batch, rows_of(here, batch), learn(here, users, batch), here)
    message.gradients[::2] = np.nan
    message.gradients[1::4] = 1e30
    rows = there.rows(message.keys)
    objective().apply(there, message, rows, fresh=np.ones(30, np.bool_))
    assert np.isfinite(there.arrays.factors).all()
    assert np.isfinite(there.arrays.bias).all()
    assert np.abs(there.arrays.bias).max() <= 5
    assert there.skipped > 0


def test_the_highest_predicted_rating_comes_first_and_own_items_never() -> None:
    items, users = new_items(), new_users(8, history=4)
    batch = ratings(600)
    learn(items, users, batch)
    learn(items, users, events((0, 50), value=5.0, first=600))
    lists = objective().recommend(items, users, 15, NONE)
    rare = items.rows(np.array([key(50)], np.uint64))[0]
    for u in range(1, 8):
        rows = lists.rows[u][lists.rows[u] >= 0]
        own = items.rows(users.history[u, : users.history_length[u]], register=False)
        assert not set(rows.tolist()) & set(own.tolist())
        assert (rows[-1], lists.reasons[u, len(rows) - 1]) == (rare, BY_NEW)
        common = rows[:-1]
        predicted = (
            (batch.value.astype(float).sum() + 5) / 601
            + users.bias[u]
            + items.arrays.bias[common]
            + (items.arrays.factors[common] @ users.factors[u])
        )
        assert lists.scores[u, : len(common)] == pytest.approx(predicted, abs=1e-3)
        assert (np.diff(lists.scores[u, : len(common)]) <= 0).all()
        assert (lists.reasons[u, : len(common)] == BY_FACTORS).all()


def test_items_of_few_ratings_are_in_the_order_of_their_scores_too() -> None:
    items, users = new_items(), new_users(8, history=4)
    learn(items, users, ratings(600))
    scores = 3 + np.arange(12) / 40
    rare = events(*[(0, 60 + n) for n in range(12)], value=scores.tolist(), first=600)
    learn(items, users, rare)
    bias = 0.001 * np.arange(12, dtype=np.float32)
    rows = items.rows(rare.item)
    items.arrays.bias[rows], items.arrays.factors[rows] = bias, 0
    lists = objective().recommend(items, users, 40, NONE)
    for u in range(1, 8):
        last = [n for n, row in enumerate(lists.rows[u].tolist()) if row in rows.tolist()]
        held = int((lists.rows[u] >= 0).sum())
        assert last == list(range(held - 12, held))
        assert lists.rows[u, last].tolist() == rows[::-1].tolist()
        assert (np.diff(lists.scores[u, last]) < 0).all()
        assert (lists.reasons[u, last] == BY_NEW).all()
        assert (lists.reasons[u, : held - 12] != BY_NEW).all()


def test_without_a_past_trending_items_come_first_and_popular_ones_after() -> None:
    items, users = new_items(), new_users(8)
    learn(items, users, events((0, 1), (1, 1), (0, 2), value=3.0))
    rows = items.rows(np.array([key(1), key(2)], np.uint64))
    items.trending = np.array([key(2)], np.uint64)
    lists = objective().recommend(items, new_users(1), 3, NONE)
    assert lists.rows[0].tolist() == [rows[1], rows[0], -1]
    assert lists.reasons[0, :2].tolist() == [BY_TRENDING, BY_POPULAR]
