"""One micro-batch of raw records, as SQL collects them."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """Raw records of one user bucket, in the order of consumption, N of them."""

    bucket: int
    keys: Sequence[bytes | None]
    """(N,) record keys."""
    values: Sequence[bytes | None]
    """(N,) record values."""
    coordinates: Sequence[int]
    """(N,) partition and offset of each record, see `models.columns.events.OFFSET_BITS`."""
    published: Sequence[int]
    """(N,) times of the records in the source topic, ms since 1970."""

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.values)
