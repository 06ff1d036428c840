"""A record's value as a JSON document: sound in every byte, an object, not nested too deeply."""

import json
from typing import Any

import msgspec

from models.compiled import compiled
from state.events.codes import Code, RefusedError

MAX_DEPTH = 64
"""Deepest nesting that is parsed; a fixed bound, or the parser's own would depend on its caller."""

_parse_any = msgspec.json.Decoder(msgspec.Raw).decode
_parse_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def document_of(value: bytes | None, limit: int) -> dict[str, msgspec.Raw]:
    """Return the fields of the object, each still unparsed; the last one of a name that is twice.

    Raises
    ------
    RefusedError
        tombstone to not_object, in the order of `state.events.codes`.
    """
    if value is None:
        raise RefusedError(Code.TOMBSTONE, "", "expected a value, got null")
    if len(value) > limit:
        message = f"expected {limit} bytes or fewer, got {len(value)}"
        raise RefusedError(Code.OVERSIZE, "", message)
    if not value.strip():
        raise RefusedError(Code.EMPTY, "", "expected JSON, got nothing but white space")
    try:
        value.decode()
    except UnicodeDecodeError as error:
        message = f"expected UTF-8, got something else at byte {error.start}"
        raise RefusedError(Code.INVALID_UTF8, "", message) from None
    if depth_of(value) > MAX_DEPTH:
        message = f"expected nesting up to {MAX_DEPTH}, got deeper"
        raise RefusedError(Code.INVALID_JSON, "", message)
    return _fields(value)


def is_sound(value: bytes, limit: int) -> bool:
    """Return whether a value is small, flat and UTF-8 enough for a parser that skips fields."""
    # the nesting cannot be deeper than there are brackets, and counting those is fast
    if len(value) > limit or (
        value.count(b"{") + value.count(b"[") > MAX_DEPTH and depth_of(value) > MAX_DEPTH
    ):
        return False
    if not value.isascii():
        try:
            value.decode()
        except UnicodeDecodeError:
            return False
    return True


@compiled
def depth_of(value: bytes) -> int:
    """Return how deeply objects and arrays are nested, as far as a parser can get."""
    depth, deepest = 0, 0
    in_string, escaped = False, False
    for byte in value:
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:  # backslash
                escaped = True
            elif byte == 0x22:  # quotation mark
                in_string = False
        elif byte == 0x22:
            in_string = True
        elif byte == 0x7B or byte == 0x5B:  # { [
            depth += 1
            deepest = max(deepest, depth)
        elif byte == 0x7D or byte == 0x5D:  # } ]
            depth -= 1
    return deepest


def tree_of(raw: bytes) -> Any:
    """Return what a piece of a sound document holds; NaN has been refused before."""
    return msgspec.json.decode(raw)


def _fields(value: bytes) -> dict[str, msgspec.Raw]:
    try:
        _parse_any(value)
        if value.lstrip()[:1] == b"{":
            return _parse_object(value)
    except msgspec.DecodeError as error:
        # the parser also takes an unpaired surrogate near the end for a cut
        if "truncated" in str(error) and not _is_loose_json(value):
            message = "expected the rest of the JSON, got its end"
            raise RefusedError(Code.TRUNCATED, "", message) from None
        raise RefusedError(Code.INVALID_JSON, "", "expected JSON, got something else") from None
    raise RefusedError(Code.NOT_OBJECT, "", "expected a JSON object, got another kind of value")


def _is_loose_json(value: bytes) -> bool:
    """Return whether a more tolerant parser finds the document complete."""
    try:
        json.loads(value)
    except ValueError:
        return False
    return True
