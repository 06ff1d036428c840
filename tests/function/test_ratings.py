"""The job's own path from records to predictions says what the pure filter says."""

from collections.abc import Sequence

import numpy as np
import pytest

from models.keys import key_of
from models.params import EventPolicy, KalmanParams
from models.rating import kalman
from models.rating.kalman import Kalman, KalmanItems, KalmanUsers
from operators.stages.learn import empty_items
from tests.builders import (
    MINUTE,
    NOW,
    Record,
    cut,
    event,
    in_order,
    learn_items,
    learn_users,
    learning,
)
from tests.harness import Clock, ItemsSubtask, Savepoint, UsersSubtask
from tests.kernels import predict_rating

PARAMS = KalmanParams(history=6, support=3)
MODEL = learning(objective="rating", rating=PARAMS)
USERS, ITEMS = 10, 30


def subtask(savepoint: Savepoint | None = None) -> UsersSubtask:
    """A subtask that learns ratings, as `conf` configures it: none of them is a dislike."""
    policy = EventPolicy(buckets=1, rating_centre=None)
    return UsersSubtask(learn_users(policy=policy, learning=MODEL, k=ITEMS), Clock(), savepoint)


def ratings(n: int, seed: int = 2) -> tuple[list[Record], list[tuple[int, int, float, int]]]:
    """Ratings of different pairs, as records and as numbers; sessions of some ratings."""
    random = np.random.default_rng(seed)
    pairs = random.permutation(USERS * ITEMS)[:n]
    stars = random.choice([1.0, 2.5, 4.0, 5.0], n)
    gaps = random.choice([0, 1_000, 9 * MINUTE, 50 * MINUTE], n)
    times = NOW - int(gaps.sum()) + np.cumsum(gaps)
    rows = [
        (int(pair) // ITEMS, int(pair) % ITEMS, float(star), int(time))
        for pair, star, time in zip(pairs, stars, times, strict=True)
    ]
    log = [event(f"u{u}", f"i{i}", "rating", at=t, value=r) for u, i, r, t in rows]
    return in_order(log), rows


def pure(rows: Sequence[tuple[int, int, float, int]]) -> tuple[Kalman, np.ndarray]:
    """The pure filter after the ratings, and its errors; every row starts as in the job."""
    start = empty_items(MODEL)
    start.rows(np.array([key_of(f"i{i}") for i in range(ITEMS)], np.uint64))
    users = KalmanUsers.new(np.array([key_of(f"u{u}") for u in range(USERS)], np.uint64), PARAMS)
    items = KalmanItems.new(start.keys, PARAMS)
    items.factors[:] = start.arrays.factors[:ITEMS]
    items.taste[:] = start.arrays.context[:ITEMS]
    model, predicted = Kalman.new(users, items, PARAMS), np.empty(len(rows), np.float32)
    user, item = (np.array([row[side] for row in rows], np.int32) for side in (0, 1))
    star = np.array([row[2] for row in rows], np.float32)
    time = np.array([row[3] for row in rows])
    kalman.learn_events(user, item, star, time, model, predicted)
    return model, star - np.clip(predicted, PARAMS.lowest, PARAMS.highest)


@pytest.mark.parametrize("sizes", [[], [1] * 250, [7] * 40])
def test_what_the_job_predicts_is_what_the_pure_filter_predicts(sizes: list[int]) -> None:
    log, rows = ratings(250)
    users = subtask()
    squared, scored, listed = 0.0, 0, {}
    for records in cut(log, sizes):
        learned = users.take(records)
        squared += learned.metrics["squared_error"]
        scored += learned.metrics["errors"]
        listed |= learned.recommendations
    model, errors = pure(rows)
    assert scored == len(rows)
    assert squared == pytest.approx((errors.astype(float) ** 2).sum(), rel=1e-5)
    user, _, _, time = rows[-1]
    found = {one["item_id"]: one["score"] for one in listed[f"u{user}"]["items"]}
    own = {item for u, item, _, _ in rows if u == user}
    assert set(found) <= {f"i{i}" for i in set(range(ITEMS)) - own}
    assert len(found) > 1
    for name, score in found.items():
        expected = predict_rating(model, user, int(name[1:]), time)
        assert score == pytest.approx(float(expected), abs=1e-4)


def test_a_restored_job_predicts_the_same() -> None:
    log, _ = ratings(250)
    users = subtask()
    items = ItemsSubtask(learn_items(learning=MODEL), Clock())
    taken = [users.take(records) for records in cut(log[:-40], [9] * 30)]
    items.take(*(learned.accepted for learned in taken if learned.accepted))
    after = subtask(users.savepoint())
    again = ItemsSubtask(learn_items(learning=MODEL), Clock(), items.savepoint())
    after.hear(*(chunk for _, chunk in again.publish()))
    expected, found = users.take(log[-40:]), after.take(log[-40:])
    assert found.metrics["squared_error"] == pytest.approx(
        expected.metrics["squared_error"], rel=1e-3
    )
    for user, one in expected.recommendations.items():
        scores = {item["item_id"]: item["score"] for item in one["items"]}
        again_scores = {
            item["item_id"]: item["score"] for item in found.recommendations[user]["items"]
        }
        assert again_scores == pytest.approx(scores, abs=5e-3)
