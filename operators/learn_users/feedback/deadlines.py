"""When impressions are decided for which nothing came: by event time, or where all is quiet.

An impression is over when the input has reached the end of its window, by the times of its events,
in every partition that a bucket's events lately came from: these are read at their own pace, and
after an outage one may be hours ahead of another. The time of a partition is where two users have
been, so that no single one can move it, and never later than its records arrived in the topic; for
a user's own impressions the user's own events count as well.

Where no events come, processing time decides, counted from when this worker first saw the
impression: what waits in the input while the job is down is read before anything is given up.
"""

from heapq import heapify, heappop, heappush

import numpy as np
from numpy.typing import NDArray

_NEVER = -1
_ACTIVE_MS = 10_000
"""Processing time without events after which a partition holds nothing up."""
_SLACK = 64

Key = tuple[str, int]
"""User and partition."""


class Clock:
    """The event time that two users of a partition have reached; that of one who is alone."""

    def __init__(self) -> None:
        self._user, self._newest, self._second = "", _NEVER, _NEVER
        self.active_at = 0
        """Processing time of the last event, ms."""

    @property
    def time(self) -> int:
        """Return the time, ms; -1 before there is any."""
        return self._second if self._second >= 0 else self._newest

    def note(self, user: str, time: int) -> None:
        """Note an event of a user."""
        if user == self._user:
            self._newest = max(self._newest, time)
        elif time > self._newest:
            self._second, self._newest, self._user = self._newest, time, user
        else:
            self._second = max(self._second, time)


class Ends(dict[int, int]):
    """Impressions of a user are over that were shown before a time; which one, by partition.

    Parameters
    ----------
    deadlines : Deadlines
    own
        Newest event time of the user, by partition.
    wait_ms : int
        Time that an impression waits.
    now_ms : int
        Processing time.
    """

    def __init__(
        self, deadlines: "Deadlines", own: dict[int, int], wait_ms: int, now_ms: int
    ) -> None:
        super().__init__()
        self._deadlines, self._own, self._wait_ms, self._now_ms = deadlines, own, wait_ms, now_ms
        since = now_ms - wait_ms
        self.quiet = since if deadlines.started < since else _NEVER
        """Processing time before which those came that are over where all is quiet."""

    def __missing__(self, partition: int) -> int:
        """Find a partition's time, once."""
        reached = self._deadlines.reached(partition, self._now_ms, self._own)
        self[partition] = reached - self._wait_ms
        return self[partition]


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
        self._held: dict[Key, tuple[int, int]] = {}
        # what is not as `_held` says is stale, and passed over
        self._by_event: dict[int, list[tuple[int, Key]]] = {}
        self._quiet: list[tuple[int, Key]] = []

    def follow(
        self, users: list[str], partition: int, newest: NDArray[np.int64], now_ms: int
    ) -> None:
        """Note the newest event of each user in a partition of a micro-batch.

        Parameters
        ----------
        newest : int64[U]
            Event times, ms; those of users without an event are negative.
        now_ms : int
            Processing time.
        """
        clock = self._clocks.setdefault(partition, Clock())
        clock.active_at = now_ms
        mine = np.flatnonzero(newest >= 0)
        for u in mine[np.argsort(newest[mine])[-2:]].tolist():
            clock.note(users[u], int(newest[u]))

    def reached(self, partition: int, now_ms: int, own: dict[int, int] | None = None) -> int:
        """Return the event time that all partitions have reached that are active, ms.

        -1 where the partition that is asked about is none of them: its records are still to come.

        Parameters
        ----------
        own
            Newest event time of a user, by partition.
        """
        clock = self._clocks.get(partition)
        if clock is None or now_ms - clock.active_at > _ACTIVE_MS:
            return _NEVER
        own = own or {}
        times = [
            max(other.time, own.get(number, _NEVER))
            for number, other in self._clocks.items()
            if now_ms - other.active_at <= _ACTIVE_MS
        ]
        return min(times, default=_NEVER)

    def add(self, user: str, partition: int, over: int, quiet: int) -> None:
        """Look at a user again at an event time of a partition, or a processing time, ms."""
        key = user, partition
        held = self._held.get(key)
        if held is not None:
            if held[0] <= over and held[1] <= quiet:
                return
            over, quiet = min(held[0], over), min(held[1], quiet)
        self._held[key] = over, quiet
        waiting = self._by_event.setdefault(partition, [])
        heappush(waiting, (over, key))
        heappush(self._quiet, (quiet, key))
        if len(waiting) > 2 * len(self._held) + _SLACK:
            waiting[:] = [(at, k) for k, (at, _) in self._held.items() if k[1] == partition]
            heapify(waiting)
        if len(self._quiet) > 2 * len(self._held) + _SLACK:
            self._quiet = [(at, k) for k, (_, at) in self._held.items()]
            heapify(self._quiet)

    def passed(self, user: str, now_ms: int, own: dict[int, int]) -> bool:
        """Return whether impressions of a user may be over by the user's own events, see `reached`.

        Those that are over without them are `due`.
        """
        for partition in self._by_event if own else ():
            held = self._held.get((user, partition))
            if held is not None and held[0] < self.reached(partition, now_ms, own):
                return True
        return False

    def due(self, now_ms: int) -> set[str]:
        """Return users some of whose impressions may be over, and forget that they wait."""
        found = set[str]()
        for partition, waiting in self._by_event.items():
            reached = self.reached(partition, now_ms)
            while waiting and waiting[0][0] < reached:
                over, key = heappop(waiting)
                if self._held.get(key, (_NEVER, 0))[0] == over:
                    del self._held[key]
                    found.add(key[0])
        while self._quiet and self._quiet[0][0] <= now_ms:
            quiet, key = heappop(self._quiet)
            if self._held.get(key, (0, _NEVER))[1] == quiet:
                del self._held[key]
                found.add(key[0])
        return found

    @property
    def waits(self) -> bool:
        """Whether any user may have impressions that wait."""
        return bool(self._held)
