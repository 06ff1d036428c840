"""Blocks of training events, the ring's and the reservoir's (magic `RB`).

Payload of version 1, little-endian: n as u64, then the columns user (u64), item (u64) and time
(i64, ms), n of each: 8 + 24 n bytes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from state.codec import corrupt, open_sealed, seal

MAGIC = b"RB"
VERSION = 1
READ_VERSIONS = (1,)
_WHERE = "block of training events"


@dataclass(slots=True)
class Block:
    """Columns of n events in the order in which they were accepted."""

    user: NDArray[np.uint64]
    item: NDArray[np.uint64]
    time: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.user)

    def take(self, rows: NDArray[np.bool_] | slice) -> "Block":
        """Return some of the events."""
        return Block(self.user[rows], self.item[rows], self.time[rows])

    @classmethod
    def joined(cls, *blocks: "Block") -> "Block":
        """Return the events of several blocks."""
        return cls(
            np.concatenate([block.user for block in blocks]),
            np.concatenate([block.item for block in blocks]),
            np.concatenate([block.time for block in blocks]),
        )


def encode(block: Block) -> bytes:
    """Return the sealed bytes."""
    head = np.array([len(block)], "<u8").tobytes()
    columns = (block.user.astype("<u8"), block.item.astype("<u8"), block.time.astype("<i8"))
    return seal(MAGIC, VERSION, b"".join([head, *(column.tobytes() for column in columns)]))


def decode(data: bytes) -> Block:
    """Read what `encode` wrote.

    Raises
    ------
    StateError
        If the bytes are damaged or of an unknown version.
    """
    _, payload = open_sealed(data, MAGIC, READ_VERSIONS, _WHERE)
    if len(payload) < 8:
        raise corrupt(_WHERE, "8 bytes or more", len(payload))
    n = int(np.frombuffer(payload, "<u8", 1)[0])
    if len(payload) != 8 + 24 * n:
        raise corrupt(_WHERE, f"{8 + 24 * n} bytes by its count", len(payload))
    return Block(
        np.frombuffer(payload, "<u8", n, 8).copy(),
        np.frombuffer(payload, "<u8", n, 8 + 8 * n).copy(),
        np.frombuffer(payload, "<i8", n, 8 + 16 * n).copy(),
    )
