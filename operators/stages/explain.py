"""Why a record is no event: the long path of `operators.stages.decode`, check by check.

The first failing check of this list gives the code:

==================== ==========================================================================
code                 the record
==================== ==========================================================================
tombstone            has no value
oversize             is larger than the policy's limit (the message has its size and sha256)
empty                is empty, or white space only
invalid_utf8         is not UTF-8, be it in a field nobody reads
invalid_json         is not JSON: NaN, a second document, a bad number, nested too deeply, …
truncated            is JSON cut off before its end
not_object           is JSON, but no object
missing_field        lacks user_id, item_id, event_type or timestamp
wrong_type           has a field of another type: "5", 1.0 and true are no integers; a null is
                     as good as absent in optional fields only
invalid_id           has an id that is empty, too long or not visible ASCII
sentinel_id          has a user or item id that stands for nobody, such as "null"
unknown_event_type   has a type without a weight
value_range          has a value that float32 cannot hold, or a rating without or out of range
timestamp_negative   was before 1970
timestamp_past       was before the policy's earliest time: seconds instead of ms
timestamp_future     is further ahead than clocks may be
key_mismatch         has a record key that is not its user_id
ambiguous_user       has no record key, and its user_id does not belong to this bucket: the
                     object names two users
==================== ==========================================================================

Types are checked for all fields before any content is, both in the order of `_FIELDS`.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from math import inf, isfinite, nan
from typing import Any

import msgspec
import numpy as np

from models.compiled import compiled
from models.keys import bucket_of
from models.params import EventPolicy

MAX_DEPTH = 64
"""Deepest nesting that is parsed; a fixed bound, or the parser's own would depend on its caller."""

INT64 = 2**63
"""First number that is too large."""

_FLOAT32_MAX = float(np.finfo(np.float32).max)


