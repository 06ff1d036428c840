r"""Intervals that hold at every look: asymptotic confidence sequences of a difference of means.

.. math:: \hat\delta_t \pm \sqrt{\hat V_t \cdot \frac{2 (t \rho^2 + 1)}{t \rho^2}
    \log \frac{\sqrt{t \rho^2 + 1}}{\alpha}}

(Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, Time-uniform central limit theory and asymptotic
confidence sequences, arXiv 2103.06476, theorem 2.2). Here t is the number of users of both arms,
and :math:`\hat V_t` the estimated variance of the difference, which is :math:`\hat\sigma_t^2 / t`
there. The truth is outside at any time at all with a probability of about :math:`\alpha`.

A sequence is valid for every :math:`\rho` that was chosen before the data. The rule: the one that
makes the interval narrowest when there are :math:`t^*` users (its appendix on tuning), with
:math:`W_{-1}` the lower branch of Lambert's function:

.. math:: \rho^2 = \frac{-W_{-1}(-\alpha^2 / e) - 1}{t^*}
"""

import math

from scipy import special


def mixture(alpha: float, planned: float) -> float:
    """Return the square of rho that makes the interval narrowest at that many users.

    >>> round(10_000 * mixture(0.05, 10_000), 2)
    8.21
    """
    lower = float(special.lambertw(-(alpha**2) / math.e, -1).real)
    return (-lower - 1) / planned


def radius(variance: float, users: int, alpha: float, rho_squared: float) -> float:
    """Return half of the interval.

    Parameters
    ----------
    variance
        Of the estimate.
    users
        How many there are by now.
    alpha
    rho_squared
        See `mixture`.
    """
    grown = users * rho_squared
    boundary = 2 * (grown + 1) / grown * math.log(math.sqrt(grown + 1) / alpha)
    return math.sqrt(variance * boundary)
