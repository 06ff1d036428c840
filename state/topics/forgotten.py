"""Users to forget, among the accepted events (magic `FU`): what every worker and learn-items obey.

Payload, little-endian: the origin (u64, see `models.keys.origin_of`), then a key (u64) a user.
Nothing in it is an id.
"""

import numpy as np
from numpy.typing import NDArray

from state.codec.sealed import SKIP, corrupt, open_sealed, seal

MAGIC = b"FU"
VERSION = 1
READ_VERSIONS = (1,)
_WHERE = "users to forget"


def is_one(value: bytes) -> bool:
    """Return whether a value is of this kind, as its first bytes say."""
    return value[: len(MAGIC)] == MAGIC


def encode(origin: int, users: list[int]) -> bytes:
    """Return the sealed value for the keys of users."""
    return seal(MAGIC, VERSION, np.array([origin, *users], "<u8").tobytes())


def decode(value: bytes) -> tuple[int, NDArray[np.uint64]]:
    """Return the origin and the keys of users.

    Raises
    ------
    StateError
        If the bytes are damaged or of an unknown version.
    """
    _, payload = open_sealed(value, MAGIC, READ_VERSIONS, _WHERE, SKIP)
    if len(payload) < 8 or len(payload) % 8:
        raise corrupt(_WHERE, "a multiple of 8 bytes", len(payload))
    numbers = np.frombuffer(payload, "<u8").astype(np.uint64)
    return int(numbers[0]), numbers[1:]
