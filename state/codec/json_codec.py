"""JSON that comes from a topic, a folder or a store: decoded in one way, with one error."""

import re
from typing import Annotated, Any, TypeVar

import msgspec

from state.codec.sealed import RESTORE, CorruptError

Count = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
"""A number from 0 that fits into 64 bits."""

_T = TypeVar("_T")
_QUOTED = re.compile("Invalid enum value .*(?= - at )", re.DOTALL)


def decode(
    data: bytes | None,
    kind: type[_T],
    where: str,
    *,
    expected: str = "its fields",
    remedy: str = RESTORE,
) -> _T:
    """Return the value in JSON bytes, checked against a type.

    Parameters
    ----------
    data : bytes or None
        Anything at all; None is no JSON.
    kind : type
        What msgspec can check.
    where, expected, remedy : str
        For the message: what is read, what it should be, what to do.

    Raises
    ------
    CorruptError
        Whatever is wrong with the bytes: no UTF-8, no JSON, other fields, too deep.
    """
    try:
        return msgspec.json.decode(data or b"", type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        # a UnicodeDecodeError is a ValueError and no MsgspecError
        raise CorruptError(f"{where}: expected {expected}, got: {_told(error)}; {remedy}") from None


def decode_object(data: bytes | None, where: str, *, remedy: str = RESTORE) -> dict[str, Any]:
    """Return a JSON object of any fields; see `decode`."""
    return decode(data, dict[str, Any], where, expected="a JSON object", remedy=remedy)


def _told(error: Exception) -> str:
    """Return what is wrong, without the value: it may be somebody's id in the wrong field."""
    return _QUOTED.sub("another value", str(error))[:300]
