"""The job's own path from records to predictions says what the pure filter says."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from models.deep.mf import Mf
from models.deep.shape import Shape
from models.keys import key_of
from models.params.events import EventPolicy
from models.params.rating import KalmanParams, RatingParams
from models.params.refit import RefitParams
from models.rating import kalman
from models.rating.kalman_arrays import Kalman, KalmanItems, KalmanUsers
from operators.learning import empty_items
from state import examples
from state.codec.sealed import CorruptError
from state.store import model_file
from state.store.model_store import WEIGHTS, Manifest, ModelStore
from state.topics import model_pointer
from state.topics.model_pointer import ModelPointer
from state.users.state import UserState
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
from tests.builders import USERS as USER_PARAMS
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


@pytest.mark.parametrize("objective", ["rating", "sgd"])
def test_what_was_viewed_and_bought_before_stands_before_no_rating(objective: str) -> None:
    log: list[Record] = []
    for n in range(40):
        at = NOW - 60 * MINUTE + n * MINUTE
        log += [
            event("anna", f"i{n}", "view", at),
            event("anna", f"i{n}", "purchase", at + 1),
            event("anna", f"i{n}", "rating", at + 2, value=1.0 + n % 5),
        ]
    policy = EventPolicy(buckets=1, rating_centre=None)
    users = UsersSubtask(
        learn_users(policy=policy, learning=learning(objective=objective)), Clock()
    )
    errors = [users.take(records).metrics["errors"] for records in cut(in_order(log), [7] * 20)]
    assert sum(errors) == 40
    assert users.function._pipeline.items.count.sum() == 40


@pytest.mark.parametrize(("lowest", "highest"), [(0.9, 4.9), (0.0, 4.4), (0.7, 4.7), (0, 99.9)])
@pytest.mark.parametrize("objective", ["rating", "sgd"])
def test_a_scale_that_32_bits_do_not_hold_starts(
    objective: str, lowest: float, highest: float
) -> None:
    kind = KalmanParams if objective == "rating" else RatingParams
    told = learning(objective=objective, rating=kind(factors=8, lowest=lowest, highest=highest))
    policy = EventPolicy(
        buckets=1, lowest_rating=lowest, highest_rating=highest, rating_centre=None
    )
    users = UsersSubtask(learn_users(policy=policy, learning=told), Clock())
    sent = [event(f"u{n}", "tea", "rating", NOW - n, value=highest) for n in range(5)]
    learned = users.take(in_order(sent))
    items = ItemsSubtask(learn_items(learning=told), Clock())
    items.take(*learned.messages)
    assert ItemsSubtask(learn_items(learning=told), Clock(), items.savepoint()).publish()


def test_a_restored_job_predicts_the_same() -> None:
    log, _ = ratings(250)
    users = subtask()
    items = ItemsSubtask(learn_items(learning=MODEL), Clock())
    taken = [users.take(records) for records in cut(log[:-40], [9] * 30)]
    items.take(*(learned.accepted for learned in taken if learned.accepted))
    after = subtask(users.savepoint())
    again = ItemsSubtask(learn_items(learning=MODEL), Clock(), items.savepoint())
    after.receive(*(chunk for _, chunk in again.publish()))
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


# ---- a refitted model beside the filter ----
SHAPE = Shape(network="mf", dim=3)
KNOWN_USERS, KNOWN_ITEMS = range(0, USERS, 2), range(0, ITEMS, 3)


def refitted(seed: int) -> dict[str, np.ndarray]:
    """A model that knows some users and items."""
    random = np.random.default_rng(seed)
    keys = {
        "keys": np.array([key_of(f"i{i}") for i in KNOWN_ITEMS], np.uint64),
        "user_keys": np.array([key_of(f"u{u}") for u in KNOWN_USERS], np.uint64),
    }
    shapes = Mf.shapes(SHAPE, len(KNOWN_ITEMS), len(KNOWN_USERS))
    tensors = {n: random.normal(0, 0.5, size).astype(np.float32) for n, size in shapes.items()}
    tensors["mean"][:] = 3.5
    return keys | tensors


def pointer(
    folder: Path,
    version: int,
    sequence: int,
    weight: float,
    until: dict[int, int] | None = None,
) -> bytes:
    """Store the model of a version, fitted to users' ratings up to some times, and point to it."""
    manifest = Manifest(
        version=version, parent=0, root=3, shape=SHAPE.to_dict(), created_at=1, events=1, items=1,
        steps=1, seconds=1.0,
    )  # fmt: skip
    shutil.rmtree(folder / f"{version:08}", ignore_errors=True)
    tensors = refitted(version)
    if until is not None:
        tensors["user.time"] = np.array([until[u] for u in KNOWN_USERS], np.int64)
    stored = ModelStore(str(folder)).put(manifest, {WEIGHTS: save(tensors)})
    return model_pointer.encode(
        ModelPointer(
            sequence=sequence,
            model=version,
            root=3,
            store=str(folder),
            deep=weight,
            sha256=stored.files[WEIGHTS].sha256,
            shape=SHAPE.to_dict(),
        )
    )