class Code(StrEnum):
    """Codes of the failing checks, in the order of the checks."""

    TOMBSTONE = "tombstone"
    OVERSIZE = "oversize"
    EMPTY = "empty"
    INVALID_UTF8 = "invalid_utf8"
    INVALID_JSON = "invalid_json"
    TRUNCATED = "truncated"
    NOT_OBJECT = "not_object"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    INVALID_ID = "invalid_id"
    SENTINEL_ID = "sentinel_id"
    UNKNOWN_EVENT_TYPE = "unknown_event_type"
    VALUE_RANGE = "value_range"
    TIMESTAMP_NEGATIVE = "timestamp_negative"
    TIMESTAMP_PAST = "timestamp_past"
    TIMESTAMP_FUTURE = "timestamp_future"
    KEY_MISMATCH = "key_mismatch"
    AMBIGUOUS_USER = "ambiguous_user"


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that is no event."""

    position: int
    """Index in the micro-batch."""
    code: str
    """Which check failed, see `Code`."""
    field: str
    """Field of the event it failed on; "" for the record as a whole."""
    message: str
    """What was expected and what was found; never a piece of the payload."""


class Explain:
    """Finds the first check of the module's list that a refused record fails.

    Parameters
    ----------
    policy : EventPolicy
    """

    def __init__(self, policy: EventPolicy) -> None:
        self._policy = policy
        # compiled now, not when the first bad record comes
        depth_of(b"")
        bucket_of("", policy.buckets)
        self._kinds = {name: kind_of(policy, name) for name in policy.weights}

    def __call__(
        self, position: int, key: bytes | None, value: bytes | None, bucket: int, latest: int
    ) -> Rejected:
        """Return why the record is refused.

        Parameters
        ----------
        position : int
        key, value : bytes or None
        bucket : int
        latest : int
            Newest event time that is accepted, ms.
        """
        try:
            self._check(key, value, bucket, latest)
        except _FailedError as failed:
            return Rejected(position, failed.code, failed.field, failed.message)
        except Exception as error:  # whatever its class: the record is refused in any case
            message = f"expected JSON, got a record the parser fails on: {type(error).__name__}"
            return Rejected(position, Code.INVALID_JSON.value, "", message)
        message = "expected JSON, got a record that only one of two parsers takes"
        return Rejected(position, Code.INVALID_JSON.value, "", message)

    def _check(self, key: bytes | None, value: bytes | None, bucket: int, latest: int) -> None:
        """Go through all checks; returns only if none fails."""
        fields = _fields(self._document(value))
        self._check_ids(fields)
        self._check_event(fields, latest)
        self._check_user(fields["user_id"], key, bucket)

    def _document(self, value: bytes | None) -> dict[str, msgspec.Raw]:
        """Return the fields of the object, each still unparsed."""
        if value is None:
            raise _FailedError(Code.TOMBSTONE, "", "expected a value, got null")
        limit = self._policy.max_bytes
        if len(value) > limit:
            digest = sha256(value).hexdigest()
            message = f"expected {limit} bytes or fewer, got {len(value)} with sha256 {digest}"
            raise _FailedError(Code.OVERSIZE, "", message)
        if not value.strip():
            raise _FailedError(Code.EMPTY, "", "expected JSON, got nothing but white space")
        try:
            value.decode()
        except UnicodeDecodeError as error:
            message = f"expected UTF-8, got something else at byte {error.start}"
            raise _FailedError(Code.INVALID_UTF8, "", message) from None
        if depth_of(value) > MAX_DEPTH:
            raise _FailedError(
                Code.INVALID_JSON, "", f"expected nesting up to {MAX_DEPTH}, got deeper"
            )
        return _parsed(value)

    def _check_ids(self, fields: dict[str, Any]) -> None:
        """Check every id that is present."""
        longest = self._policy.max_id_bytes
        for name in _IDS:
            identifier = fields.get(name)
            if identifier is not None and not is_id(identifier, longest):
                message = f"expected 1 to {longest} visible ASCII characters, got something else"
                raise _FailedError(Code.INVALID_ID, name, message)
        for name in ("user_id", "item_id"):
            if fields[name].lower() in self._policy.sentinel_ids:
                raise _FailedError(
                    Code.SENTINEL_ID, name, "expected a real id, got one that means nobody"
                )

    def _check_event(self, fields: dict[str, Any], latest: int) -> None:
        """Check type, value and time of the event."""
        kind = self._kinds.get(fields["event_type"])
        if kind is None:
            message = f"expected one of {', '.join(self._kinds)}, got another"
            raise _FailedError(Code.UNKNOWN_EVENT_TYPE, "event_type", message[:200])
        _, lowest, highest, absent = kind
        value = fields.get("value")
        amount = absent if value is None else value
        if not (lowest <= amount <= highest or amount is nan):
            got = "none" if value is None else "one outside"
            message = f"expected a number from {lowest:g} to {highest:g}, got {got}"
            raise _FailedError(Code.VALUE_RANGE, "value", message)
        time, earliest = fields["timestamp"], self._policy.earliest_ms
        if time < 0:
            raise _FailedError(
                Code.TIMESTAMP_NEGATIVE, "timestamp", "expected ms since 1970, got less"
            )
        if time < earliest:
            message = f"expected ms since 1970, {earliest} or later, got less: are these seconds?"
            raise _FailedError(Code.TIMESTAMP_PAST, "timestamp", message)
        if time > latest:
            message = f"expected up to {self._policy.max_future_ms} ms ahead of now, got more"
            raise _FailedError(Code.TIMESTAMP_FUTURE, "timestamp", message)

    def _check_user(self, user_id: str, key: bytes | None, bucket: int) -> None:
        """Check that the record went to where its user's other records go."""
        if key is not None and key != user_id.encode():
            raise _FailedError(
                Code.KEY_MISMATCH, "user_id", "expected the record's key, got another id"
            )
        if key is None and bucket_of(user_id, self._policy.buckets) != bucket:
            message = "expected one user_id where there is no record key, got several"
            raise _FailedError(Code.AMBIGUOUS_USER, "user_id", message)


class _FailedError(Exception):
    """The first check that failed."""

    def __init__(self, code: Code, field: str, message: str) -> None:
        super().__init__(code)
        self.code = code.value
        self.field = field
        self.message = message


Kind = tuple[float, float, float, float]
"""Weight of an event type, bounds of its value, and what stands for a value that is absent."""


