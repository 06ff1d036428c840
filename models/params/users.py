"""Parameters of what is remembered of a user."""

from dataclasses import dataclass

from models.params.checks import require


@dataclass(frozen=True, kw_only=True, slots=True)
class UserParams:
    """Bounds of what is remembered of one user."""

    history: int = 64
    """Last positive items kept: context of the models."""
    recent_events: int = 64
    """Identities kept to recognise repeats: those of the newest events by event time."""
    lateness_ms: int = 3_600_000
    """An event that is no older than this against the user's newest is never late."""
    count_window_ms: int = 21_600_000
    """A user counts once for an item within this event time."""
    count_limit: int = 4096
    """New items that a user may name to others within the same time of arrival."""
    by_type: bool = False
    """Whether a user counts once for each event type of an item: a view must not stand before a
    rating."""
    past: int = 2048
    """Items kept that are not recommended again, four bytes each."""
    timed: bool = False
    """Whether some of them are recommended again after a time: four more bytes each."""
    strong: float = 5.0
    """Weight of events (purchases) whose items stay in the past while weaker ones leave it."""
    exclusions: int = 32
    """Last disliked or removed items kept."""
    deep_state: int = 128
    """Numbers of the deep model's state."""
    session_gap_ms: int = 1_800_000
    """Event-time gap after which a new session starts."""

    def __post_init__(self) -> None:
        """Refuse bounds that leave no room."""
        names = ("history", "recent_events", "exclusions", "session_gap_ms", "count_limit")
        require(self, [(name, ">= 1", getattr(self, name) >= 1) for name in names])
