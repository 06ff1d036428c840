r"""Ratios of sums over users, such as clicks by impressions, with variances by the delta method.

Users are independent, their impressions are not: who likes what is shown clicks more than once.
Of users :math:`i = 1 \dots n` with numerators :math:`c_i` and denominators :math:`m_i`:

.. math:: R = \frac{\sum_i c_i}{\sum_i m_i}, \quad z_i = \frac{c_i - R\,m_i}{\bar m}, \quad
    \widehat{\mathrm{Var}}(R) = \frac{1}{n (n - 1)} \sum_i z_i^2

(linearisation: Deng, Knoblich and Lu, Applying the Delta Method in Metric Analytics, KDD 2018;
Cochran, Sampling Techniques, 1977, 6.4).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Sums = NDArray[np.float64]
"""(n,) a sum of each user."""


@dataclass(frozen=True)
class Ratio:
    """A ratio, and how sure it is.

    Parameters
    ----------
    value
    variance
        Of the estimate; None for a single user.
    users
    active
        Users whose numerator is not 0.
    """

    value: float
    variance: float | None
    users: int
    active: int

    def interval(self, confidence: float = 0.95) -> tuple[float, float] | None:
        """Return the interval for one look, by Student's t; None for a single user."""
        if self.variance is None:
            return None
        quantile = float(stats.t.ppf((1 + confidence) / 2, self.users - 1))
        half = quantile * self.variance**0.5
        return self.value - half, self.value + half


def summed(user: NDArray[np.integer[Any]], values: NDArray[Any] | None = None) -> Sums:
    """Return the sum of values (without: the number) of each numbered user.

    >>> summed(np.array([0, 1, 0])).tolist()
    [2.0, 1.0]
    """
    return np.bincount(user, values).astype(np.float64)


def ratio(numerator: Sums, denominator: Sums) -> Ratio | None:
    """Return the ratio of two sums over users; None where the lower one is 0.

    >>> ratio(np.array([1.0, 0.0]), np.array([2.0, 2.0]))
    Ratio(value=0.25, variance=0.0625, users=2, active=1)
    """
    users, total = len(numerator), float(denominator.sum())
    if total == 0:
        return None
    value = float(numerator.sum()) / total
    variance = None
    if users > 1:
        z = (numerator - value * denominator) * (users / total)
        variance = float(z @ z) / (users * (users - 1))
    return Ratio(value, variance, users, int(np.count_nonzero(numerator)))
