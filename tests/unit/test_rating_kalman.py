"""The diagonal filter against its equations, written a second time."""

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.params.rating import KalmanParams
from models.rating.kalman import learn_events
from models.rating.kalman_arrays import Kalman, KalmanItems, KalmanUsers
from tests.kernels import learn_rating, predict_rating

USERS, ITEMS = 6, 9
PARAMS = KalmanParams(factors=3, history=4, deviation=0.3, history_deviation=0.2)


def model_of(params: KalmanParams) -> Kalman:
    users, items = (np.arange(n, dtype=np.uint64) for n in (USERS, ITEMS))
    return Kalman.new(KalmanUsers.new(users, params), KalmanItems.new(items, params), params)


def stream(n: int, seed: int = 1) -> tuple[np.ndarray, ...]:
    """Ratings of random pairs: many repeats, sessions of some ratings, three that are none."""
    random = np.random.default_rng(seed)
    user = random.integers(0, USERS, n).astype(np.int32)
    item = (random.integers(0, ITEMS, n) * random.random(n)).astype(np.int32)
    rating = random.choice([0.5, 1, 3, 4, 5], n).astype(np.float32)
    rating[n // 2 : n // 2 + 3] = np.nan, 5.5, -np.inf
    gap = random.choice([0, 1_000, 599_999, 600_001, 9_000_000], n)
    return user, item, rating, 10**12 + np.cumsum(gap)


def learnt(params: KalmanParams, columns: tuple[np.ndarray, ...]) -> tuple[Kalman, np.ndarray]:
    model, predicted = model_of(params), np.empty(len(columns[0]), np.float32)
    learn_events(*columns, model, predicted)
    return model, predicted


class Reference:
    """Lists and dictionaries of 64-bit numbers, one event at a time."""

    def __init__(self, params: KalmanParams) -> None:
        start = model_of(params)
        self.c = params
        self.mean, self.n, self.skipped = (params.lowest + params.highest) / 2, 0, 0
        self.b = [[0.0] * USERS, [0.0] * ITEMS]
        self.v = [[params.user_bias_variance] * USERS, [params.item_bias_variance] * ITEMS]
        self.p = start.users.factors.astype(float)
        self.q = start.items.factors.astype(float)
        self.y = start.items.taste.astype(float)
        self.a = np.full_like(self.p, params.user_variance)
        self.d = np.full_like(self.q, params.item_variance)
        self.s, self.w = [0.0] * USERS, [params.session_variance] * USERS
        self.last: list[int | None] = [None] * USERS
        self.ring: list[list[tuple[int, float]]] = [[] for _ in range(USERS)]

    def take(self, u: int, i: int, r: float, time: int) -> float:
        c, last = self.c, self.last[u]
        s, w = self.s[u], self.w[u]
        if last is None or time - last > c.session_gap_ms:
            rho = c.session_keep
            s, w = rho * s, rho**2 * w + (1 - rho**2) * c.session_variance
        m = len(self.ring[u])
        z = self.p[u].copy()
        for j, omega in self.ring[u]:
            z += omega * self.y[j] / np.sqrt(m + 1)
        base = self.mean + self.b[0][u] + self.b[1][i] + s
        q = self.q[i].copy()
        expected = float(base + z @ q)
        variance = c.noise + self.v[0][u] + self.v[1][i] + w
        variance += float(self.a[u] @ q**2 + self.d[i] @ z**2)
        if not c.lowest <= r <= c.highest:
            self.skipped += 1
            return expected
        e, g = r - expected, (r - expected) / variance
        self.n += 1
        self.mean += (r - self.mean) / self.n
        for side, row, drift in ((0, u, c.user_bias_drift), (1, i, c.item_bias_drift)):
            v = self.v[side][row]
            self.b[side][row] += v * g
            self.v[side][row] = v + drift - v**2 / variance
        self.s[u], self.w[u] = s + w * g, w - w**2 / variance
        self.last[u] = time
        for j, omega in self.ring[u]:
            step = c.history_rate / np.sqrt(m + 1) * omega * e * q
            self.y[j] += step - c.history_rate * c.history_decay / m * self.y[j]
        p, a, d = self.p[u].copy(), self.a[u].copy(), self.d[i].copy()
        self.p[u], self.q[i] = p + a * q * g, q + d * z * g
        self.a[u] = a + c.user_drift - (a * q) ** 2 / variance
        self.d[i] = d + c.item_drift - (d * z) ** 2 / variance
        self.ring[u] = [*self.ring[u], (i, r - base)][-c.history :] if c.history else []
        return expected


@pytest.mark.parametrize("history", [0, 1, 4, 60])
@pytest.mark.parametrize("seed", [1, 2])
def test_every_event_takes_the_step_of_the_equations(history: int, seed: int) -> None:
    params = replace(PARAMS, history=history, item_bias_drift=1e-4)
    columns, reference = stream(400, seed), Reference(params)
    expected = [
        reference.take(*event) for event in zip(*map(np.ndarray.tolist, columns), strict=True)
    ]
    model, predicted = learnt(params, columns)
    users, items = model.users, model.items
    assert predicted == pytest.approx(expected, abs=2e-3)
    assert (model.events[0], model.skipped[0]) == (reference.n, reference.skipped) == (397, 3)
    for found, wanted in (
        (model.mean, [reference.mean]),
        (users.bias, reference.b[0]),
        (items.bias, reference.b[1]),
        (users.variance[:, -1], reference.v[0]),
        (items.variance[:, -1], reference.v[1]),
        (users.session, reference.s),
        (users.session_variance, reference.w),
        (users.factors, reference.p),
        (items.factors, reference.q),
        (users.variance[:, :-1], reference.a),
        (items.variance[:, :-1], reference.d),
        (items.taste, reference.y),
    ):
        assert found == pytest.approx(np.array(wanted), abs=2e-3)
    for u in range(USERS if history else 0):
        order = (np.arange(len(reference.ring[u])) - len(reference.ring[u])) + users.past_count[u]
        slots = order % history
        assert users.past_item[u, slots].tolist() == [j for j, _ in reference.ring[u]]
        residuals = [omega for _, omega in reference.ring[u]]
        assert users.past_residual[u, slots] == pytest.approx(residuals, abs=2e-3)


def test_it_learns_who_likes_what() -> None:
    random = np.random.default_rng(1)
    p, q = random.normal(size=(USERS, 2)), random.normal(size=(ITEMS, 2))
    user = random.integers(0, USERS, 6000).astype(np.int32)
    item = random.integers(0, ITEMS, 6000).astype(np.int32)
    rating = np.clip(2.75 + (p[user] * q[item]).sum(axis=1), 0.5, 5).astype(np.float32)
    time = np.arange(6000) * 1_000
    for history in (0, 4):
        params = replace(PARAMS, history=history)
        error = np.abs(rating - learnt(params, (user, item, rating, time))[1])
        assert error[-1000:].mean() < 0.35 * error[:100].mean()


def state(model: Kalman) -> list[np.ndarray]:
    return [copy.deepcopy(column) for column in (*model.users, *model.items, model.mean)]


def same(before: list[np.ndarray], after: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_predicting_changes_nothing_and_says_what_learning_says() -> None:
    model, _ = learnt(PARAMS, stream(100))
    before = state(model)
    later = int(model.users.time.max()) + 10**9
    for u in range(USERS):
        expected = predict_rating(model, u, 2, later)
        assert same(before, state(model))
        assert expected == learn_rating(copy.deepcopy(model), u, 2, 4.0, later)


@pytest.mark.parametrize("rating", [np.nan, np.inf, -np.inf, 0.4, 1e30])
def test_what_is_no_rating_is_counted_and_not_learnt(rating: float) -> None:
    model, _ = learnt(PARAMS, stream(100))
    before, skipped = state(model), model.skipped[0]
    learn_rating(model, 0, 0, rating, 2 * 10**12)
    assert same(before, state(model))
    assert model.skipped[0] == skipped + 1


def test_a_spoilt_item_does_not_spoil_its_users() -> None:
    model, _ = learnt(PARAMS, stream(100))
    model.items.factors[3, 1] = np.nan
    before, events = state(model), model.events[0]
    learn_rating(model, 0, 3, 4.0, 2 * 10**12)
    assert all(
        np.array_equal(a, b, equal_nan=True) for a, b in zip(before, state(model), strict=True)
    )
    assert model.events[0] == events


EXTREME: dict[str, Any] = {
    "noise": 1e-3,
    "user_variance": 50.0,
    "item_variance": 50.0,
    "user_bias_variance": 50.0,
    "item_bias_variance": 50.0,
    "session_variance": 50.0,
    "user_drift": 1.0,
    "item_drift": 1.0,
    "history_rate": 3.0,
}


def test_no_stream_and_no_settings_spoil_the_state() -> None:
    params = replace(PARAMS, **EXTREME)
    user, item, _, time = stream(20_000)
    rating = np.where(np.random.default_rng(3).random(len(user)) < 0.5, 0.5, 5.0)
    model, predicted = learnt(params, (user, item, rating.astype(np.float32), time))
    users, items = model.users, model.items
    assert np.isfinite(predicted).all()
    assert model.skipped[0] == 0
    for variance in (users.session_variance, users.variance, items.variance):
        assert (variance > 0).all()
        assert (variance <= 4.001 * 50).all()
    for factors in (users.factors, items.factors, items.taste):
        assert (np.linalg.norm(factors, axis=1) <= params.radius * 1.0001).all()
    for bias in (users.bias, items.bias, users.session):
        assert (np.abs(bias) <= params.radius).all()


def test_a_rating_that_comes_late_begins_no_session_for_the_next_one() -> None:
    model = model_of(PARAMS)
    learn_rating(model, 0, 0, 5.0, 10**12)
    learn_rating(model, 0, 1, 5.0, 10**12 - 3_600_000)
    assert model.users.time[0] == 10**12
    first = model.users.session_variance[0]
    learn_rating(model, 0, 2, 5.0, 10**12 + 1_000)
    assert model.users.session_variance[0] < first


@pytest.mark.parametrize(
    ("name", "value"),
    [("noise", 0.0), ("item_variance", -1.0), ("factors", 0), ("history", -1),
     ("session_keep", 1.5), ("lowest", 5.0), ("noise", float("nan"))],
)  # fmt: skip
def test_settings_that_leave_no_variance_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"KalmanParams.{name}: expected"):
        KalmanParams(**{name: value})