def kind_of(policy: EventPolicy, name: str) -> Kind:
    """Return what is expected of an event type; an absent value is in nobody's range but NaN's."""
    if name == policy.rating_type:
        return policy.weights[name], policy.lowest_rating, policy.highest_rating, inf
    return policy.weights[name], -_FLOAT32_MAX, _FLOAT32_MAX, nan


def is_id(identifier: str, longest: int) -> bool:
    """Return whether an id consists of visible ASCII and is neither empty nor too long."""
    return (
        0 < len(identifier) <= longest
        and identifier.isascii()
        and identifier.isprintable()
        and " " not in identifier
    )


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


_parse_any = msgspec.json.Decoder(msgspec.Raw).decode
_parse_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_parse_string = msgspec.json.Decoder(str).decode


def _parsed(value: bytes) -> dict[str, msgspec.Raw]:
    """Return the fields of a JSON object; the last one where a name occurs twice."""
    try:
        _parse_any(value)
        if value.lstrip()[:1] == b"{":
            return _parse_object(value)
    except msgspec.DecodeError as error:
        # the parser also takes an unpaired surrogate near the end for a cut
        if "truncated" in str(error) and not _is_loose_json(value):
            raise _FailedError(
                Code.TRUNCATED, "", "expected the rest of the JSON, got its end"
            ) from None
        raise _FailedError(Code.INVALID_JSON, "", "expected JSON, got something else") from None
    raise _FailedError(Code.NOT_OBJECT, "", "expected a JSON object, got another kind of value")


def _is_loose_json(value: bytes) -> bool:
    """Return whether a more tolerant parser finds the document complete."""
    try:
        json.loads(value)
    except ValueError:
        return False
    return True


def _string(name: str, raw: bytes) -> str:
    if raw[:1] != b'"':
        raise _wrong_type(name, "a string", raw)
    return _parse_string(raw)


def _integer(name: str, raw: bytes) -> int:
    """Return the integer; one of very many digits becomes one beyond every bound."""
    if not _is_number(raw) or set(raw) & set(b".eE"):
        raise _wrong_type(name, "an integer", raw)
    if len(raw) > 20:
        return -2 * INT64 if raw[:1] == b"-" else 2 * INT64
    return int(raw)


def _small_integer(name: str, raw: bytes) -> int:
    number = _integer(name, raw)
    if not -INT64 <= number < INT64:
        raise _FailedError(Code.WRONG_TYPE, name, "expected a 64-bit integer, got a larger one")
    return number


def _number(name: str, raw: bytes) -> float:
    if not _is_number(raw):
        raise _wrong_type(name, "a number", raw)
    number = float(raw)
    return number if isfinite(number) else inf


def _is_number(raw: bytes) -> bool:
    return raw[:1] in b"-0123456789"


def _wrong_type(name: str, expected: str, raw: bytes) -> _FailedError:
    """Return the reason for a field of another type, named by its first character."""
    kinds = {b'"': "a string", b"{": "an object", b"[": "an array", b"n": "null"}
    kinds |= {b"t": "a boolean", b"f": "a boolean"}
    return _FailedError(
        Code.WRONG_TYPE, name, f"expected {expected}, got {kinds.get(raw[:1], 'a number')}"
    )


_FIELDS: tuple[tuple[str, bool, Callable[[str, bytes], Any]], ...] = (
    ("event_id", False, _string),
    ("user_id", True, _string),
    ("item_id", True, _string),
    ("event_type", True, _string),
    ("timestamp", True, _integer),
    ("value", False, _number),
    ("rec_id", False, _string),
    ("position", False, _small_integer),
    ("session_id", False, _string),
)
"""Name, whether it is required, and how it is read."""
_IDS = ("event_id", "user_id", "item_id", "rec_id", "session_id")


def _fields(document: dict[str, msgspec.Raw]) -> dict[str, Any]:
    """Return the fields that are read, each of its type; optional ones may be left out."""
    fields = {}
    for name, required, read in _FIELDS:
        raw = bytes(document.get(name, b""))
        if not raw and required:
            raise _FailedError(
                Code.MISSING_FIELD, name, "expected the field, got an object without it"
            )
        if raw and (required or raw != b"null"):
            fields[name] = read(name, raw)
    return fields
