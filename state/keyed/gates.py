"""Users of a bucket that are not taken as others are, and commands that were carried out.

One sealed value a bucket (magic `UG`, version 1): MessagePack, arrays in the order of the fields.
Users are known by their keys, never by their ids.
"""

import msgspec

from state.codec.sealed import RESTORE, CorruptError, open_sealed, seal

MAGIC = b"UG"
VERSION = 1
READ_VERSIONS = (1,)
_WHERE = "gates of a user bucket"


class Gates(msgspec.Struct, array_like=True):
    """What is kept of a bucket."""

    forgotten: dict[int, int] = {}
    """Processing time of the command, ms, by the user's key: nothing of them is taken."""
    blocked: dict[int, int] = {}
    """The same of users who are served, and teach nobody."""
    commands: list[tuple[str, int]] = []
    """Id and hash of the last commands."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Gates).decode


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
        return Gates({}, {}, [])
    _, payload = open_sealed(value, MAGIC, READ_VERSIONS, _WHERE)
    try:
        return _decode(payload)
    except msgspec.MsgspecError as error:
        raise CorruptError(f"{_WHERE}: expected MessagePack, got {error}; {RESTORE}") from None
