"""The weight of the second prediction of ratings against least squares."""

import numpy as np
import pytest

from models.arrays.weights import LOSSES
from models.compiled import entry
from models.rating.stacking import Stacking, add_event


@entry
def add_events(
    first: np.ndarray, second: np.ndarray, rating: np.ndarray, weight: float,
    sums: np.ndarray, served: np.ndarray,
) -> None:  # fmt: skip
    for e in range(len(first)):
        served[e] = add_event(first[e], second[e], weight, rating[e], sums)


def predictions(n: int = 4_000, seed: int = 1) -> tuple[np.ndarray, ...]:
    """Two predictions, the second with twice the error, and ratings."""
    random = np.random.default_rng(seed)
    rating = random.uniform(1, 5, n)
    first, second = (rating + random.normal(0, spread, n) for spread in (0.5, 1.0))
    return tuple(column.astype(np.float32) for column in (first, second, rating))


def sums_of(columns: tuple[np.ndarray, ...], weight: float = 0.25) -> tuple[np.ndarray, np.ndarray]:
    sums, served = np.zeros(LOSSES), np.empty(len(columns[0]), np.float32)
    add_events(*columns, weight, sums, served)
    return sums, served


def test_sums_are_those_of_the_equations() -> None:
    first, second, rating = columns = predictions()
    sums, served = sums_of(columns)
    e, d = (rating - first).astype(float), (second - first).astype(float)
    assert served == pytest.approx(first + 0.25 * d, abs=1e-5)
    left = rating - served.astype(float)
    expected = [len(first), left @ left, e @ d, d @ d]
    assert sums[:4] == pytest.approx(expected, rel=1e-4)
    assert not sums[4:].any()


def test_the_weight_is_that_of_least_squares_with_the_past_forgotten() -> None:
    first, second, rating = predictions()
    stacking, sides = Stacking(), np.zeros(2)
    for begin in range(0, len(first), 500):
        part = slice(begin, begin + 500)
        columns = (first[part], second[part], rating[part])
        stacking.learn(sums_of(columns)[0], memory=1_000)
        e, d = (rating - first)[part].astype(float), (second - first)[part].astype(float)
        sides = np.exp(-0.5) * sides + [e @ d, d @ d]
        assert stacking.deep == pytest.approx(sides[0] / (50 + sides[1]), rel=1e-4)
    assert stacking.deep == pytest.approx(0.2, abs=0.03)  # variances 0.25 and 1


def test_what_is_worse_than_nothing_weighs_nothing_and_all_is_the_most() -> None:
    rating = np.full(500, 3, np.float32)
    wrong, away = rating + 1, rating + np.float32(0.5)
    stacking = Stacking()
    stacking.learn(sums_of((away, wrong, rating))[0])
    assert stacking.deep == 0
    stacking = Stacking()
    stacking.learn(sums_of((wrong, away, rating))[0])
    assert stacking.deep == 1


def test_sums_that_are_not_finite_or_of_nothing_change_nothing() -> None:
    stacking = Stacking()
    stacking.learn(np.zeros(LOSSES))
    stacking.learn(np.full(LOSSES, np.nan))
    assert stacking == Stacking()


def test_what_a_blend_of_rankings_learnt_is_not_taken_over() -> None:
    assert Stacking.of(0.5, 9.0, [1.0] * 8, [1.0] * 8) == Stacking()
    assert Stacking.of(0.5, 9.0, [1.0], [2.0]) == Stacking(0.5, 9.0, [1.0], [2.0])
