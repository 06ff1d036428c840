"""Training sequences: whose events, up to where, drawn with which probability."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.deep.mixing import mixed
from models.users.gaps import LONGEST, gaps


@dataclass(slots=True)
class Histories:
    """Every user's events one behind the other, in their order.

    Built from events in the order in which they were accepted.
    """

    users: NDArray[np.uint64]
    """(U,) their keys, ascending."""
    start: NDArray[np.int64]
    """(U + 1,) bounds of each user's events."""
    item: NDArray[np.int32]
    """(n,) index of the item."""
    gap: NDArray[np.uint8]
    """(n,) see `models.users.gaps`."""
    new: NDArray[np.int64]
    """(U,) how many of a user's events, the last ones, came since the last round."""

    @classmethod
    def of(
        cls,
        user: NDArray[np.uint64],
        item: NDArray[np.int32],
        time_ms: NDArray[np.int64],
        new_from: int,
    ) -> "Histories":
        """Sort events by user; those from index `new_from` on are new."""
        users, owner = np.unique(user, return_inverse=True)
        order = np.argsort(owner, kind="stable")
        counts = np.bincount(owner, minlength=len(users))
        start = np.zeros(len(users) + 1, np.int64)
        np.cumsum(counts, out=start[1:])
        # as a worker serves it: since the newest event before, whichever was accepted last
        since = np.concatenate([[0], _newest(owner[order], time_ms[order])[:-1]])
        gap = gaps((time_ms[order] - since) / 1000)
        gap[start[:-1]] = LONGEST
        return cls(
            users=users,
            start=start,
            item=item[order],
            gap=gap,
            new=np.bincount(owner[new_from:], minlength=len(users)),
        )

    def __len__(self) -> int:
        """Return the number of users."""
        return len(self.users)

    @property
    def count(self) -> NDArray[np.int64]:
        """(U,) events of each user."""
        return np.diff(self.start)

    def without_newest(self, rows: NDArray[np.int64]) -> "Histories":
        """Return the histories without the last event of some users, which is a new one."""
        last = self.start[rows + 1] - 1
        fewer = np.zeros(len(self), np.int64)
        fewer[rows] = 1
        start = self.start.copy()
        start[1:] -= np.cumsum(fewer)
        kept = np.delete(self.item, last), np.delete(self.gap, last)
        return Histories(self.users, start, *kept, self.new - fewer)

    def windows(
        self, rows: NDArray[np.int64], ends: NDArray[np.int64], length: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return items and gaps (m, length) of users' events up to before `ends`, left-padded.

        `ends` counts from each user's first event. Padding is item -1.
        """
        at = ends[:, None] - np.arange(length, 0, -1)[None, :]
        present = at >= 0
        place = np.where(present, self.start[rows][:, None] + at, 0)
        items = np.where(present, self.item[place], -1).astype(np.int64)
        return items, np.where(present, self.gap[place], 0).astype(np.int64)


class Sampler:
    """Draws the sequences of a step: some end at users' newest events, the others replay.

    New: users with new events, by min(new, 2 L). Replay: all users, by ⌈count / L⌉, at any place.
    """

    def __init__(
        self,
        histories: Histories,
        trained: NDArray[np.bool_],
        *,
        length: int,
        random: np.random.Generator,
    ) -> None:
        self._histories = histories
        self._length = length
        self.random = random
        count = histories.count
        able = trained & (count > 1)
        self._replayed = _cumulated(np.where(able, -(-count // length), 0))
        self._new = _cumulated(np.where(able, np.minimum(histories.new, 2 * length), 0))

    @property
    def empty(self) -> bool:
        """Return whether nobody has a next event to learn from."""
        return self._replayed[-1] == 0 if len(self._replayed) else True

    def draw(self, new: int, replay: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return items and gaps (new + replay, L + 1)."""
        return self.windows(*self.draw_ends(new, replay))

    def windows(
        self, rows: NDArray[np.int64], ends: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return items and gaps (m, L + 1) up to before the ends of some users."""
        return self._histories.windows(rows, ends, self._length + 1)

    def draw_ends(self, new: int, replay: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return whose sequences to take, and up to before which of their events."""
        if self._new[-1] == 0:
            new, replay = 0, new + replay
        rows = np.concatenate([self._users(self._new, new), self._users(self._replayed, replay)])
        count = self._histories.count[rows]
        length = self._length + 1
        anywhere = self.random.integers(np.minimum(length, count), count + 1)
        newest = np.arange(len(rows)) < new
        ends = np.where(newest | (count <= length), count, anywhere)
        return rows, ends

    def _users(self, cumulated: NDArray[np.float64], size: int) -> NDArray[np.int64]:
        if size == 0:
            return np.empty(0, np.int64)
        return np.searchsorted(cumulated, self.random.random(size) * cumulated[-1], side="right")


def _newest(owner: NDArray[np.intp], time_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the newest time so far of each event's owner, whose events lie side by side."""
    times, rank = np.unique(time_ms, return_inverse=True)
    # a later owner's ranks are all above those before it, so that one pass does for all
    above = owner * np.int64(len(times))
    newest: NDArray[np.int64] = times[np.maximum.accumulate(above + rank) - above]
    return newest


def _cumulated(weights: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.cumsum(weights.astype(np.float64))


def held_out(users: NDArray[np.uint64], share: float, round_number: int) -> NDArray[np.bool_]:
    """Return which users a round does not train on, so that it can be judged; others each round."""
    words = mixed(users ^ np.uint64(round_number + 1))
    return (words >> np.uint64(32)).astype(np.float64) < share * 2.0**32
