"""The ring of recent events where they were counted elsewhere: a sample of them, by popularity.

Rows that come as a chunk bring counts of events that this worker has not seen one by one. Negatives
are drawn from the ring, so each must stand there as often as a share of what is popular now; a ring
that knew only its own events would compare with nothing else after a restart.
"""

import numpy as np
from numpy.typing import NDArray

from models.arrays.items import RECENT, ItemArrays


class Recent:
    """Keeps a ring a fair sample of all events, whatever comes first: chunks or events.

    A reservoir (Vitter, ACM TOMS 11(1), 1985) that takes many at once: of L places, new events of
    weight W get L W / (T + W), where T is the weight that the ring stands for; all of them where
    there is room. An event weighs what is left of it after halving.
    """

    def __init__(self) -> None:
        self._weight = 0.0
        self._time = 0
        self._entries = 0

    def add(
        self,
        a: ItemArrays,
        rows: NDArray[np.int32],
        share: NDArray[np.float64],
    ) -> None:
        """Add what was counted elsewhere of some rows.

        Parameters
        ----------
        rows : int32[m]
            Their `popularity` and `last_time` are those that came.
        share : float64[m]
            How much of each row's events is new here, from 0 to 1.
        """
        some = share > 0
        rows, share = rows[some], share[some]
        if not len(rows):
            return
        time = max(self._time, int(a.last_time[rows].max()))
        weights = share * a.popularity[rows] * np.exp2((a.last_time[rows] - time) / a.half_life)
        sums = np.cumsum(weights)
        gained, before = float(sums[-1]), self._weighed(a, time)
        room, held = len(a.recent), min(int(a.counters[RECENT]), len(a.recent))
        whole = before + gained
        size = max(held, min(room, round(whole)))
        entries = min(size, round(gained / whole * size)) if gained > 0 else 0
        if entries:
            drawn = np.searchsorted(sums, (np.arange(entries) + 0.5) / entries * gained)
            self._enter(a, rows[np.minimum(drawn, len(rows) - 1)], size, held)
        self._weight, self._time, self._entries = whole, time, int(a.counters[RECENT])

    def moved(self, a: ItemArrays, rows: NDArray[np.int32]) -> None:
        """Fill the ring anew after rows have moved.

        Parameters
        ----------
        rows : int32[n]
            What it held, oldest first; below 0 where an item is gone.
        """
        left = rows[rows >= 0]
        if len(rows):
            self._weight = self._weighed(a, self._time) * len(left) / len(rows)
        a.recent[:] = 0
        a.recent[: len(left)] = left
        a.counters[RECENT] = self._entries = len(left)

    def _weighed(self, a: ItemArrays, time: int) -> float:
        """Return the weight that the ring stands for at a time, ms."""
        own, room = int(a.counters[RECENT]) - self._entries, len(a.recent)
        left = self._weight * float(np.exp2((self._time - time) / a.half_life))
        if a.counters[RECENT] > room:  # what came since has overwritten some of it
            left *= max(0.0, 1 - own / room)
        return left + min(own, room)

    def _enter(self, a: ItemArrays, drawn: NDArray[np.int32], size: int, held: int) -> None:
        """Put rows into the places that are free, then over any others."""
        # each time other places, the same ones in a replay
        random = np.random.default_rng([int(a.counters[RECENT]), len(drawn), int(drawn[0])])
        random.shuffle(drawn)
        free = size - held  # of a ring that holds nothing all of it, and nothing is left over
        over = random.choice(held, max(0, len(drawn) - free), replace=False)
        a.recent[held : held + min(free, len(drawn))] = drawn[:free]
        a.recent[over] = drawn[free:]
        if free:
            a.counters[RECENT] = held + min(free, len(drawn))


def in_order(a: ItemArrays) -> NDArray[np.int32]:
    """Return a copy of the rows in the ring, oldest first."""
    made, room = int(a.counters[RECENT]), len(a.recent)
    if made <= room:
        return a.recent[:made].copy()
    return np.roll(a.recent, -(made & room - 1))
