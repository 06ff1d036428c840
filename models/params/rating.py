"""Parameters of the rating objective: gradient steps and the Kalman filter."""

from dataclasses import dataclass

from models.params.checks import require


@dataclass(frozen=True, kw_only=True, slots=True)
class RatingParams:
    """Biased MF by SGD, see `models.rating.biased`."""

    factors: int = 32
    rate: float = 0.1
    bias_rate: float = 0.05
    decay: float = 0.02
    bias_decay: float = 0.02
    lowest: float = 0.5
    highest: float = 5.0
    """Of a scale about four wide; others are turned into one, see `models.rating.stars`."""
    radius: float = 4.0
    """Largest norm of a factor vector, and largest bias: no input can spoil the state."""
    support: int = 20
    """Items with fewer ratings are recommended last."""
    seed: int = 1


GROWTH = 4.0
"""Drift raises a variance of a filter to so many times its first value at most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KalmanParams:
    """Biased MF with a variance for every number, see `models.rating.kalman`.

    Variances are in squared stars of a scale that is about four wide; the defaults hold for sets
    of a hundred thousand ratings and of a million alike.
    """

    factors: int = 8
    history: int = 60
    """Last rated items of the user that stand for their taste next to the factors; 0: none."""
    noise: float = 0.85
    """Variance of a rating whose mean is known."""
    user_variance: float = 0.325
    """Of a user's factors before their first rating, as the three that follow."""
    item_variance: float = 0.066
    user_bias_variance: float = 0.15
    item_bias_variance: float = 0.3
    user_drift: float = 4.7e-4
    """Added to the variance at every rating: what is known of users ages; as the next three."""
    item_drift: float = 4.9e-6
    user_bias_drift: float = 5e-4
    item_bias_drift: float = 0.0
    session_variance: float = 0.08
    """Of the mood of a session."""
    session_gap_ms: int = 600_000
    """Event time without a rating after which another session begins."""
    session_keep: float = 0.7
    """Share of the mood that lasts into the next session."""
    history_rate: float = 0.073
    history_decay: float = 0.005
    history_deviation: float = 0.03
    """Standard deviation that an item's part in histories starts with."""
    deviation: float = 0.05
    """Standard deviation that factors start with."""
    lowest: float = 0.5
    highest: float = 5.0
    radius: float = 4.0
    """Largest norm of a factor vector, and largest bias: no input can spoil the state."""
    support: int = 20
    """Items with fewer ratings are recommended last."""
    seed: int = 1

    def __post_init__(self) -> None:
        """Refuse what would leave a variance without a meaning."""
        positive = (
            "noise", "user_variance", "item_variance", "user_bias_variance",
            "item_bias_variance", "session_variance", "radius",
        )  # fmt: skip
        least = (
            "history", "user_drift", "item_drift", "user_bias_drift", "item_bias_drift",
            "session_gap_ms", "history_rate", "history_decay", "history_deviation", "deviation",
            "support",
        )  # fmt: skip
        require(self, [(name, "> 0", getattr(self, name) > 0) for name in positive])
        require(self, [(name, ">= 0", getattr(self, name) >= 0) for name in least])
        require(self, [
            ("factors", ">= 1", self.factors >= 1),
            ("session_keep", "a share", 0 <= self.session_keep <= 1),
            ("lowest", "< highest", self.lowest < self.highest),
        ])  # fmt: skip
