"""One micro-batch of raw records, as SQL collects them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Command(NamedTuple):
    """A record of the topic `control`."""

    key: bytes | None
    value: bytes | None
    coordinate: int
    published: int
    """When it was written, ms since 1970."""


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """Raw records of one user bucket, in the order of consumption, N of them."""

    bucket: int
    keys: Sequence[bytes | None]
    """(N,) record keys."""
    values: Sequence[bytes | None]
    """(N,) record values."""
    coordinates: Sequence[int]
    """(N,) partition and offset of each record, see `models.columns.events.OFFSET_BITS`; negative
    for commands."""
    published: Sequence[int]
    """(N,) times of the records in the source topic, ms since 1970."""

    def split(self) -> "tuple[list[Command], MicroBatch]":
        """Return the commands that came with the records, and the records alone."""
        if min(self.coordinates, default=0) >= 0:
            return [], self
        rows = list(zip(self.keys, self.values, self.coordinates, self.published, strict=True))
        commands = [Command(*row) for row in rows if row[2] < 0]
        records = [row for row in rows if row[2] >= 0]
        keys, values, coordinates, published = zip(*records, strict=True) if records else 4 * ((),)
        return commands, MicroBatch(self.bucket, keys, values, coordinates, published)

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.values)
