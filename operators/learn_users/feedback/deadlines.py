"""When impressions are decided for which nothing came: by event time, or where all is quiet.

An impression is over when the input that it came from has reached the end of its window, by the
times of its events. Each partition has a clock of its own, as partitions are read at their own
pace: after an outage one may be hours ahead of another. A clock is where two users have been, so
that no single one can move it; a user's own impressions also follow the user's own events.

Where no events come, processing time decides, counted from when this worker first saw the
impression: what waits in the input while the job is down is read before anything is given up.
"""

from collections import deque
from collections.abc import Iterator
from heapq import heappop, heappush

import numpy as np
from numpy.typing import NDArray

_NEVER = -1


class Clock:
    """The event time that two users of a partition have reached."""

    def __init__(self) -> None:
        self._user, self._newest = "", _NEVER
        self.time = _NEVER
        """ms; -1 before there are two."""

    def note(self, user: str, time: int) -> None:
        """Note an event of a user."""
        if user == self._user:
            self._newest = max(self._newest, time)
        elif time > self._newest:
            self.time, self._newest, self._user = self._newest, time, user
        else:
            self.time = max(self.time, time)


class Deadlines:
    """Users of a bucket with impressions that wait, by when the first of them is over.

    Parameters
    ----------
    started : int
        Processing time from which the bucket is this worker's, ms.
    """

    def __init__(self, started: int) -> None:
        self.started = started
        self._clocks: dict[int, Clock] = {}
        self._by_event: dict[int, list[tuple[int, str]]] = {}
        self._quiet: deque[tuple[int, str]] = deque()

    def clock(self, partition: int) -> int:
        """Return the event time that a partition has reached, ms; -1 for none."""
        clock = self._clocks.get(partition)
        return clock.time if clock else _NEVER

    def follow(
        self, users: list[str], newest: NDArray[np.int64], partitions: NDArray[np.int64]
    ) -> None:
        """Note the newest event of each user of a micro-batch, in order of the users.

        Parameters
        ----------
        newest : int64[U]
            Event times, ms; those of users without an event are negative.
        partitions : int64[U]
        """
        for partition in np.unique(partitions[newest >= 0]).tolist():
            mine = np.flatnonzero((partitions == partition) & (newest >= 0))
            clock = self._clocks.setdefault(partition, Clock())
            for u in mine[np.argsort(newest[mine])[-2:]].tolist():
                clock.note(users[u], int(newest[u]))

    def add(self, user: str, partition: int, over: int, quiet: int) -> None:
        """Wait for a user: until an event time of a partition, and a processing time, ms."""
        heappush(self._by_event.setdefault(partition, []), (over, user))
        self._quiet.append((quiet, user))

    def due(self, now_ms: int) -> Iterator[str]:
        """Yield users some of whose impressions may be over, and forget that they wait."""
        for partition, waiting in self._by_event.items():
            reached = self.clock(partition)
            while waiting and waiting[0][0] < reached:
                yield heappop(waiting)[1]
        while self._quiet and self._quiet[0][0] <= now_ms:
            yield self._quiet.popleft()[1]

    @property
    def waits(self) -> bool:
        """Whether any user may have impressions that wait."""
        return bool(self._quiet)
