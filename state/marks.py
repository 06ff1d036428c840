"""What item rows contain, as bytes (magic `MK`): see `models.items.marks`.

Payload of version 1, little-endian: buckets B and partitions P as u32 each, then B P coordinates
(i64), -1 for none: 8 + 8 B P bytes. A value of learn-items' state, and part of each chunk.
"""

import numpy as np
from numpy.typing import NDArray

from state.codec import corrupt, open_sealed, seal

MAGIC = b"MK"
VERSION = 1
READ_VERSIONS = (1,)
_WHERE = "marks of item rows"
_MOST = 1 << 15


def encode(marks: NDArray[np.int64]) -> bytes:
    """Return the sealed bytes of marks (buckets, partitions)."""
    head = np.array(marks.shape, "<u4").tobytes()
    return seal(MAGIC, VERSION, head + np.ascontiguousarray(marks, "<i8").tobytes())


def decode(data: bytes) -> NDArray[np.int64]:
    """Read what `encode` wrote.

    Raises
    ------
    StateError
        If the bytes are damaged, of an unknown version or of a size that cannot be.
    """
    _, payload = open_sealed(data, MAGIC, READ_VERSIONS, _WHERE)
    if len(payload) < 8:
        raise corrupt(_WHERE, "8 bytes or more", len(payload))
    buckets, partitions = np.frombuffer(payload, "<u4", 2).tolist()
    if max(buckets, partitions) > _MOST or len(payload) != 8 + 8 * buckets * partitions:
        told = f"marks of {buckets} buckets and {partitions} partitions"
        raise corrupt(_WHERE, told, "others")
    marks = np.frombuffer(payload, "<i8", buckets * partitions, 8)
    return marks.reshape(buckets, partitions).copy()
