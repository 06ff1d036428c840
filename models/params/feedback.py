"""Parameters of feedback: what counts as an impression, and what an outcome is worth."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite, log2

from models.params.checks import require


@dataclass(frozen=True, kw_only=True, slots=True)
class FeedbackParams:
    """How impressions are joined with what users do next.

    Raises
    ------
    ValueError
        For parameters that make no sense.
    """

    impression_type: str = "impression"
    """Event type of impressions."""
    window_ms: int = 1_800_000
    """Event time after an impression in which an action counts for it."""
    lateness_ms: int = 60_000
    """How far events of a user may come out of order."""
    lists: int = 8
    """Last recommendations of a user whose impressions can be joined."""
    rewards: Mapping[str, float] = field(default_factory=lambda: {"click": 1.0})
    """What an action is worth, by event type; other types are no actions."""
    value_types: frozenset[str] = frozenset()
    """Types whose reward grows with the event's value, by its logarithm."""
    value_cap: float = 1_000.0
    """Value from which on it grows no further."""
    notes_ignored: bool = False
    """Whether it is kept which items users ignored."""
    ignored_half_life_ms: int = 86_400_000
    """Time after which it counts half that an item was ignored."""

    def __post_init__(self) -> None:
        """Refuse parameters that make no sense."""
        checks = (
            ("window_ms", "> 0", self.window_ms > 0),
            ("lateness_ms", ">= 0", self.lateness_ms >= 0),
            ("lists", ">= 1", self.lists >= 1),
            ("rewards", "finite numbers > 0", all(map(_is_reward, self.rewards.values()))),
            ("rewards", "no impressions among them", self.impression_type not in self.rewards),
            ("value_types", "types with a reward", self.value_types <= self.rewards.keys()),
            ("value_cap", "> 0", self.value_cap > 0),
            ("ignored_half_life_ms", "> 0", self.ignored_half_life_ms > 0),
        )
        require(self, checks)

    def reward(self, kind: str, value: float) -> float:
        """Return what an action is worth.

        Of a type whose value counts: reward times log2(1 + value), so that a value of 1 changes
        nothing; without a value, or with a negative one, it is taken for 1.

        >>> params = FeedbackParams(rewards={"purchase": 2.0}, value_types=frozenset({"purchase"}))
        >>> params.reward("purchase", 3.0)
        4.0
        """
        reward = self.rewards[kind]
        if kind not in self.value_types or not value >= 0:
            return reward
        return reward * log2(1 + min(value, self.value_cap))

    @property
    def greatest(self) -> float:
        """Return the greatest reward that there can be."""
        factor = log2(1 + self.value_cap)
        return max(
            (
                r * (max(factor, 1) if kind in self.value_types else 1)
                for kind, r in self.rewards.items()
            ),
            default=0.0,
        )


def _is_reward(number: float) -> bool:
    return isfinite(number) and number > 0
