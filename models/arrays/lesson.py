"""The lesson an objective learns from: the events of one micro-batch, and what is known of them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.arrays.deep import DeepArrays
from models.columns.events import Events


@dataclass(slots=True)
class Lesson:
    """Accepted events of one user bucket, in the order in which they are learnt, n of them."""

    events: Events
    rows: NDArray[np.int32]
    """(n,) row of each event's item; an event without a row only changes its user's lists."""
    bucket: int
    """User bucket that the events belong to."""
    fresh: NDArray[np.bool_]
    """(n,) events whose item side was not learnt before; the user side always is."""
    scored: NDArray[np.bool_]
    """(n,) events that are ranked, or predicted, before they are learnt."""
    gap: NDArray[np.uint8]
    """(n,) time since the user's event before, see `models.users.history.gaps_of`."""
    deep: DeepArrays
    """What the deep model says before each scored event."""

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.rows)
