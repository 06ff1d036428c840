"""Reader of the metrics topic: the fate of every record, and how good the recommendations are.

Records are absolute and the newest of a key wins: `accounting/<bucket>` counts every record that
the bucket's users ever sent, `window/…` measures a stretch of time. What a former job left on the
topics, one without a state in common with the newest, is left out.
"""

import copy
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec

from scripts.tools.kafka.balance import UNKNOWN, Consumed
from scripts.tools.kafka.client import KafkaAddress, read_all
from scripts.tools.kafka.ranges import BEGIN, END, Range, common, joined
from scripts.tools.kafka.windows import Quality, Sums, Windows
from state.codec import json_codec
from state.codec.sealed import StateError
from state.keyed.accounting import PartitionCounts
from state.topics import worker
from state.topics.worker import Worker

FATES = ("accepted", "duplicate", "late", "rejected", "ignored")
"""What can become of a record; exactly one of them does."""


@dataclass(frozen=True)
class Totals:
    """Sums over all user buckets."""

    consumed: int = 0
    accepted: int = 0
    duplicate: int = 0
    late: int = 0
    rejected: int = 0
    ignored: int = 0
    by_code: Mapping[str, int] = field(default_factory=dict)
    """Rejected records by error code."""
    lines: Mapping[str, int] = field(default_factory=dict)
    """Lines of records that were not taken although others were, by code."""
    by_type: Mapping[str, int] = field(default_factory=dict)
    """Ignored records by event type."""
    by_partition: Mapping[int, int] = field(default_factory=dict)
    """Consumed records by partition of the input topic."""
    next_offset: Mapping[int, int] = field(default_factory=dict)
    """One past the newest record consumed, by partition."""
    first_offset: Mapping[int, int] = field(default_factory=dict)
    """Of the oldest record consumed, by partition; -1 where a release before did not note it."""
    gaps: Mapping[int, list[Range]] = field(default_factory=dict)
    """Offsets between those two that no bucket consumed, by partition, as far as they are known."""

    def partition(self, number: int) -> Consumed:
        """Return what was consumed of one partition."""
        return Consumed(
            self.by_partition.get(number, 0),
            self.first_offset.get(number, UNKNOWN),
            self.next_offset.get(number, 0),
            self.gaps.get(number, ()),
        )

    def contradictions(self) -> list[str]:
        """Return what contradicts that each record consumed had exactly one fate."""
        found = []
        fates = sum(getattr(self, fate) for fate in FATES)
        if fates != self.consumed:
            found.append(
                f"consumed: expected the sum of all fates, {fates:,}, got {self.consumed:,}"
            )
        codes = sum(self.by_code.values())
        if codes != self.rejected:
            found.append(
                f"rejected: expected the sum of all codes, {codes:,}, got {self.rejected:,}"
            )
        return found

    def objections(self, ends: Mapping[int, tuple[int, int]]) -> list[str]:
        """Return what contradicts that each record of the input had exactly one fate.

        For a topic in which every offset is a record, none was deleted, and all were to be read;
        `scripts.tools.kafka.balance` compares any topic.

        Parameters
        ----------
        ends
            First and end offset of every partition of the input topic.
        """
        found = self.contradictions()
        for partition, (low, high) in sorted(ends.items()):
            consumed = self.by_partition.get(partition, 0)
            if consumed != high - low:
                found.append(
                    f"partition {partition}: expected {high - low:,} records, got {consumed:,}"
                )
        return found


_LATELY_MS = 60_000


class _Account(msgspec.Struct):
    """What is read of a bucket's account."""

    partitions: dict[Annotated[str, msgspec.Meta(pattern="^[0-9]{1,9}$")], PartitionCounts]
    rejected: dict[str, int] = {}
    lines: dict[str, int] = {}
    ignored: dict[str, int] = {}
    bucket: int = 0
    generated_at: int = 0
    lineage: str = ""
    began: str = ""
    since: int = 0
    buckets: int = 0
    epoch: int = 0


class _Kind(msgspec.Struct):
    """What every record has."""

    kind: Any = None


class _Window(msgspec.Struct):
    """What every window has."""

    window_start: int
    window_end: int | None = None
    scored: int | float | None = None
    accepted: int | None = None


