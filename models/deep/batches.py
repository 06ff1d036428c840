"""Order of the events of a micro-batch within each user, for the users' states."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.columns.events import Events
from models.compiled import compiled


@dataclass(frozen=True, slots=True)
class Batch:
    """Events of a micro-batch as a network takes them."""

    events: Events
    rows: NDArray[np.int32]
    """(n,) row of each event's item."""
    gap: NDArray[np.uint8]
    """(n,) see `models.users.history.gaps_of`."""
    positive: NDArray[np.intp]
    """Numbers of the positive events that count, or before which the model is asked."""
    asked: NDArray[np.intp]
    """Which of these the model is asked before."""

    def numbered(self) -> NDArray[np.int32]:
        """Return (n,) the number of each event among those asked, -1 for the others."""
        row = np.full(len(self.events), -1, np.int32)
        row[self.positive[self.asked]] = np.arange(len(self.asked))
        return row


@compiled
def previous_of(
    user: NDArray[np.int32], counts: NDArray[np.bool_], users: int
) -> NDArray[np.int64]:
    """Return the index of the last event of the same user before each that counts, -1 for none."""
    last = np.full(users, -1, np.int64)
    before = np.empty(len(user), np.int64)
    for e in range(len(user)):
        before[e] = last[user[e]]
        if counts[e]:
            last[user[e]] = e
    return before


@compiled
def last_before(
    history: NDArray[np.int32],
    length: NDArray[np.int32],
    user: NDArray[np.int32],
    item: NDArray[np.int32],
    asked: NDArray[np.int64],
    width: int,
) -> NDArray[np.int32]:
    """Return windows (A, width) of the known items before each asked event, newest last.

    Parameters
    ----------
    history : int32[U, H]
        Before the events, oldest first; -1 for an unknown item.
    user, item : int32[n]
        Of the events, in order.
    asked : int64[A]
        Some of the events, ascending.
    """
    windows = np.full((len(asked), width), -1, np.int32)
    for n in range(len(asked)):
        e, at = asked[n], width
        u = user[e]
        before = e - 1
        while before >= 0 and at > 0:
            if user[before] == u and item[before] >= 0:
                at -= 1
                windows[n, at] = item[before]
            before -= 1
        h = length[u] - 1
        while h >= 0 and at > 0:
            if history[u, h] >= 0:
                at -= 1
                windows[n, at] = history[u, h]
            h -= 1
    return windows
