"""Users folded into a refitted model: the steps of the equations, and what is passed over."""

import numpy as np
import pytest

from models.params.refit import RefitParams
from models.refit import fold
from models.refit.fold import NEVER, Steps

USERS, ITEMS, F = 4, 9, 3
PARAMS = RefitParams(factors=F, lowest=1, highest=5)


def catalogue(seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Targets and biases; the last item is not known."""
    random = np.random.default_rng(seed)
    targets = random.normal(size=(ITEMS, F + 1)).astype(np.float32)
    bias = random.normal(3.5, 0.5, ITEMS).astype(np.float32)
    targets[:, F], bias[-1] = 1, NEVER
    return targets, bias


def learnt(
    user: np.ndarray, item: np.ndarray, rating: np.ndarray, state: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """States before the events that can be predicted, and where they are."""
    before, place = np.empty((len(user), F + 1), np.float32), np.empty(len(user), np.int32)
    steps = Steps.of(PARAMS)
    fold.learn_events(user, item, rating, state, *catalogue(), steps, before, place)
    return before, place


def test_users_take_the_steps_of_the_equations_and_items_stay() -> None:
    random, c = np.random.default_rng(2), PARAMS
    user = random.integers(0, USERS, 200).astype(np.int32)
    item = random.integers(-1, ITEMS, 200).astype(np.int32)
    rating = random.choice([1, 2, 3, 4, 5, np.nan, 9, 0.5], 200).astype(np.float32)
    state = random.normal(0, 0.1, (USERS, F + 1)).astype(np.float32)
    targets, bias = catalogue()
    p, b = state[:, :F].astype(float), state[:, F].astype(float)
    expected = []
    for u, i, r in zip(user, item, rating, strict=True):
        if i < 0 or i == ITEMS - 1 or not 1 <= r <= 5:
            expected.append(None)
            continue
        expected.append([*p[u], b[u]])
        error = r - (bias[i] + b[u] + p[u] @ targets[i, :F])
        p[u] += c.user_rate * (error * targets[i, :F] - c.decay * p[u])
        b[u] += c.bias_rate * (error - c.bias_decay * b[u])
        length = np.sqrt(p[u] @ p[u] + b[u] ** 2)
        if length > c.radius:
            p[u] *= c.radius / length
            b[u] *= c.radius / length
    before, place = learnt(user, item, rating, state)
    assert [at < 0 for at in place.tolist()] == [one is None for one in expected]
    found = before[place[place >= 0]]
    assert found == pytest.approx(np.array([one for one in expected if one]), abs=1e-3)
    assert state == pytest.approx(np.column_stack([p, b]), abs=1e-3)


def test_an_unknown_user_and_an_unknown_item_are_told_apart_from_known_ones() -> None:
    known = fold.known.py_func if hasattr(fold.known, "py_func") else fold.known
    assert known(np.float32(4.5))
    assert known(np.float32(-100))
    assert not known(NEVER)
    assert not known(NEVER + np.float32(5))


def test_no_rating_however_repeated_leads_out_of_the_ball() -> None:
    state = np.zeros((1, F + 1), np.float32)
    n = 5_000
    item = np.tile(np.arange(ITEMS - 1, dtype=np.int32), n // (ITEMS - 1))
    rating = np.where(item % 2 == 0, 1, 5).astype(np.float32)
    learnt(np.zeros(len(item), np.int32), item, rating, state)
    assert np.isfinite(state).all()
    assert np.linalg.norm(state) <= PARAMS.radius * 1.001
