"""Logarithm and power of columns against numpy's."""

import numpy as np

from models.compiled import compiled
from models.numeric.logarithm import exp2, log1p
from tests.kernels import called


@compiled
def _all(x: np.ndarray) -> np.ndarray:
    found = np.empty_like(x)
    for n in range(len(x)):
        found[n] = log1p(x[n])
    return found


def test_it_is_that_of_numpy_over_all_magnitudes() -> None:
    x = np.concatenate([[0.0], np.logspace(-8, 30, 20_001)]).astype(np.float32)
    found, expected = _all(x), np.log1p(x.astype(np.float64))
    assert np.abs(found - expected).max() < 2e-6 * max(1, np.log1p(1e30) / 10)
    assert np.abs(found - expected)[x < 1e6].max() < 2e-6


def test_nothing_is_nothing() -> None:
    assert called(log1p)(np.float32(0)) == 0


def test_more_is_not_less() -> None:
    x = np.linspace(0, 100, 100_001).astype(np.float32)
    assert (np.diff(_all(x)) > -1e-6).all()


@compiled
def _powers(x: np.ndarray) -> np.ndarray:
    found = np.empty_like(x)
    for n in range(len(x)):
        found[n] = exp2(x[n])
    return found


def test_powers_are_those_of_numpy_down_to_the_smallest() -> None:
    x = np.concatenate([[0.0, -1.0, -125.5], -np.logspace(-8, 2.09, 20_001)]).astype(np.float32)
    np.testing.assert_allclose(_powers(x), np.exp2(x.astype(np.float64)), rtol=3e-7)
    far = np.array([-127.0, -1e9, -1e30], np.float32)
    np.testing.assert_allclose(_powers(far), 2.0**-126)
