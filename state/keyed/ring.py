"""Blocks of training events, the ring's and the reservoir's (magic `RB`).

Payload of version 1, little-endian: n as u64, then the columns user (u64), item (u64) and time
(i64, ms), n of each: 8 + 24 n bytes. In version 2, of blocks with ratings, the column value (f32)
follows: 8 + 28 n bytes. Blocks without ratings are written as version 1.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from state.codec.sealed import corrupt, open_sealed, seal

MAGIC = b"RB"
VERSION = 2
READ_VERSIONS = (1, 2)
_WITHOUT_VALUES = 1
_WHERE = "block of training events"


@dataclass(slots=True)
class Block:
    """Columns of n events in the order in which they were accepted."""

    user: NDArray[np.uint64]
    item: NDArray[np.uint64]
    time: NDArray[np.int64]
    value: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32))
    """Ratings, one an event, or none at all."""

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.user)

    @property
    def values(self) -> NDArray[np.float32]:
        """A value an event: NaN where there are none."""
        return self.value if len(self.value) else np.full(len(self), np.nan, np.float32)

    def take(self, rows: NDArray[np.bool_] | slice) -> "Block":
        """Return some of the events."""
        value = self.value[rows] if len(self.value) else self.value
        return Block(self.user[rows], self.item[rows], self.time[rows], value)

    @classmethod
    def joined(cls, *blocks: "Block") -> "Block":
        """Return the events of several blocks; with values where one of them has some."""
        valued = any(len(block.value) for block in blocks)
        return cls(
            np.concatenate([block.user for block in blocks]),
            np.concatenate([block.item for block in blocks]),
            np.concatenate([block.time for block in blocks]),
            np.concatenate([block.values if valued else block.value for block in blocks]),
        )


def encode(block: Block) -> bytes:
    """Return the sealed bytes."""
    head = np.array([len(block)], "<u8").tobytes()
    columns = (block.user.astype("<u8"), block.item.astype("<u8"), block.time.astype("<i8"),
               block.value.astype("<f4"))  # fmt: skip
    version = VERSION if len(block.value) else _WITHOUT_VALUES
    return seal(MAGIC, version, b"".join([head, *(column.tobytes() for column in columns)]))


def decode(data: bytes) -> Block:
    """Read what `encode` wrote.

    Raises
    ------
    StateError
        If the bytes are damaged or of an unknown version.
    """
    version, payload = open_sealed(data, MAGIC, READ_VERSIONS, _WHERE)
    if len(payload) < 8:
        raise corrupt(_WHERE, "8 bytes or more", len(payload))
    n = int(np.frombuffer(payload, "<u8", 1)[0])
    valued = n if version == VERSION else 0
    size = 8 + 24 * n + 4 * valued
    if len(payload) != size:
        raise corrupt(_WHERE, f"{size} bytes by its count", len(payload))
    return Block(
        np.frombuffer(payload, "<u8", n, 8).copy(),
        np.frombuffer(payload, "<u8", n, 8 + 8 * n).copy(),
        np.frombuffer(payload, "<i8", n, 8 + 16 * n).copy(),
        np.frombuffer(payload, "<f4", valued, 8 + 24 * n).copy(),
    )
