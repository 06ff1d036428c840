r"""Whether users are spread over arms as they should be: a chi-square test.

.. math:: X^2 = \sum_a \frac{(n_a - n s_a)^2}{n s_a}

with the users :math:`n_a` of each arm and the shares :math:`s_a` that they were to have; of k arms,
:math:`X^2` has k - 1 degrees of freedom (Pearson 1900). Where it is too large, users were lost or
counted in some arms and not in others, and what remains cannot be compared (Fabijan et al.,
Diagnosing Sample Ratio Mismatch in Online Controlled Experiments, KDD 2019).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEAST_P = 0.01
"""Below it arms are not to be compared."""


@dataclass(frozen=True)
class SampleRatio:
    """Users by arm, and how probable such a spread is."""

    users: dict[str, int]
    expected: dict[str, float]
    chi_square: float
    p: float

    @property
    def is_right(self) -> bool:
        """Whether arms may be compared."""
        return self.p >= LEAST_P

    @classmethod
    def of(cls, users: Mapping[str, int], shares: Mapping[str, float]) -> "SampleRatio":
        """Test users by arm against the shares of the same arms, of any sum.

        >>> SampleRatio.of({"a": 60, "b": 40}, {"a": 1, "b": 1}).chi_square
        4.0
        """
        observed = np.array([users[arm] for arm in shares], np.float64)
        share = np.array(list(shares.values()), np.float64)
        expected = observed.sum() * share / share.sum()
        chi_square = float(((observed - expected) ** 2 / expected).sum())
        p = float(stats.chi2.sf(chi_square, len(share) - 1))
        told = dict(zip(shares, expected.tolist(), strict=True))
        return cls({arm: users[arm] for arm in shares}, told, chi_square, p)
