"""What is known of an item besides behaviour, as broadcast state keeps it (magic `IF`, version 1).

MessagePack: scope, categories, and attributes with their values.
"""

import msgspec

from models.catalogue.catalogue import Facts
from state.codec.msgpack_codec import open_value
from state.codec.sealed import seal

MAGIC = b"IF"
VERSION = 1
READ_VERSIONS = (1,)


class _Kept(msgspec.Struct, array_like=True):
    scope: str = ""
    categories: list[str] = []
    attributes: list[tuple[str, str]] = []


_encode = msgspec.msgpack.Encoder().encode


def encode(facts: Facts) -> bytes:
    """Return the value kept in state."""
    return seal(MAGIC, VERSION, _encode(list(facts)))


def decode(value: bytes) -> Facts:
    """Read what `encode` wrote.

    Raises
    ------
    StateError
        If the value is damaged or of an unknown version.
    """
    kept = open_value(value, MAGIC, READ_VERSIONS, _Kept, "description of an item")
    return Facts(kept.scope, tuple(kept.categories), tuple(kept.attributes))