class Metrics:
    """The present content of the metrics topic; feed it records in their order.

    Parameters
    ----------
    retention_ms
        Windows older than this are left out, see `Windows`; None = none are.

    Examples
    --------
    >>> metrics = Metrics()
    >>> metrics.take(b"accounting/0", b'''{"kind": "accounting", "bucket": 0, "partitions": {"0":
    ...     {"consumed": 2, "accepted": 1, "duplicate": 1, "late": 0, "rejected": 0,
    ...      "next_offset": 2}}}''')
    >>> metrics.totals().objections({0: (0, 2)})
    []
    """

    def __init__(self, retention_ms: int | None = None) -> None:
        self._accounting: dict[bytes, dict[str, Any]] = {}
        self._windows = Windows(retention_ms)
        self._summed: Sums | None = None
        self._workers: dict[bytes, Worker] = {}
        self.fine_tune: dict[str, Any] = {}
        """Where fine-tuning stands; empty before it said anything."""

    def take(self, key: bytes | None, value: bytes | None) -> None:
        """Note one record; kinds that are not known are left out."""
        if key is None or value is None:
            return
        where = key.decode(errors="replace")
        try:
            match json_codec.decode(value, _Kind, where).kind:
                case "accounting":
                    json_codec.decode(value, _Account, where)
                    self._accounting[key] = json_codec.decode_object(value, where)
                    self._summed = None
                case "window":
                    window = json_codec.decode(value, _Window, where)
                    self._windows.take(window.window_start, window.window_end, value)
                    self._summed = None
                case "fine_tune":
                    self.fine_tune = json_codec.decode_object(value, where)
                case "worker":
                    self._workers[key] = worker.decode(value)
        except StateError:  # somebody else's: nothing here is of it
            return

    @property
    def windows(self) -> list[dict[str, Any]]:
        """Windows by their start, oldest first; those of former jobs are left out."""
        return list(self._windows.since(self._since()))

    def newest_windows(self, count: int) -> list[dict[str, Any]]:
        """Return the last of the windows."""
        return list(self._windows.since(self._since(), newest=count))

    @property
    def workers(self) -> list[Worker]:
        """Workers that spoke lately, by subtask: others are of a former parallelism."""
        newest = max((one.generated_at for one in self._workers.values()), default=0)
        lately = (w for w in self._workers.values() if w.generated_at >= newest - _LATELY_MS)
        return sorted(lately, key=lambda one: one.subtask)

    def totals(self) -> Totals:
        """Return the sums over all buckets."""
        sums: Counter[str] = Counter()
        codes: Counter[str] = Counter()
        lines: Counter[str] = Counter()
        types: Counter[str] = Counter()
        consumed: Counter[int] = Counter()
        ends: dict[int, int] = {}
        first: dict[int, int] = {}
        gaps: dict[int, list[Range]] = {}
        for bucket in self._counted():
            codes.update(bucket.get("rejected", {}))
            lines.update(bucket.get("lines", {}))
            types.update(bucket.get("ignored", {}))
            for name, counts in bucket["partitions"].items():
                partition = int(name)
                # releases before had no records to ignore
                sums.update({fate: counts.get(fate, 0) for fate in ("consumed", *FATES)})
                consumed[partition] += counts["consumed"]
                ends[partition] = max(ends.get(partition, 0), counts["next_offset"])
                begin = counts.get("first_offset", UNKNOWN)
                first[partition] = min(first.get(partition, begin), begin)
                gaps[partition] = common(gaps.get(partition, [(BEGIN, END)]), _silent(counts))
        return Totals(
            **sums, by_code=codes, lines=lines, by_type=types, by_partition=consumed,
            next_offset=ends, first_offset=first,
            gaps={p: common(found, [(first[p], ends[p])]) for p, found in gaps.items()},
        )  # fmt: skip

    def _counted(self) -> list[dict[str, Any]]:
        """Return the accounting of the job that spoke last, and of those it was restored from."""
        newest = self._newest()
        names, buckets = self._lineages(newest), newest.get("buckets") or sys.maxsize
        return [
            one
            for one in self._accounting.values()
            if one.get("lineage", "") in names and one.get("bucket", 0) < buckets
        ]

    def _since(self) -> int:
        """Return when the job began whose records count, ms; 0 where that is not known."""
        newest = self._newest()
        return int(newest.get("since", 0)) if len(self._lineages(newest)) == 1 else 0

    def _newest(self) -> dict[str, Any]:
        """Return the record of the last submission, by its lease: clocks of machines differ.

        Records of releases before that say no epoch are older than those that do.
        """

        def order(one: Mapping[str, Any]) -> tuple[int, int]:
            return int(one.get("epoch", 0)), int(one.get("generated_at", 0))

        return max(self._accounting.values(), key=order, default={})

    def _lineages(self, newest: Mapping[str, Any]) -> set[str]:
        """Return the lineage of a record, and those in which its buckets began to count.

        The latter are others where a job was restored that did not name any yet.
        """
        name = newest.get("lineage", "")
        records = self._accounting.values()
        began = {one.get("began", "") for one in records if name and one.get("lineage") == name}
        return {name} | began

    def counted(self, name: str) -> int:
        """Return the sum of a count over all windows."""
        return int(self._sums().counts[name])

    def quality(self) -> Quality:
        """Return the quality over all windows."""
        return self._sums().quality()

    def _sums(self) -> Sums:
        if self._summed is None:
            self._summed = Sums.of(self._windows.since(self._since()))
        return self._summed

    def snapshot(self) -> "Metrics":
        """Return a copy that stays as it is."""
        found = copy.copy(self)
        vars(found).update(
            _accounting=dict(self._accounting),
            _windows=self._windows.snapshot(),
            _workers=dict(self._workers),
        )
        return found


def _silent(counts: Mapping[str, Any]) -> list[Range]:
    """Return all offsets of a partition in which one bucket is known to have consumed nothing."""
    between = [(begin, end) for begin, end in counts.get("gaps", ())]
    return joined([
        (BEGIN, max(BEGIN, counts.get("first_offset", BEGIN))),
        *between,
        (counts["next_offset"], END),
    ])  # fmt: skip


class Following:
    """A metrics topic that is read, and read on from there; open transactions are left out.

    Parameters
    ----------
    retention_ms
        Windows older than this are left out, see `Windows`.
    """

    def __init__(self, address: KafkaAddress, topic: str, retention_ms: int | None = None) -> None:
        self._address, self._topic = address, topic
        self._metrics = Metrics(retention_ms)
        self._next: dict[int, int] = {}

    def catch_up(self) -> Metrics:
        """Return what the topic says now."""
        for message in read_all(self._address, self._topic, begin=self._next):
            self._metrics.take(message.key(), message.value())
            self._next[int(message.partition() or 0)] = int(message.offset() or 0) + 1
        return self._metrics.snapshot()


def read(address: KafkaAddress, topic: str) -> Metrics:
    """Return what a metrics topic says now; open transactions are left out."""
    return Following(address, topic).catch_up()