def beside(savepoint: Savepoint | None = None) -> UsersSubtask:
    """A subtask as `subtask`, with room for what a refitted model knows of its users."""
    model = learning(
        objective="rating",
        rating=PARAMS,
        deep=SHAPE,
        users=replace(USER_PARAMS, deep_state=SHAPE.state),
    )
    policy = EventPolicy(buckets=1, rating_centre=None)
    return UsersSubtask(learn_users(policy=policy, learning=model, k=ITEMS), Clock(), savepoint)


class Folded:
    """The model written a second time: users learn on from where it left them, items stay."""

    def __init__(self, tensors: dict[str, np.ndarray]) -> None:
        self.users: dict[int, np.ndarray] = {}
        self.swap(tensors)

    def swap(self, tensors: dict[str, np.ndarray]) -> None:
        self.bias = {i: tensors["item.bias"][n] + 3.5 for n, i in enumerate(KNOWN_ITEMS)}
        self.items = {i: [*tensors["item.factors"][n], 1] for n, i in enumerate(KNOWN_ITEMS)}
        for n, u in enumerate(KNOWN_USERS):
            self.users[u] = np.array([*tensors["user.factors"][n], tensors["user.bias"][n]])

    def predict(self, user: int, item: int) -> float | None:
        if item not in self.items:
            return None
        state = self.users.setdefault(user, np.zeros(4))
        return float(self.bias[item] + state @ self.items[item])

    def learn(self, user: int, item: int, rating: float) -> None:
        c = RefitParams()
        if (predicted := self.predict(user, item)) is not None:
            p, error = self.users[user], rating - predicted
            rate = np.array([c.user_rate] * 3 + [c.bias_rate])
            decay = np.array([c.decay] * 3 + [c.bias_decay])
            p += rate * (error * np.array(self.items[item]) - decay * p)


@pytest.mark.parametrize("sizes", [[], [1] * 250, [7] * 40])
def test_where_a_refitted_model_is_announced_it_and_the_filter_predict_together(
    sizes: list[int], tmp_path: Path
) -> None:
    log, rows = ratings(250)
    users = beside()
    users.take(log[:60])
    users.receive(pointer(tmp_path, 3, 1, 0.0), pointer(tmp_path, 3, 2, 0.5))
    told, listed = [], {}
    told += [users.take(records) for records in cut(log[60:160], sizes)]
    users.receive(pointer(tmp_path, 4, 3, 0.25))
    for records in cut(log[160:], sizes):
        told.append(users.take(records))
        listed |= told[-1].recommendations
    model, errors = pure(rows)
    folded, squared, sums = Folded(refitted(3)), 0.0, np.zeros(4)
    for n, ((u, i, r, _), error) in enumerate(zip(rows[60:], errors[60:], strict=True)):
        if n == 100:
            folded.swap(refitted(4))
        weight, second = 0.5 if n < 100 else 0.25, folded.predict(u, i)
        folded.learn(u, i, r)
        if second is not None:
            apart = float(np.clip(second, PARAMS.lowest, PARAMS.highest)) - (r - error)
            left = error - weight * apart
            sums += [1, left**2, error * apart, apart**2]
            error = left
        squared += error**2
    assert sum(one.metrics["errors"] for one in told) == 190
    assert sum(one.metrics["squared_error"] for one in told) == pytest.approx(squared, rel=1e-4)
    given = [examples.decode(one.row.examples) for one in told if one.row.examples]
    assert sum(one.loss for one in given)[:4] == pytest.approx(sums, rel=1e-4)
    assert np.concatenate([one.value for one in given]).tolist() == [row[2] for row in rows[60:]]
    assert {one.model for one in given} == {3, 4}
    user, _, _, time = rows[-1]
    assert listed[f"u{user}"]["model_version"] == "online-rating-1+mf-4"
    for one in listed[f"u{user}"]["items"]:
        item = int(one["item_id"][1:])
        first, second = float(predict_rating(model, user, item, time)), folded.predict(user, item)
        expected = first if second is None else first + 0.25 * (second - first)
        assert one["score"] == pytest.approx(expected, abs=1e-3)


