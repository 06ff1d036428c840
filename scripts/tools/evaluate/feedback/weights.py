r"""Reward under another policy, from logged propensities: importance weights.

An impression that was shown with the probability p and would be with :math:`\pi` stands for
:math:`w = \pi / p` of them. Of n impressions with rewards r:

.. math:: \mathrm{IPS} = \frac{1}{n} \sum_j w_j r_j, \quad
    \mathrm{SNIPS} = \frac{\sum_j w_j r_j}{\sum_j w_j}, \quad
    n_{\mathrm{eff}} = \frac{(\sum_j w_j)^2}{\sum_j w_j^2}

(Horvitz and Thompson, JASA 47, 1952; Swaminathan and Joachims, The Self-Normalized Estimator for
Counterfactual Learning, NIPS 2015; Kish, Survey Sampling, 1965). Both are ratios of sums over
users, so that their 95 % intervals come from `ratio`. Impressions count on their own: what else
is in a list, and what a user saw before, is not weighted.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.tools.evaluate.feedback.policy import Probabilities
from scripts.tools.evaluate.feedback.ratio import Ratio, ratio, summed

Column = NDArray[np.float64]
LEAST = 1e-12
"""Propensities below are taken for 0: no job draws so rarely, and their weights overflow."""


@dataclass(frozen=True)
class Usable:
    """Which impressions have weights, and why others have none.

    Parameters
    ----------
    kept : bool[n]
    left_out
        Counts by reason.
    """

    kept: NDArray[np.bool_]
    left_out: dict[str, int]

    @classmethod
    def of(cls, propensity: Column, probability: Probabilities) -> "Usable":
        """Find what is usable: propensities above 0 up to 1, and known probabilities."""
        missing = ~np.isfinite(propensity)
        low, high = propensity < LEAST, propensity > 1
        wrong = missing | low | high
        unknown = ~wrong & np.isnan(probability)
        left_out = {
            "propensity_missing": int(missing.sum()),
            "propensity_not_above_0": int((low & ~missing).sum()),
            "propensity_above_1": int((high & ~missing).sum()),
            "without_line_of_target": int(unknown.sum()),
        }
        return cls(~wrong & ~unknown, left_out)


@dataclass(frozen=True)
class Estimates:
    """Reward per impression, logged and under another policy; what it rests on.

    Parameters
    ----------
    logged, ips, snips
    effective
        Sample size by Kish.
    largest, mean
        Weights; the mean is about 1 where propensities are right and every item of the other
        policy could be shown.
    clipped
        Weights that were made smaller.
    impressions, users
    """

    logged: Ratio
    ips: Ratio
    snips: Ratio
    effective: float
    largest: float
    mean: float
    clipped: int
    impressions: int
    users: int


def estimate(
    user: NDArray[np.integer[Any]], reward: Column, weight: Column, clip: float | None = None
) -> Estimates | None:
    """Estimate the reward per impression under another policy; None where no weight is above 0.

    Parameters
    ----------
    user, reward, weight : array[n]
        Number of the user, reward and weight of each impression.
    clip
        Largest weight; larger ones become it, which makes estimates less variable and too low.
    """
    clipped = 0
    if clip is not None:
        clipped, weight = int((weight > clip).sum()), np.minimum(weight, clip)
    seen = np.bincount(user) > 0
    shown = summed(user)[seen]
    weights = summed(user, weight)[seen]
    weighted = summed(user, weight * reward)[seen]
    logged, ips = ratio(summed(user, reward)[seen], shown), ratio(weighted, shown)
    snips = ratio(weighted, weights)
    if logged is None or ips is None or snips is None:
        return None
    total = float(weight.sum())
    effective = total**2 / float(weight @ weight)
    largest, mean = float(weight.max()), total / len(weight)
    return Estimates(logged, ips, snips, effective, largest, mean, clipped, len(weight), len(shown))
