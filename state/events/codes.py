"""Codes of refused records: the first failing check of this list gives the code.

==================== ==========================================================================
code                 the record
==================== ==========================================================================
tombstone            has no value
oversize             is larger than the policy's limit (the message has its size)
empty                is empty, or white space only
invalid_utf8         is not UTF-8, be it in a field nobody reads
invalid_json         is not JSON: NaN, a second document, a bad number, nested too deeply, …
truncated            is JSON cut off before its end
not_object           is JSON, but no object
too_many_lines       lists more items than the policy takes
missing_field        lacks the user's id, the item's, the event type or the time
wrong_type           has a field that is needed in another type: "5", 1.0 and true are no integers;
                     a null is as good as absent in optional fields only
invalid_id           has an id that is empty, too long or not of the characters that are taken
sentinel_id          has a user or item id that stands for nobody, such as "null" or "000"
unknown_event_type   has a type without a weight
value_range          is a rating without a value, or with one out of range
timestamp_negative   was before 1970
timestamp_past       was before the policy's earliest time: seconds instead of ms
timestamp_future     is further ahead than clocks may be
key_mismatch         has a record key that is not its user's id
ambiguous_user       has no record key, and its user does not belong to this bucket: the object
                     names two users
id_conflict          has the event id of an accepted event of this user, and says something else
late                 is older than what is remembered of this user's events: it may be a repeat
==================== ==========================================================================
"""

from dataclasses import dataclass
from enum import StrEnum

WITHOUT_ITEM = "without_item"
"""Counted for lines of a record that have no product, such as a tip: no reason to refuse it."""


class Code(StrEnum):
    """Codes of the failing checks, in the order of the checks."""

    TOMBSTONE = "tombstone"
    OVERSIZE = "oversize"
    EMPTY = "empty"
    INVALID_UTF8 = "invalid_utf8"
    INVALID_JSON = "invalid_json"
    TRUNCATED = "truncated"
    NOT_OBJECT = "not_object"
    TOO_MANY_LINES = "too_many_lines"
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
    ID_CONFLICT = "id_conflict"
    LATE = "late"


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that is no event, or none that may be learnt."""

    position: int
    """Index in the micro-batch."""
    code: str
    """Which check failed, see `Code`."""
    field: str
    """Field of the event it failed on; "" for the record as a whole."""
    message: str
    """What was expected and what was found; never a piece of the payload."""
    lines: tuple[int, ...] = ()
    """Places in the record's list, from 0, of the events that are not taken; () for all of it."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A record that is no item event and is not meant to be one, such as a page view."""

    position: int
    """Index in the micro-batch."""
    kind: str
    """Its event type."""


class IgnoredError(Exception):
    """A record has an event type that the policy ignores."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class RefusedError(Exception):
    """The first check that a record fails."""

    def __init__(self, code: Code, field: str, message: str) -> None:
        super().__init__(code)
        self.code = code.value
        self.field = field
        self.message = message
