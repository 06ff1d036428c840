"""Users of a bucket that are not taken as others are, and commands that were carried out.

One sealed value a bucket (magic `UG`, version 2): MessagePack, arrays in the order of the fields.
Users are known by their keys; their ids are there only while a guest waits to be merged. Version 1
has neither `merged` nor `merging`.
"""

import msgspec

from state.codec.msgpack_codec import open_value
from state.codec.sealed import seal

MAGIC = b"UG"
VERSION = 2
READ_VERSIONS = (1, 2)


class Waiting(msgspec.Struct, array_like=True):
    """A guest who is to be merged with a user once all that came before is learnt."""

    id: bytes
    """Of the command."""
    guest: str
    user: str
    at: int
    """When the command was written, ms."""


class Gates(msgspec.Struct, array_like=True):
    """What is kept of a bucket."""

    forgotten: dict[int, int] = {}
    """When the command was written, ms, by the user's key: nothing of them is taken."""
    blocked: dict[int, int] = {}
    """The same of users who are served, and teach nobody."""
    commands: list[tuple[int, int]] = []
    """Hashes of the ids and of the contents of the last commands."""
    lifted: dict[int, tuple[int, int]] = {}
    """Of users who were readmitted: when the commands to forget and to readmit were written.
    Records from before the former are not taken, whenever they are read."""
    merged: dict[int, list[int]] = {}
    """Guests that a user has taken over: they are forgotten with the user."""
    merging: list[Waiting] = []


_encode = msgspec.msgpack.Encoder().encode


def encode(gates: Gates) -> bytes:
    """Return the value kept in state."""
    return seal(MAGIC, VERSION, _encode(gates))


def decode(value: bytes | None) -> Gates:
    """Read what `encode` wrote; None is a bucket without any.

    Raises
    ------
    StateError
        If the value is damaged or of an unknown version.
    """
    if value is None:
        return Gates({}, {}, [], {}, {}, [])
    return open_value(value, MAGIC, READ_VERSIONS, Gates, "gates of a user bucket")
