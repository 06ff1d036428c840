"""The refitted factorisation against its equations, written a second time."""

from dataclasses import replace

import numpy as np
import pytest

from models.params.refit import RefitParams
from models.refit.refit import Refit

USERS, ITEMS = 7, 11
PARAMS = RefitParams(factors=4, epochs=3, deviation=0.3)


def model_of(params: RefitParams) -> Refit:
    users, items = (np.arange(n, dtype=np.uint64) for n in (USERS, ITEMS))
    return Refit(users, items, params)


def stream(n: int, seed: int = 1) -> tuple[np.ndarray, ...]:
    """Ratings by taste, with one that is none."""
    random = np.random.default_rng(seed)
    taste, kind = random.normal(size=(USERS, 2)), random.normal(size=(ITEMS, 2))
    user = random.integers(0, USERS, n).astype(np.int32)
    item = random.integers(0, ITEMS, n).astype(np.int32)
    rating = np.clip(3 + (taste[user] * kind[item]).sum(axis=1), 0.5, 5).astype(np.float32)
    rating[n // 3] = np.nan
    return user, item, rating


def blocks(columns: tuple[np.ndarray, ...], size: int) -> list[tuple[np.ndarray, ...]]:
    return [
        tuple(column[at : at + size] for column in columns)
        for at in range(0, len(columns[0]), size)
    ]


def test_blocks_and_refits_take_the_steps_of_the_equations() -> None:
    c, columns = PARAMS, stream(300)
    model = model_of(c)
    p, q = model.model.user_factors.astype(float), model.model.item_factors.astype(float)
    bu, bi, mean, n = np.zeros(USERS), np.zeros(ITEMS), 2.75, 0
    random = np.random.default_rng(c.seed)
    seen: list[tuple[int, int, float]] = []

    def step(u: int, i: int, r: float, rates: tuple[float, ...]) -> float:
        bias_rate, rate, bias_decay, decay = rates
        expected = mean + bu[u] + bi[i] + p[u] @ q[i]
        if np.isfinite(r):
            e, old = r - expected, p[u].copy()
            bu[u] += bias_rate * (e - bias_decay * bu[u])
            bi[i] += bias_rate * (e - bias_decay * bi[i])
            p[u] += rate * (e * q[i] - decay * p[u])
            q[i] += rate * (e * old - decay * q[i])
        return float(expected)

    online = (c.bias_rate, c.rate, c.bias_decay, c.decay)
    refit = (c.refit_rate, c.refit_rate, c.refit_bias_decay, c.refit_decay)
    for number, block in enumerate(blocks(columns, 60)):
        expected = []
        for u, i, r in zip(*map(np.ndarray.tolist, block), strict=True):
            expected.append(step(u, i, r, online))
            seen.append((u, i, r))
            if number == 0 and np.isfinite(r):
                n += 1
                mean += (r - mean) / n
        assert model.learn(*block) == pytest.approx(expected, abs=2e-3)
        rated = np.flatnonzero(np.isfinite([r for *_, r in seen]))
        mean = float(np.mean([seen[at][2] for at in rated]))
        order = random.permutation(rated).tolist()
        for _ in range(c.epochs):
            for at in order:
                step(*seen[at], refit)
        model.refit()
        assert model.model.mean[0] == pytest.approx(mean)
        assert model.model.user_factors == pytest.approx(p, abs=2e-3)
        assert model.model.item_factors == pytest.approx(q, abs=2e-3)
        assert model.model.user_bias == pytest.approx(bu, abs=2e-3)
        assert model.model.item_bias == pytest.approx(bi, abs=2e-3)
    assert model.model.skipped[0] == 1


def test_refits_lower_the_error() -> None:
    columns = stream(2000)

    def error(*, refits: bool) -> float:
        model, found = model_of(replace(PARAMS, epochs=10)), []
        for block in blocks(columns, 100):
            found.append(model.learn(*block))
            if refits:
                model.refit()
        return float(np.nanmean(np.square(np.concatenate(found) - columns[2])))

    assert error(refits=True) < 0.8 * error(refits=False)


def test_the_same_seed_gives_the_same_model() -> None:
    def factors(seed: int) -> np.ndarray:
        model = model_of(replace(PARAMS, seed=seed))
        for block in blocks(stream(200), 50):
            model.learn(*block)
            model.refit()
        return model.model.user_factors

    assert np.array_equal(factors(1), factors(1))
    assert not np.array_equal(factors(1), factors(2))


def test_nothing_to_fit_changes_nothing() -> None:
    model = model_of(PARAMS)
    before = model.model.user_factors.copy()
    model.refit()
    none = np.zeros(2, np.int32)
    model.learn(none, none, np.array([np.nan, 99.0], np.float32))
    model.refit()
    assert np.array_equal(model.model.user_factors, before)
    assert model.model.mean[0] == 2.75
    assert model.model.skipped[0] == 2


def test_no_rates_drive_the_factors_out_of_their_ball() -> None:
    model = model_of(replace(PARAMS, rate=5.0, bias_rate=5.0, refit_rate=5.0))
    for block in blocks(stream(2000), 500):
        assert np.isfinite(model.learn(*block)).all()
        model.refit()
    for factors in (model.model.user_factors, model.model.item_factors):
        assert (np.linalg.norm(factors, axis=1) <= PARAMS.radius * 1.0001).all()
    for bias in (model.model.user_bias, model.model.item_bias):
        assert (np.abs(bias) <= PARAMS.radius).all()


@pytest.mark.parametrize("odd", [np.inf, -np.inf, np.nan])
def test_a_step_that_is_none_is_counted_and_spoils_nothing_else(odd: float) -> None:
    model, (user, item, rating) = model_of(PARAMS), stream(300)
    model.learn(user, item, rating)
    skipped = int(model.model.skipped[0])
    assert skipped == 1  # the rating that is none
    model.model.item_factors[3, 1] = odd
    model.learn(user, item, rating)
    hit = (item == 3) | np.isnan(rating)
    assert model.model.skipped[0] - skipped == hit.sum()
    others = np.delete(model.model.item_factors, 3, axis=0)
    for kept in (others, model.model.user_factors, model.model.user_bias, model.model.item_bias):
        assert np.isfinite(kept).all()
    model.refit()
    assert np.isfinite(model.model.user_factors).all()
