"""What operators switch for the whole job, among the accepted events (magic `SW`, version 1).

MessagePack, an array in the order of the fields below. Broadcast state keeps the newest of each
name in the same bytes.
"""

from typing import Any

import msgspec

from state.codec.msgpack_codec import open_value
from state.codec.sealed import seal

MAGIC = b"SW"
VERSION = 1
READ_VERSIONS = (1,)
PAUSED = "paused"
"""Name of the switch that lets nobody learn."""
BLOCKED, SETTING = "blocked/", "setting/"
"""Begin the names of switches of items, and of keys of the configuration."""


class Switch(msgspec.Struct, array_like=True, frozen=True):
    """A switch as one command left it."""

    origin: int
    """Of the job, see `models.keys.origin_of`."""
    name: str
    value: Any
    """True or False; of a setting what it is set to, None for what the file says."""
    at: int
    """When the command was written, ms."""
    order: int
    """Place of the command among those of one time."""

    def follows(self, other: "Switch | None") -> bool:
        """Return whether this one is newer."""
        return other is None or (self.at, self.order) > (other.at, other.order)


_encode = msgspec.msgpack.Encoder().encode


def is_one(value: bytes) -> bool:
    """Return whether a value is of this kind, as its first bytes say."""
    return value[: len(MAGIC)] == MAGIC


def encode(switch: Switch) -> bytes:
    """Return the sealed value."""
    return seal(MAGIC, VERSION, _encode(switch))


def decode(value: bytes) -> Switch:
    """Read what `encode` wrote.

    Raises
    ------
    StateError
        If the bytes are damaged or of an unknown version.
    """
    return open_value(value, MAGIC, READ_VERSIONS, Switch, "switch of the job")
