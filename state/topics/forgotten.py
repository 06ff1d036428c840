"""Users to forget, among the accepted events (magic `FU`): what every worker and learn-items obey.

Payload, little-endian: the origin (u64, see `models.keys.origin_of`), a name (u64), by which what
comes twice is known, then a key (u64) a user. Nothing in it is an id.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from state.codec.sealed import HEADER, SKIP, corrupt, open_sealed, seal

MAGIC = b"FU"
VERSION = 1
READ_VERSIONS = (1,)
_WHERE = "users to forget"
_HEAD = 16


class Forgotten(NamedTuple):
    """Users whose sequences are to be forgotten."""

    origin: int
    name: int
    """The same however often it is told."""
    users: Sequence[int]
    """Keys."""


def most_users(room: int) -> int:
    """Return how many users fit into a value of so many bytes."""
    return max(1, (room - HEADER.size - _HEAD) // 8)


def is_one(value: bytes) -> bool:
    """Return whether a value is of this kind, as its first bytes say."""
    return value[: len(MAGIC)] == MAGIC


def encode(told: Forgotten) -> bytes:
    """Return the sealed value."""
    numbers = np.array([told.origin, told.name, *told.users], "<u8")
    return seal(MAGIC, VERSION, numbers.tobytes())


def decode(value: bytes) -> Forgotten:
    """Read what `encode` wrote.

    Raises
    ------
    StateError
        If the bytes are damaged or of an unknown version.
    """
    _, payload = open_sealed(value, MAGIC, READ_VERSIONS, _WHERE, SKIP)
    if len(payload) < _HEAD or len(payload) % 8:
        raise corrupt(_WHERE, "a multiple of 8 bytes, 16 or more", len(payload))
    origin, name, *users = np.frombuffer(payload, "<u8").tolist()
    return Forgotten(origin, name, users)
