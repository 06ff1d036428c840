"""Arms against the control: differences with intervals that hold at every look."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from scripts.tools.evaluate.feedback.ratio import Ratio, ratio
from scripts.tools.evaluate.feedback.sequence import mixture, radius
from scripts.tools.evaluate.feedback.users import Users

LEAST_USERS, LEAST_ACTIVE = 100, 20
"""Users of each arm, and users with clicks (reward) of both, before anything is decided: the
variance of fewer is not known, and the sequence is asymptotic."""
METRICS = ("click_through", "reward_per_impression")


@dataclass(frozen=True)
class Plan:
    """What is chosen before the data.

    Parameters
    ----------
    alpha
        Probability of any false decision on a metric, over all arms and looks.
    users
        Users of two arms at which the interval is to be narrowest.
    """

    alpha: float = 0.05
    users: int = 10_000


@dataclass(frozen=True)
class Comparison:
    """An arm against the control; the difference is None where an arm has no impressions."""

    arm: str
    control: str
    metric: str
    difference: float | None
    low: float | None
    high: float | None

    @property
    def verdict(self) -> str:
        """`better`, `worse` or `undecided`."""
        if self.low is None or self.high is None:
            return "undecided"
        return "better" if self.low > 0 else "worse" if self.high < 0 else "undecided"

    def as_mapping(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {**vars(self), "verdict": self.verdict}


def compare(
    users: Users, numbers: Mapping[str, int], control: str, plan: Plan
) -> Sequence[Comparison]:
    """Compare every arm with the control, in both metrics.

    With k arms, each of the k - 1 comparisons has alpha / (k - 1) (Bonferroni).

    Parameters
    ----------
    users
    numbers
        Of the arms, by their names.
    control
    plan
    """
    alpha = plan.alpha / max(len(numbers) - 1, 1)
    rho_squared = mixture(alpha, plan.users)
    figures = {arm: _figures(users.of_arm(number)) for arm, number in numbers.items()}
    found = []
    for arm, of_arm in figures.items():
        for metric in METRICS if arm != control else ():
            one, base = of_arm[metric], figures[control][metric]
            apart, half = _difference(one, base, alpha, rho_squared)
            ends = (None, None) if apart is None or half is None else (apart - half, apart + half)
            found.append(Comparison(arm, control, metric, apart, *ends))
    return found


def _figures(users: Users) -> dict[str, Ratio | None]:
    sums = (users.clicks, users.reward)
    return {m: ratio(one, users.impressions) for m, one in zip(METRICS, sums, strict=True)}


def _difference(
    one: Ratio | None, base: Ratio | None, alpha: float, rho_squared: float
) -> tuple[float | None, float | None]:
    """Return the difference and half of its interval; no interval where there is too little."""
    if one is None or base is None:
        return None, None
    apart = one.value - base.value
    few = min(one.users, base.users) < LEAST_USERS or one.active + base.active < LEAST_ACTIVE
    if few or one.variance is None or base.variance is None:
        return apart, None
    half = radius(one.variance + base.variance, one.users + base.users, alpha, rho_squared)
    return apart, half if isfinite(half) else None
