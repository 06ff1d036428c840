"""Users of a bucket that are not taken as others are, and commands that were carried out.

One sealed value a bucket (magic `UG`, version 2): MessagePack, arrays in the order of the fields.
Users are known by their keys; what they are called is there while a guest waits to be merged, and
of whom guests were merged with. Version 1 ends with `lifted`.
"""

from collections.abc import Iterable

import msgspec

from models.keys import key_of
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
    made_by: int = 0
    """Stands for the key of pseudonyms, see `state.users.names.Names`."""


_MOST_GUESTS = 1_000
"""Guests of a user that are remembered."""


def adopt(gates: Gates, key: int, guests: Iterable[int]) -> None:
    """Note guests of a user: they are forgotten with the user."""
    known = gates.merged.get(key, [])
    gates.merged[key] = list(dict.fromkeys((*known, *guests)))[-_MOST_GUESTS:]


def leave(gates: Gates, key: int, left: Left) -> None:
    """Note with whom a guest was merged; the command that was written last holds."""
    known = gates.left.pop(key, left)
    gates.left[key] = max(left, known, key=lambda one: (one.at, one.order))
    if len(gates.left) > _MOST_GUESTS:
        del gates.left[next(iter(gates.left))]


def rename(gates: Gates, former: str, name: str) -> bool:
    """Let what is kept of a user by a former name hold for another one; return whether any did.

    Of what is kept by both the newer holds. What others may still ask for by the former name,
    such as whether it is forgotten, stays there as well.
    """
    old, key = key_of(former), key_of(name)
    before = _of(gates, key)
    for dates in (gates.forgotten, gates.blocked):
        if old in dates:
            dates[key] = max(dates[old], dates.get(key, 0))
    if old in gates.lifted:
        pairs = zip(gates.lifted[old], gates.lifted.get(key, (-1, -1)), strict=True)
        since, readmitted = map(max, pairs)
        gates.lifted[key] = since, readmitted
    if old in gates.left and gates.left.get(key) != gates.left[old]:
        leave(gates, key, gates.left[old])
    guests, waiting = gates.merged.pop(old, []), [w for w in gates.merging if w.guest == former]
    if guests:
        adopt(gates, key, guests)
    for one in waiting:
        one.guest = name
    return bool(guests or waiting) or _of(gates, key) != before


def _of(gates: Gates, key: int) -> list[object]:
    """Return what is kept by a key, but for guests."""
    return [one.get(key) for one in (gates.forgotten, gates.blocked, gates.lifted, gates.left)]


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
        return Gates({}, {}, [], {}, {}, [], [], {}, 0)
    return open_value(value, MAGIC, READ_VERSIONS, Gates, "gates of a user bucket")
