"""The accounting identity, per user bucket: each record consumed has exactly one fate.

consumed = accepted + duplicate + late + rejected + ignored.
"""

from collections.abc import Iterable, Mapping
from heapq import nlargest
from types import MappingProxyType

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from models.columns.events import OFFSET_BITS
from state.codec import json_codec
from state.codec.sealed import open_sealed, seal
from state.keyed.lineage import Lineage

MAGIC = b"AU"
VERSION = 5
READ_VERSIONS = (1, 2, 3, 4, 5)
GAPS = 8
"""Longest stretches of offsets kept, of a bucket and partition, in which it consumed nothing."""
UNKNOWN = -1
OTHER_TYPES = "(other)"
_TYPES, _TYPE_LENGTH = 32, 64
"""Ignored event types that are counted each, and the characters of their names that are kept."""
_PARTITIONS_A_RECORD = 64
"""Less than 64 KiB, the smallest `kafka.max_record_bytes`."""


class PartitionCounts(msgspec.Struct):
    """Fates of the records of one source partition, since the job first started."""

    consumed: int = 0
    accepted: int = 0
    duplicate: int = 0
    late: int = 0
    rejected: int = 0
    next_offset: int = 0
    first_offset: int = UNKNOWN
    """Of the oldest record; unknown where version 1 began to count."""
    gaps: list[tuple[int, int]] = []
    """First offset of each gap and one past its last, in no order; since version 2."""
    ignored: int = 0
    """Records that are no item events and are not meant to be any; since version 5."""

    def pass_over(self, offsets: NDArray[np.int64]) -> None:
        """Note where these records begin and end, and what lies between them.

        What no bucket consumed is in a gap of every one: so a reader of all buckets finds what the
        source jumped over.
        """
        offsets = np.sort(offsets)
        if not self.consumed:
            self.first_offset = self.next_offset = int(offsets[0])
        begins = np.concatenate(([self.next_offset], offsets[:-1] + 1))
        lengths = offsets - begins
        kept = min((end - begin for begin, end in self.gaps), default=0)
        longer = np.flatnonzero(lengths > (kept if len(self.gaps) == GAPS else 0))
        if len(longer):
            found = zip(begins[longer].tolist(), offsets[longer].tolist(), strict=True)
            self.gaps = nlargest(GAPS, [*self.gaps, *found], key=lambda gap: gap[1] - gap[0])
        self.next_offset = max(self.next_offset, int(offsets[-1]) + 1)


