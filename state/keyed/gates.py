"""Users of a bucket that are not taken as others are, and commands that were carried out.

One sealed value a bucket (magic `UG`, version 2): MessagePack, arrays in the order of the fields.
Users are known by their keys; what they are called is there while a guest waits to be merged, and
of whom guests were merged with. Version 1 ends with `lifted`.
"""

from typing import Any

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
    order: int = 0
    """Of commands that were written at one time."""
    route: str = ""
    """An id in the user's bucket; "" where `user` is one."""
    formers: list[int] = []
    """Keys that the user may have had before."""


class Left(msgspec.Struct, array_like=True):
    """With whom a guest was merged a short time ago, by which command."""

    user: str
    at: int
    order: int
    route: str
    formers: list[int]
    since: int
    """When the guest was merged, processing time, ms."""


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
    taken: list[int] = []
    """Hashes of the names of what guests have left that was taken last."""
    left: dict[int, Left] = {}
    """Guests who were merged last, by their keys: what is on its way to them is theirs no more."""


def rename(gates: Gates, former: int, key: int) -> bool:
    """Let what is kept of a user by a former key be kept by another; return whether there is any.

    Of what is kept by both the newer one holds.
    """
    found = [one for one in _by_key(gates) if former in one]
    for dates in (gates.forgotten, gates.blocked):
        if former in dates:
            dates[key] = max(dates.pop(former), dates.get(key, 0))
    if former in gates.lifted:
        pairs = gates.lifted.pop(former), gates.lifted.get(key, (-1, -1))
        gates.lifted[key] = max(pairs[0][0], pairs[1][0]), max(pairs[0][1], pairs[1][1])
    if former in gates.merged:
        gates.merged[key] = [*gates.merged.get(key, []), *gates.merged.pop(former)]
    if former in gates.left:
        left = gates.left.pop(former)
        gates.left.setdefault(key, left)
    return bool(found)


def _by_key(gates: Gates) -> list[dict[int, Any]]:
    return [gates.forgotten, gates.blocked, gates.lifted, gates.merged, gates.left]


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
        return Gates({}, {}, [], {}, {}, [], [], {})
    return open_value(value, MAGIC, READ_VERSIONS, Gates, "gates of a user bucket")
