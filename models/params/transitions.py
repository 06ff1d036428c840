"""Parameters of item-to-item transitions."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class TransitionParams:
    """Item-to-item transitions, see `models.transitions.rows`."""

    window: int = 10
    """Last items of the user that a new item is counted after, and scored from."""
    decay: float = 0.8
    """Weight of each step further back."""
    norm: float = 0.3
    """Exponent of popularity at both ends."""
    backward: float = 0.4
    """Weight of what came before an item among what follows it; orders that say little want it."""
    repeats: bool = False
    """Whether an item may follow itself: where items may be recommended again."""
    successors: int = 400
    """Entries kept in an item's row when it overflows (at twice this)."""
