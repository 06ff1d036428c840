"""The logarithm of columns against numpy's."""

import numpy as np

from models.compiled import compiled
from models.logarithm import log1p
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
