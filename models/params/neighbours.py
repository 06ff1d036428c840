"""Parameters of session neighbours."""

from dataclasses import dataclass
from math import isfinite

from models.params.checks import require


@dataclass(frozen=True, kw_only=True, slots=True)
class NeighbourParams:
    """Session neighbours, see `models.neighbours.share`."""

    occurrences: int = 100
    """Last occurrences M kept of an item."""
    most_similar: int = 100
    """Most similar sequences K that are listened to."""
    sequences: int = 1 << 17
    """Sequences S kept: users, or sessions. The one unused longest goes first."""
    length: int = 256
    """Last items L kept of a sequence; rounded up to a power of two."""
    kept: int = 1 << 22
    """Items kept of all sequences together, four bytes each; they are given out by 32."""
    recent: int = 20
    """Last items of the user that neighbours are looked for by."""
    decay: float = 0.9
    """Weight of each step further back."""
    reach: int = 10
    """Items considered on either side of the one that is shared."""
    before: float = 0.6
    """Weight of those before it."""
    smoothing: float = 1e-3
    """Added to the share before its logarithm."""

    def __post_init__(self) -> None:
        """Refuse bounds that leave no room, and those whose similarities would not fit."""
        require(
            self,
            [
                ("occurrences", "in 1 .. 10000", 1 <= self.occurrences <= 10_000),
                ("most_similar", ">= 1", self.most_similar >= 1),
                ("sequences", "in 1 .. 4194304", 1 <= self.sequences <= 1 << 22),
                ("length", "in 1 .. 65536", 1 <= self.length <= 1 << 16),
                ("kept", ">= 1", self.kept >= 1),
                ("recent", "in 1 .. 64", 1 <= self.recent <= 64),
                ("decay", "in 0 .. 1", 0 < self.decay <= 1),
                ("reach", ">= 0", self.reach >= 0),
                ("before", ">= 0", self.before >= 0 and isfinite(self.before)),
                ("smoothing", "> 0", self.smoothing > 0),
            ],
        )
