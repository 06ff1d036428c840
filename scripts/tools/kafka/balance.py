"""Whether every record of the input was consumed, and what the offsets are that were not.

Offsets are not records: markers of transactions take some, aborted records and compaction leave
holes, and retention deletes records that were consumed long ago. So what the log still holds is
compared record by record, and what it no longer holds by what the job noted while it read.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from scripts.tools.kafka.ranges import BEGIN, Range, common

UNKNOWN = -1


@dataclass(frozen=True)
class Consumed:
    """What the job says of one partition."""

    records: int = 0
    first: int = UNKNOWN
    """Offset of the first record it ever took."""
    next: int = 0
    """One past the newest record it took."""
    gaps: Sequence[Range] = ()
    """Offsets between these two in which it took nothing, as far as they are known."""


@dataclass(frozen=True)
class Log:
    """What a partition holds now."""

    low: int
    high: int
    offsets: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    """Of its records, ascending."""

    @classmethod
    def full(cls, low: int, high: int) -> "Log":
        """Return a partition in which every offset is a record."""
        return cls(low, high, np.arange(low, high))

    @classmethod
    def partly(cls, low: int, known: int, high: int, read: NDArray[np.int64] | None) -> "Log":
        """Return a partition in which every offset before `known` is a record, and then those read.

        Parameters
        ----------
        read
            None where nothing was.
        """
        found = np.arange(low, known)
        return cls(low, high, found if read is None else np.concatenate((found, read)))

    def between(self, begin: int, end: int) -> int:
        """Return how many records lie in a range."""
        return int(np.diff(np.searchsorted(self.offsets, [begin, max(begin, end)]))[0])

    @property
    def empty_run(self) -> int:
        """Most offsets in a row that are no records; 1, a marker's, where nothing is left."""
        if self.low == self.high:
            return 1
        edges = np.concatenate(([self.low - 1], self.offsets, [self.high]))
        return int(np.diff(edges).max()) - 1


@dataclass(frozen=True)
class Balance:
    """What became of the offsets of one partition."""

    partition: int
    missing: int = 0
    """Records in the log that the job has not consumed."""
    twice: int = 0
    """Records consumed beyond all that can have been there."""
    overtaken: int = 0
    """Offsets that were deleted before the job came to read them: lost records, and the markers
    between them where producers use transactions."""
    before: int = 0
    """Records in the log from before the job's start."""
    empty: int = 0
    """Offsets that hold no record: markers, aborted transactions, compacted away."""

    def objections(self) -> Iterator[str]:
        """Say what is wrong."""
        name = f"partition {self.partition}"
        if self.missing:
            yield f"{name}: expected every record consumed, got {self.missing:,} not consumed yet"
        if self.twice:
            yield f"{name}: expected each record consumed once, got {self.twice:,} too many"

    def alarms(self) -> Iterator[str]:
        """Say what is lost."""
        if self.overtaken:
            yield (
                f"partition {self.partition}: up to {self.overtaken:,} records were deleted before"
                " the job read them; raise the topic's retention.ms above the longest outage"
            )

    def remarks(self) -> Iterator[str]:
        """Say what was skipped, and why that is as it should be."""
        if self.before:
            yield f"partition {self.partition}: {self.before:,} records from before the job's start"
        if self.empty:
            yield (
                f"partition {self.partition}: {self.empty:,} offsets without a record"
                " (transactions, compaction)"
            )


def plain(consumed: Consumed, low: int, high: int) -> bool:
    """Return whether offsets alone show that every one is a record that was consumed."""
    if not consumed.records:
        return low == high == 0
    return consumed.first <= low and consumed.records == high - consumed.first


def plain_until(consumed: Consumed, low: int, high: int) -> int:
    """Return up to which offset `plain` holds; where it does not, the log must be read from there.

    Of a job that is behind, that is a short tail of a long log.
    """
    if plain(consumed, low, high):
        return high
    known = low <= consumed.next <= high and plain(consumed, low, consumed.next)
    return consumed.next if known else low


def balance(partition: int, consumed: Consumed, log: Log, *, from_earliest: bool) -> Balance:
    """Compare one partition.

    Parameters
    ----------
    from_earliest
        The job without state began with the oldest record (`kafka.start`): what lies before its
        first one is then missing.
    """
    if not consumed.records:
        records = len(log.offsets)
        return Balance(
            partition,
            missing=records if from_earliest else 0,
            before=0 if from_earliest else records,
            empty=log.high - log.low - records,
        )
    first = max(consumed.first, BEGIN)
    before = log.between(log.low, first)
    skipped = sum(log.between(begin, end) for begin, end in consumed.gaps)
    here = log.between(first, consumed.next)
    deleted = max(0, min(log.low, consumed.next) - first)
    if deleted:
        missing, gone = skipped, consumed.records - (here - skipped)
    else:
        missing, gone = max(0, here - consumed.records), max(0, consumed.records - here)
    missing, gone = missing + max(0, -gone), max(0, gone)
    overtaken = _overtaken(consumed, log, max(0, deleted - gone))
    visible = log.high - max(log.low, min(first, log.high))
    records = log.between(first, log.high)
    tail = max(0, log.low - consumed.next)
    unread = max(0, deleted - gone) if consumed.first != UNKNOWN else 0
    return Balance(
        partition,
        missing=missing + log.between(consumed.next, log.high) + (before if from_earliest else 0),
        twice=max(0, gone - deleted),
        overtaken=overtaken,
        before=0 if from_earliest else before,
        empty=visible - records + max(0, unread + tail - overtaken),
    )


def _overtaken(consumed: Consumed, log: Log, unread: int) -> int:
    """Return how many of the deleted offsets were records that the job never saw.

    Parameters
    ----------
    unread
        Deleted offsets between the job's first and newest record that it did not consume.
    """
    run = log.empty_run
    tail = max(0, log.low - consumed.next)
    tail = tail if tail > run else 0
    if not run and consumed.first != UNKNOWN:  # every offset of this topic is a record
        return unread + tail
    jumps = common(consumed.gaps, [(BEGIN, log.low)])
    lost = sum(end - begin for begin, end in jumps if end - begin > run)
    return (lost if consumed.first == UNKNOWN else min(lost, unread)) + tail


def contradictions(balances: Mapping[int, Balance]) -> list[str]:
    """Return the objections against all partitions."""
    return [text for _, one in sorted(balances.items()) for text in one.objections()]
