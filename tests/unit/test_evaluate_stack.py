"""Stacking by least squares against the solution of the normal equations."""

import numpy as np
import pytest

from scripts.tools.evaluate.ratings.stack import Stack, learn_events
from tests.kernels import predict_stacked

N = 300


def columns(models: int = 3, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Predictions of models that are right but for a shift, a scale and noise."""
    random = np.random.default_rng(seed)
    rating = random.choice([1, 2, 3, 4, 5], N).astype(np.float32)
    noise = random.normal(size=(N, models)) * np.arange(1, models + 1) / 2
    return np.clip(rating[:, None] * 0.9 + noise, 1, 5).astype(np.float32), rating


def stacked(x: np.ndarray, rating: np.ndarray) -> tuple[Stack, np.ndarray]:
    stack = Stack.new(x.shape[1], lowest=1, highest=5)
    predicted = np.empty(len(x), np.float32)
    learn_events(x, rating, stack, predicted)
    return stack, predicted


@pytest.mark.parametrize("models", [1, 2, 6])
def test_weights_are_the_ridge_regression_of_all_events_so_far(models: int) -> None:
    x, rating = columns(models)
    start, expected = np.full(models, 1 / models), []
    for n in range(N + 1):
        seen, left = x[:n].astype(float), rating[:n] - x[:n].astype(float) @ start
        normal = seen.T @ seen + 1e-3 * np.eye(models)
        weights = start + np.linalg.solve(normal, seen.T @ left)
        if n < N:
            expected.append(np.clip(x[n] @ weights, 1, 5))
    stack, predicted = stacked(x, rating)
    assert stack.weights == pytest.approx(weights, abs=1e-6)
    assert predicted == pytest.approx(expected, abs=1e-4)


def test_two_models_are_better_than_the_better_one() -> None:
    random = np.random.default_rng(2)
    rating = random.choice([1, 2, 3, 4, 5], 5000).astype(np.float32)
    x = (rating[:, None] + random.normal(size=(5000, 2))).astype(np.float32)
    _, predicted = stacked(x, rating)
    error = np.square(predicted - rating).mean()
    assert error < 0.75 * np.square(x - rating[:, None]).mean(axis=0).min()


def test_predictions_lie_in_the_range_and_are_those_before_learning() -> None:
    x, rating = columns()
    x[::7] *= 3
    stack, predicted = stacked(x[:-1], rating[:-1])
    assert predicted.min() >= 1
    assert predicted.max() == 5
    _, whole = stacked(x, rating)
    assert whole[-1] == np.float32(predict_stacked(stack, x, N - 1))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_counted_and_not_learnt(bad: float) -> None:
    x, rating = columns()
    spoilt, other = x.copy(), rating.copy()
    spoilt[10, 1], other[20] = bad, bad
    stack, _ = stacked(spoilt, other)
    kept = np.delete(np.arange(N), [10, 20])
    expected, _ = stacked(x[kept], rating[kept])
    assert stack.skipped[0] == 2
    assert stack.weights.tolist() == expected.weights.tolist()


def test_models_that_say_the_same_share_the_weight() -> None:
    x, rating = columns(1)
    stack, _ = stacked(np.repeat(x, 2, axis=1), rating)
    assert stack.weights[0] == pytest.approx(stack.weights[1], abs=1e-6)
