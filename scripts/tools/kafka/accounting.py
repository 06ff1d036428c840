"""What the metrics topic says: the fate of every record, and how good the recommendations are.

Records are absolute and the newest of a key wins: `accounting/<bucket>` counts every record that
the bucket's users ever sent, `window/…` measures a stretch of time. What a former job left on the
topics, one without a state in common with the newest, is left out.
"""

import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec

from scripts.tools.kafka.balance import UNKNOWN, Consumed
from scripts.tools.kafka.client import KafkaAddress, read_all
from scripts.tools.kafka.ranges import BEGIN, END, Range, common, joined
from state import json_codec
from state.accounting import PartitionCounts
from state.codec import StateError
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


@dataclass(frozen=True)
class DeepQuality:
    """Hit rates on the same events, all ranked by every model."""

    scored: int
    blend: float
    online: float
    deep: float
    popularity: float


@dataclass(frozen=True)
class Quality:
    """Test-then-learn quality over windows, each weighted by the events it scored."""

    scored: int = 0
    hit_rate: float | None = None
    ndcg: float | None = None
    mrr: float | None = None
    popularity_hit_rate: float | None = None
    popularity_ndcg: float | None = None
    with_deep: "DeepQuality | None" = None
    """Of the windows in which a deep model was served throughout."""
    rmse: float | None = None

    @property
    def ratio(self) -> float | None:
        """Hit rate as a multiple of popularity's."""
        if not self.popularity_hit_rate or self.hit_rate is None:
            return None
        return self.hit_rate / self.popularity_hit_rate


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


class _Window(msgspec.Struct):
    """What every window has."""

    window_start: int
    window_end: int | None = None
    scored: int | float | None = None
    accepted: int | None = None


class Metrics:
    """The present content of the metrics topic; feed it records in their order.

    >>> metrics = Metrics()
    >>> metrics.take(b"accounting/0", b'''{"kind": "accounting", "bucket": 0, "partitions": {"0":
    ...     {"consumed": 2, "accepted": 1, "duplicate": 1, "late": 0, "rejected": 0,
    ...      "next_offset": 2}}}''')
    >>> metrics.totals().objections({0: (0, 2)})
    []
    """

    def __init__(self) -> None:
        self._accounting: dict[bytes, dict[str, Any]] = {}
        self._windows: dict[bytes, dict[str, Any]] = {}
        self._workers: dict[bytes, Worker] = {}
        self.fine_tune: dict[str, Any] = {}
        """Where fine-tuning stands; empty before it said anything."""

    def take(self, key: bytes | None, value: bytes | None) -> None:
        """Note one record; kinds that are not known are left out."""
        if key is None or value is None:
            return
        where = key.decode(errors="replace")
        try:
            record = json_codec.decode_object(value, where)
            match record.get("kind"):
                case "accounting":
                    json_codec.decode(value, _Account, where)
                    self._accounting[key] = record
                case "window":
                    json_codec.decode(value, _Window, where)
                    self._windows[key] = record
                case "fine_tune":
                    self.fine_tune = record
                case "worker":
                    self._workers[key] = worker.decode(value)
        except StateError:  # somebody else's: nothing here is of it
            return

    @property
    def windows(self) -> list[dict[str, Any]]:
        """Windows by their start, oldest first; those of former jobs are left out."""
        since = self._since()
        mine = (w for w in self._windows.values() if (w.get("window_end") or since) >= since)
        return sorted(mine, key=lambda window: window["window_start"])

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
        return sum(window.get(name) or 0 for window in self.windows)

    def quality(self) -> Quality:
        """Return the quality over all windows."""
        return Quality(
            scored=self.counted("scored"),
            hit_rate=self._mean("hr_at_"),
            ndcg=self._mean("ndcg_at_"),
            mrr=self._mean("mrr"),
            popularity_hit_rate=self._mean("popularity_hr_at_"),
            popularity_ndcg=self._mean("popularity_ndcg_at_"),
            with_deep=self._with_deep(),
            rmse=self._rmse(),
        )

    def _with_deep(self) -> DeepQuality | None:
        windows = [w for w in self.windows if w["scored"] and w.get("deep_scored") == w["scored"]]
        scored = sum(window["scored"] for window in windows)
        if not scored:
            return None

        def mean(prefix: str) -> float:
            total = 0.0
            for window in windows:
                (figure,) = (v for name, v in window.items() if name.startswith(prefix))
                total += figure * window["scored"]
            return float(total / scored)

        return DeepQuality(
            scored,
            mean("hr_at_"),
            mean("online_hr_at_"),
            mean("deep_hr_at_"),
            mean("popularity_hr_at_"),
        )

    def _mean(self, prefix: str) -> float | None:
        total, weight = 0.0, 0
        for window in self.windows:
            figures = [v for name, v in window.items() if name.startswith(prefix) and v is not None]
            if figures and window["scored"]:
                total += figures[0] * window["scored"]
                weight += window["scored"]
        return total / weight if weight else None

    def _rmse(self) -> float | None:
        rated = [window for window in self.windows if window.get("rmse") is not None]
        weights = [window.get("errors") or window["accepted"] for window in rated]
        squares = [window["rmse"] ** 2 * n for window, n in zip(rated, weights, strict=True)]
        return (sum(squares) / sum(weights)) ** 0.5 if sum(weights) else None


def _silent(counts: Mapping[str, Any]) -> list[Range]:
    """Return all offsets of a partition in which one bucket is known to have consumed nothing."""
    between = [(begin, end) for begin, end in counts.get("gaps", ())]
    return joined([
        (BEGIN, max(BEGIN, counts.get("first_offset", BEGIN))),
        *between,
        (counts["next_offset"], END),
    ])  # fmt: skip


def read(address: KafkaAddress, topic: str) -> Metrics:
    """Return what a metrics topic says now; open transactions are left out."""
    metrics = Metrics()
    for message in read_all(address, topic):
        metrics.take(message.key(), message.value())
    return metrics
