"""The budget of user-level differential privacy, and what rounds have spent of it."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

Spend = tuple[float, float, int]
"""Noise multiplier, sample rate and steps: what an accountant sums over."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Privacy:
    """The budget of all rounds together, and how a step is made private."""

    epsilon: float
    delta: float
    clip: float
    """Largest L2 norm of a user's gradient."""
    noise: float
    """Standard deviation of the noise on a sum of gradients, in units of `clip`."""

    def to_dict(self) -> dict[str, Any]:
        """Return the settings by name."""
        return asdict(self)


def most(one: Iterable[Spend], other: Iterable[Spend]) -> list[Spend]:
    """Return the spends of two accounts of one history, either of which may end early.

    Steps of one noise and rate are the same to an accountant in whichever round they were taken.
    """
    found: dict[tuple[float, float], int] = {}
    for account in (one, other):
        steps: dict[tuple[float, float], int] = {}
        for noise, rate, n in account:
            steps[noise, rate] = steps.get((noise, rate), 0) + n
        for key, n in steps.items():
            found[key] = max(found.get(key, 0), n)
    return [(noise, rate, n) for (noise, rate), n in found.items()]


def merged(spends: Iterable[Spend]) -> list[Spend]:
    """Return spends in their order, the steps of equal neighbours added up."""
    found: list[Spend] = []
    for noise, rate, steps in spends:
        if found and found[-1][:2] == (noise, rate):
            steps += found.pop()[2]
        found.append((noise, rate, steps))
    return found