class Accounting(msgspec.Struct):
    """Every record a user bucket ever consumed, by partition and fate; kept in keyed state."""

    kind: str
    bucket: int
    partitions: dict[str, PartitionCounts]
    rejected: dict[str, int]
    generated_at: int
    lineage: str = ""
    """Of the job that began to count; empty before version 3."""
    lines: dict[str, int] = {}
    """By code, lines of records (items of an order) that were not taken although others were;
    apart from records, which they are part of. Empty before version 4."""
    ignored: dict[str, int] = {}
    """Ignored records by event type, of the first `_TYPES` types; others are counted as "(other)".
    Empty before version 5."""

    @classmethod
    def start(cls, bucket: int, lineage: str = "") -> "Accounting":
        """Return the accounting of a bucket that has seen nothing."""
        return cls("accounting", bucket, {}, {}, 0, lineage)

    @property
    def accepted(self) -> int:
        """Records that were accepted, of all partitions."""
        return sum(counts.accepted for counts in self.partitions.values())

    def count(
        self,
        coordinates: NDArray[np.int64],
        accepted: NDArray[np.int64],
        duplicate: NDArray[np.int64],
        late: NDArray[np.int64],
        rejected: Iterable[str],
        lines: Mapping[str, int] = MappingProxyType({}),
        ignored: NDArray[np.int64] | None = None,
        types: Iterable[str] = (),
    ) -> None:
        """Add one micro-batch: all its coordinates, those of three fates, codes of the fourth.

        `lines` are single lines of records that were not taken, by code; `ignored` are coordinates
        of records that were ignored, and `types` their event types.
        """
        every = _by_partition(coordinates)
        fates = {
            "accepted": every if len(accepted) == len(coordinates) else _by_partition(accepted),
            "duplicate": _by_partition(duplicate),
            "late": _by_partition(late),
            "ignored": {} if ignored is None else _by_partition(ignored),
        }
        for partition, consumed in every.items():
            counts = self.partitions.setdefault(str(partition), PartitionCounts())
            by_fate = {name: fate.get(partition, 0) for name, fate in fates.items()}
            mine = coordinates
            if len(every) > 1:
                mine = coordinates[coordinates >> OFFSET_BITS == partition]
            counts.pass_over(mine & (1 << OFFSET_BITS) - 1)
            counts.consumed += consumed
            counts.accepted += by_fate["accepted"]
            counts.duplicate += by_fate["duplicate"]
            counts.late += by_fate["late"]
            counts.ignored += by_fate["ignored"]
            counts.rejected += consumed - sum(by_fate.values())
        for code in rejected:
            self.rejected[code] = self.rejected.get(code, 0) + 1
        for code, count in lines.items():
            self.lines[code] = self.lines.get(code, 0) + count
        for kind in types:
            self._ignore(kind)

    def _ignore(self, kind: str) -> None:
        name = "".join(c if c.isprintable() else "?" for c in kind[:_TYPE_LENGTH])
        if name not in self.ignored and len(self.ignored) >= _TYPES:
            name = OTHER_TYPES
        self.ignored[name] = self.ignored.get(name, 0) + 1

    def records(self, lineage: Lineage | None = None, epoch: int = 0) -> list[tuple[bytes, bytes]]:
        """Return keys and values for the metrics topic; many partitions take several records.

        Each record counts partitions of its own, and the first one the codes: they add up.
        `epoch` is that of the submission's lease.
        """
        names = sorted(self.partitions, key=int)
        first, *rest = [
            {name: self.partitions[name] for name in names[at : at + _PARTITIONS_A_RECORD]}
            for at in range(0, max(len(names), 1), _PARTITIONS_A_RECORD)
        ]
        told = AccountingRecord(self.kind, self.bucket, first, self.rejected, self.generated_at)
        if lineage is not None:
            told.lineage, told.began = lineage.id, self.lineage
            told.since, told.buckets = lineage.since, lineage.buckets
        told.epoch, told.lines, told.ignored = epoch, self.lines, self.ignored
        empty: dict[str, int] = {}
        parts = [
            told,
            *(
                replace(told, partitions=part, rejected=empty, lines=empty, ignored=empty)
                for part in rest
            ),
        ]
        key = b"accounting/%d" % self.bucket
        return [
            (b"%s/%d" % (key, n) if n else key, msgspec.json.encode(part))
            for n, part in enumerate(parts)
        ]

    def to_state(self) -> bytes:
        """Return the sealed value kept in state (magic `AU`, version 5: the JSON)."""
        return seal(MAGIC, VERSION, msgspec.json.encode(self))

    @classmethod
    def from_state(cls, value: bytes) -> "Accounting":
        """Read what `to_state` wrote.

        Raises
        ------
        StateError
            If the value is damaged or of an unknown version.
        """
        _, payload = open_sealed(value, MAGIC, READ_VERSIONS, "accounting of a user bucket")
        return json_codec.decode(bytes(payload), cls, "accounting of a user bucket")


class AccountingRecord(Accounting, omit_defaults=True):
    """An accounting as the metrics topic has it; `lineage` is then the job's, of now."""

    began: str = ""
    """Lineage of the job that began to count: what is left of its records belongs to this one."""
    since: int = 0
    """When the lineage began, ms since 1970; 0 where it has no name."""
    buckets: int = 0
    """User buckets of the job."""
    epoch: int = 0
    """Of the submission's lease, above those of all before it; 0 where it is not known."""


def _by_partition(coordinates: NDArray[np.int64]) -> dict[int, int]:
    if not len(coordinates):
        return {}
    counts = np.bincount(coordinates >> OFFSET_BITS)
    return {partition: n for partition, n in enumerate(counts.tolist()) if n}
