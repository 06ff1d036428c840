"""MessagePack that is kept in state, sealed: decoded in one way, with one error."""

from typing import TypeVar

import msgspec

from state.codec.sealed import RESTORE, CorruptError, open_sealed

_T = TypeVar("_T")


def open_value(
    data: bytes, magic: bytes, versions: tuple[int, ...], kind: type[_T], where: str
) -> _T:
    """Return what a sealed value holds, checked against a type.

    Raises
    ------
    StateError
        If the value is damaged or of an unknown version.
    """
    _, payload = open_sealed(data, magic, versions, where)
    try:
        return msgspec.msgpack.decode(payload, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise CorruptError(f"{where}: expected MessagePack, got {error}; {RESTORE}") from None