def test_users_go_on_after_a_restore_as_if_nothing_had_been(tmp_path: Path) -> None:
    log, _ = ratings(250)
    users = beside()
    users.receive(pointer(tmp_path, 3, 1, 1.0))
    users.take(log[:-40])
    after = beside(users.savepoint())
    kept = [
        UserState(replace(USER_PARAMS, deep_state=SHAPE.state), PARAMS.factors, 1,
                  variances=PARAMS.factors + 1, rated=PARAMS.history)
        .decode([value], [user]).deep[0].tolist()
        for user, value in after.remembered().items()
        if user[0] != " "
    ]  # fmt: skip
    assert sum(any(state) for state in kept) == USERS


def test_a_savepoint_of_before_the_refitted_model_is_taken_over(tmp_path: Path) -> None:
    log, rows = ratings(250)
    users = subtask()
    users.take(log[:200])
    after = beside(users.savepoint())
    after.receive(pointer(tmp_path, 3, 1, 1.0))
    learned = after.take(log[200:])
    assert learned.metrics["errors"] == 50
    assert examples.decode(learned.row.examples).loss[0] == sum(
        row[1] in KNOWN_ITEMS for row in rows[200:]
    )


def states(users: UsersSubtask) -> dict[str, list[float]]:
    """What is kept of each user beside the refitted model."""
    codec = UserState(
        replace(USER_PARAMS, deep_state=SHAPE.state),
        PARAMS.factors,
        1,
        variances=PARAMS.factors + 1,
        rated=PARAMS.history,
    )
    return {
        user: codec.decode([value], [user]).deep[0].tolist()
        for user, value in users.remembered().items()
        if user[0] != " "
    }


def test_what_was_rated_while_a_model_was_fitted_is_not_thrown_away(tmp_path: Path) -> None:
    """Users go on from where they are, those who have rated nothing since from where it left them.

    One more event of each, which is no rating, lets the new model be taken.
    """
    log, rows = ratings(200)
    newest = {u: max((time for v, _, _, time in rows if v == u), default=0) for u in range(USERS)}
    users = beside()
    users.receive(pointer(tmp_path, 3, 1, 1.0))
    users.take(log)
    before = states(users)
    late = {u for u in KNOWN_USERS if u % 4 == 0}
    until = {u: newest[u] - (1 if u in late else 0) for u in range(USERS)}
    users.receive(pointer(tmp_path, 4, 2, 1.0, until))
    users.take(in_order([event(f"u{u}", "i1", at=NOW) for u in range(USERS)], first=200))
    after, left = states(users), refitted(4)
    for n, u in enumerate(KNOWN_USERS):
        start = [*left["user.factors"][n].tolist(), left["user.bias"][n]]
        assert after[f"u{u}"] == pytest.approx(before[f"u{u}"] if u in late else start)
    assert len(late) > 1


@pytest.mark.parametrize("swapped", [(4, 3), (3, 4)])
def test_a_model_rolled_back_or_of_before_times_were_kept_sets_users_back(
    tmp_path: Path, swapped: tuple[int, int]
) -> None:
    log, _ = ratings(200)
    users, (old, new) = beside(), swapped
    users.receive(pointer(tmp_path, old, 1, 1.0))
    users.take(log)
    until = dict.fromkeys(range(USERS), 0) if new < old else None
    users.receive(pointer(tmp_path, new, 2, 1.0, until))
    users.take(in_order([event(f"u{u}", "i1", at=NOW) for u in range(USERS)], first=200))
    after, left = states(users), refitted(new)
    for n, u in enumerate(KNOWN_USERS):
        start = [*left["user.factors"][n].tolist(), left["user.bias"][n]]
        assert after[f"u{u}"] == pytest.approx(start)


@pytest.mark.parametrize("times", [np.zeros(3, np.int64), np.zeros(5, np.float64)])
def test_times_that_are_none_are_refused(times: np.ndarray) -> None:
    data = save(refitted(3) | {"user.time": times})
    with pytest.raises(CorruptError, match=r"expected user\.time of int64"):
        model_file.decode(data, SHAPE, version=3, root=3)
