"""Marks of item rows as bytes (magic `MK`): see `models.index.marks`.

Payload of version 2, little-endian:

========== ===== ===== ==========================================================================
field      type  count holds
========== ===== ===== ==========================================================================
buckets    u32   1     B, up to the last one with a coordinate
partitions u32   1     P, up to the last one with a coordinate
newest     i64   P     newest coordinate of each partition
behind     …     B P   by bucket and partition: 0 for no coordinate, else 1 + how far it is behind
                       the newest, as LEB128: 7 bits a byte, lowest first, 128 added to all but
                       the last
========== ===== ===== ==========================================================================

About two bytes a bucket and partition, as the buckets of a partition are close together: 16 KB with
256 buckets and 32 partitions, 131 KB with 1,024 and 64. Version 1 had the B P coordinates
themselves (i64), -1 for none. A value of learn-items' state, and part of each chunk.
"""

import numpy as np
from numpy.typing import NDArray

from models.items.applied import used
from state.codec.sealed import corrupt, open_sealed, seal

MAGIC = b"MK"
VERSION = 2
READ_VERSIONS = (1, 2)
_WHERE = "marks of item rows"
_MOST = 1 << 15
_LONGEST = 10
"""Bytes of the longest number."""


def encode(marks: NDArray[np.int64]) -> bytes:
    """Return the sealed bytes of marks (buckets, partitions)."""
    marks = used(marks)
    newest = marks.max(axis=0, initial=-1)
    behind = np.where(marks < 0, 0, 1 + newest - marks)
    head = np.array(marks.shape, "<u4").tobytes()
    return seal(MAGIC, VERSION, head + newest.astype("<i8").tobytes() + _packed(behind.ravel()))


def decode(data: bytes) -> NDArray[np.int64]:
    """Read what `encode` wrote.

    Raises
    ------
    StateError
        If the bytes are damaged, of an unknown version or of a size that cannot be.
    """
    version, payload = open_sealed(data, MAGIC, READ_VERSIONS, _WHERE)
    if len(payload) < 8:
        raise corrupt(_WHERE, "8 bytes or more", len(payload))
    buckets, partitions = np.frombuffer(payload, "<u4", 2).tolist()
    least = 8 * partitions + buckets * partitions if version > 1 else 8 * buckets * partitions
    whole = len(payload) >= 8 + least and (version > 1 or len(payload) == 8 + least)
    if max(buckets, partitions) > _MOST or not whole:
        told = f"marks of {buckets} buckets and {partitions} partitions"
        raise corrupt(_WHERE, told, "others")
    if version == 1:
        marks = np.frombuffer(payload, "<i8", buckets * partitions, 8)
        return marks.reshape(buckets, partitions).astype(np.int64)
    newest = np.frombuffer(payload, "<i8", partitions, 8).astype(np.int64)
    packed = np.frombuffer(payload, np.uint8, -1, 8 + 8 * partitions)
    behind = _unpacked(packed, buckets * partitions).reshape(buckets, partitions)
    if (behind > newest + 1).any():
        raise corrupt(_WHERE, "coordinates from 0", "others")
    return np.where(behind == 0, -1, newest - behind + 1)


def _packed(numbers: NDArray[np.int64]) -> bytes:
    """Return numbers from 0 as LEB128."""
    length = np.ones(len(numbers), np.int64)
    for place in range(1, _LONGEST - 1):
        length += numbers >> 7 * place > 0
    end = np.cumsum(length)
    found = np.empty(end[-1] if len(end) else 0, np.uint8)
    for place in range(int(length.max(initial=0))):
        some = length > place
        more = np.where(length[some] > place + 1, 128, 0)
        found[end[some] - length[some] + place] = (numbers[some] >> 7 * place & 127) | more
    return found.tobytes()


def _unpacked(packed: NDArray[np.uint8], count: int) -> NDArray[np.int64]:
    """Return the numbers in LEB128; refuse others than so many, and any beyond 63 bits."""
    end = np.flatnonzero(packed < 128)
    length = np.diff(end, prepend=-1)
    sound = len(end) == count and (not len(packed) or packed[-1] < 128)
    if not sound or length.max(initial=0) >= _LONGEST:
        raise corrupt(_WHERE, f"{count} numbers", "others")
    found = np.zeros(count, np.int64)
    for place in range(int(length.max(initial=0))):
        some = length > place
        at = end[some] - length[some] + 1 + place
        found[some] |= (packed[at] & 127).astype(np.int64) << 7 * place
    return found
