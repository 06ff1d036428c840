"""Sealed bytes: a header in front of every stored value, checked before anything is believed.

Flink neither checks the schema of Python state at a restore nor checksums what it restores, so
each value carries its own proof.

====== ===== ============ =================================================================
offset bytes field        holds
====== ===== ============ =================================================================
0      2     magic        what kind of value it is, two ASCII letters
2      2     version      layout of the payload, 1 ..
4      4     length       bytes of the payload
8      4     crc          CRC-32 of the payload, started from bytes 0 to 3 as a number
12     …     payload      see the module of the magic
====== ===== ============ =================================================================

All numbers are little-endian. Starting the CRC from magic and version makes a flipped bit there
as visible as one in the payload.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

HEADER = struct.Struct("<2sHII")
RESTORE = "restore the job from an older savepoint or checkpoint whose manifest verifies"
"""What to do about a damaged value in state."""
SKIP = "skip the record and look for who else writes to the topic"
"""What to do about a damaged value in a topic of the loop."""
_UPGRADE = "run the release that wrote it, or a newer one"


class StateError(ValueError):
    """A stored value cannot be used; the message says what the operator does about it."""


class BadMagicError(StateError):
    """The value is of another kind."""


class UnknownVersionError(StateError):
    """The value has a layout that this release does not read."""


class TruncatedError(StateError):
    """The value is shorter or longer than it says."""


class CorruptError(StateError):
    """The value's bytes are not those that were written."""


class IncompatibleError(StateError):
    """The value is sound, but the configuration does not fit it."""


class ForeignError(StateError):
    """The value is sound, but somebody else's."""


@dataclass(slots=True)
class Payloads:
    """Payloads of m verified values, side by side in one buffer."""

    buffer: NDArray[np.uint8]
    start: NDArray[np.int64]
    """(m,) where each payload begins."""
    length: NDArray[np.int64]
    """(m,) bytes of each payload."""
    version: NDArray[np.int64]
    """(m,)"""


def seal(magic: bytes, version: int, payload: bytes | memoryview) -> bytes:
    """Return the payload behind its header.

    >>> open_sealed(seal(b"XX", 1, b"abc"), b"XX", (1,), "example")[1].tobytes()
    b'abc'
    """
    crc = crc32(payload, _crc_start(magic, version))
    return b"".join((HEADER.pack(magic, version, len(payload), crc), payload))


def seal_all(
    magic: bytes, version: int, buffer: NDArray[np.uint8], bounds: NDArray[np.int64]
) -> list[bytes]:
    """Return m sealed values; payload i is `buffer[bounds[i]:bounds[i + 1]]`.

    Parameters
    ----------
    bounds : int64[m + 1]
    """
    view, pack, start = memoryview(buffer.data), HEADER.pack, _crc_start(magic, version)
    edges = bounds.tolist()
    return [
        pack(magic, version, end - begin, crc32(view[begin:end], start)) + view[begin:end]
        for begin, end in pairwise(edges)
    ]


def open_sealed(
    data: bytes, magic: bytes, versions: Sequence[int], where: str, remedy: str = RESTORE
) -> tuple[int, memoryview]:
    """Return version and payload of a sealed value.

    Parameters
    ----------
    data : bytes
        What `seal` returned.
    magic : bytes
        The kind that is expected.
    versions : sequence of int
        The layouts the caller can read, without a gap.
    where : str
        Names the value in error messages.
    remedy : str
        What to do about a damaged one.

    Raises
    ------
    StateError
        Truncated, bad magic, unknown version or corrupt, looked for in this order.
    """
    if len(data) < HEADER.size:
        raise TruncatedError(
            f"{where}: expected {HEADER.size} bytes or more, got {len(data)}; {remedy}"
        )
    found, version, length, crc = HEADER.unpack_from(data)
    if found != magic:
        raise BadMagicError(f"{where}: expected magic {magic!r}, got {found!r}; {remedy}")
    if version not in versions:
        raise UnknownVersionError(
            f"{where}: expected layout version {' or '.join(map(str, versions))}, "
            f"got {version}; {_UPGRADE}"
        )
    payload = memoryview(data)[HEADER.size :]
    if length != len(payload):
        raise TruncatedError(
            f"{where}: expected a payload of {length} bytes, got {len(payload)}; {remedy}"
        )
    if crc32(payload, _crc_start(magic, version)) != crc:
        raise CorruptError(f"{where}: expected CRC-32 {crc:08x}, got another; {remedy}")
    return version, payload


def open_all(
    values: Sequence[bytes],
    magic: bytes,
    versions: Sequence[int],
    where: Callable[[int], str],
) -> Payloads:
    """Verify m sealed values at once and lay them side by side.

    Parameters
    ----------
    values : sequence of bytes, length m
    magic, versions
        See `open_sealed`.
    where : function of int
        Names the value at an index in error messages.

    Raises
    ------
    StateError
        See `open_sealed`; raised for the first value that is not as it should be.
    """
    unpack, head = HEADER.unpack_from, HEADER.size
    starts = {version: _crc_start(magic, version) for version in versions}
    found = []
    for n, value in enumerate(values):
        whole = len(value) >= head
        kind, version, length, crc = unpack(value) if whole else (b"", 0, 0, 0)
        sound = kind == magic and version in starts and length == len(value) - head
        if not sound or crc32(memoryview(value)[head:], starts[version]) != crc:
            open_sealed(value, magic, versions, where(n))
        found.append((length, version))
    length, version = np.array(found, np.int64).reshape(-1, 2).T.copy()
    buffer = np.frombuffer(bytearray().join(values), np.uint8)
    return Payloads(buffer, np.cumsum(length + head) - length, length, version)


def corrupt(where: str, expected: str, got: object, remedy: str = RESTORE) -> CorruptError:
    """Return the error for a payload that passed its CRC and still makes no sense."""
    return CorruptError(f"{where}: expected {expected}, got {got}; {remedy}")


def incompatible_factors(where: str, expected: int, got: int) -> IncompatibleError:
    """Return the error for factors of another length than the configuration's."""
    return IncompatibleError(
        f"{where}: expected {expected} factors, got {got}; set the model's factors back to {got}, "
        "and the model to the one that wrote them, or start without the state"
    )


def incompatible_variances(where: str, expected: int, got: int) -> IncompatibleError:
    """Return the error for variances where the configured model has others, or none."""
    wrote = "ekf" if got else "sgd, or objective ranking"
    return IncompatibleError(
        f"{where}: expected {expected} variances, got {got}; set learning.rating.model back to what"
        f" wrote them ({wrote}), or start without the state"
    )


@cache
def _crc_start(magic: bytes, version: int) -> int:
    """Return what the CRC of a payload is started from."""
    return int.from_bytes(magic, "little") | version << 16
