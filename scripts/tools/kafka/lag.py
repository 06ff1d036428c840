"""The lag of consumption: one that moves is no mistake.

While events flow some are always on their way, also between others that were consumed: buckets are
counted one after the other, and seen as transactions end. So the job is looked at until each
partition has moved and what was jumped over is filled; what stands still, or stays open, is told.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scripts.tools.kafka.balance import Consumed, Log
from scripts.tools.kafka.ranges import BEGIN, Range, common

_EVERY_SECONDS = 1.0


@dataclass(frozen=True)
class Lag:
    """Records of one partition that were not consumed at the first look.

    Parameters
    ----------
    records
        How many were consumed then.
    open
        Offsets before the newest consumed one that hold such records, as far as they are known.
    """

    partition: int
    records: int
    open: Sequence[Range] = ()

    @classmethod
    def of(cls, partition: int, consumed: Consumed, log: Log, *, from_earliest: bool) -> "Lag":
        """Return what waits in a partition, where something does."""
        ranges = list(consumed.gaps)
        if from_earliest and consumed.records:
            ranges.insert(0, (BEGIN, max(BEGIN, consumed.first)))
        waiting = [(begin, end) for begin, end in ranges if log.between(begin, end)]
        return cls(partition, consumed.records, waiting)

    def stands(self, now: Consumed) -> bool:
        """Return whether it stands still, or records stay open that others behind overtook."""
        if now.records == self.records:
            return True
        still = [*now.gaps, (BEGIN, max(BEGIN, now.first))]
        return bool(common(self.open, sorted(still)))


def standing(
    lags: Sequence[Lag],
    look: Callable[[], Callable[[int], Consumed]],
    seconds: float,
    sleep: Callable[[float], None] = time.sleep,
) -> set[int]:
    """Return the partitions whose lag stands, after looking for some time; sooner where none does.

    Parameters
    ----------
    look
        Returns what is consumed of each partition now.
    """
    deadline = time.monotonic() + seconds
    left = {lag.partition: lag for lag in lags}
    while left and (rest := deadline - time.monotonic()) > 0:
        sleep(min(_EVERY_SECONDS, rest))
        consumed = look()
        left = {p: lag for p, lag in left.items() if lag.stands(consumed(p))}
    return set(left)
