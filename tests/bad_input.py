"""Records that are no events, each with the code its dead letter must carry."""

import gzip
import json
from dataclasses import replace
from typing import Any

from tests.builders import DAY, NOW, Record, event

MAX_BYTES = 2_000
"""Size limit the catalogue is made for."""


def _text(text: str | bytes) -> Record:
    return Record(b"anna", text.encode() if isinstance(text, str) else text)


def _with(**fields: Any) -> Record:
    return _text(json.dumps(json.loads(event().value or b"") | fields))


def _without(name: str) -> Record:
    return event(**{name: None})


def _literally(name: str, text: str) -> Record:
    """Return an event with a field of exactly this text, JSON or not."""
    return _text((event(**{name: "@"}).value or b"").replace(b'"@"', text.encode()))


_GOOD = event().value or b""

BAD: dict[str, tuple[Record, str]] = {
    "tombstone": (Record(b"anna", None), "tombstone"),
    "tombstone without key": (Record(None, None), "tombstone"),
    "empty": (_text(""), "empty"),
    "white space": (_text(" \r\n\t"), "empty"),
    "plain text": (_text("hello"), "invalid_json"),
    "single quotes": (_text(_GOOD.replace(b'"', b"'")), "invalid_json"),
    "trailing comma": (_text(_GOOD[:-1] + b",}"), "invalid_json"),
    "two documents": (_text(_GOOD + b"\n" + _GOOD), "invalid_json"),
    "byte order mark": (_text(b"\xef\xbb\xbf" + _GOOD), "invalid_json"),
    "zero byte": (_text(_GOOD + b"\0"), "invalid_json"),
    "truncated": (_text(_GOOD[:-9]), "truncated"),
    "array": (_text(b"[" + _GOOD + b"]"), "not_object"),
    "number": (_text("42"), "not_object"),
    "null": (_text("null"), "not_object"),
    "string": (_text('"hello"'), "not_object"),
    "nested too deeply": (_literally("extra", "[" * 900 + "]" * 900), "invalid_json"),
    "invalid UTF-8": (_text(_GOOD.replace(b"tea", b"t\xff")), "invalid_utf8"),
    "invalid UTF-8 in an unread field": (
        _text(_GOOD[:-1] + b', "extra": "\xc3("}'),
        "invalid_utf8",
    ),
    "overlong UTF-8": (_text(_GOOD.replace(b"tea", b"t\xc0\xaf")), "invalid_utf8"),
    "UTF-16": (_text(_GOOD.decode().encode("utf-16")), "invalid_utf8"),
    "gzip": (_text(gzip.compress(_GOOD, mtime=0)), "invalid_utf8"),
    "unpaired surrogate": (_literally("item_id", r'"\ud800"'), "invalid_json"),
    "NaN": (_literally("value", "NaN"), "invalid_json"),
    "Infinity": (_literally("value", "-Infinity"), "invalid_json"),
    "rating without bounds": (
        _text((event(kind="rating", value="@").value or b"").replace(b'"@"', b"1e999")),
        "value_range",
    ),
    "user is a number": (_with(user_id=5), "wrong_type"),
    "item is null": (_literally("item_id", "null"), "wrong_type"),
    "type is a list": (_with(event_type=["view"]), "wrong_type"),
    "timestamp is text": (_with(timestamp=str(NOW)), "wrong_type"),
    "timestamp is a float": (_with(timestamp=float(NOW)), "wrong_type"),
    "timestamp is true": (_with(timestamp=True), "wrong_type"),
    "rating is text": (_with(event_type="rating", value="5"), "wrong_type"),
    "event id is an object": (_with(event_id={"a": 1}), "wrong_type"),
    "no user": (_without("user_id"), "missing_field"),
    "no item": (_without("item_id"), "missing_field"),
    "no type": (_without("event_type"), "missing_field"),
    "no timestamp": (_without("timestamp"), "missing_field"),
    "empty object": (_text("{}"), "missing_field"),
    "empty item": (_with(item_id=""), "invalid_id"),
    "over-long item": (_with(item_id="x" * 513), "invalid_id"),
    "over-long user": (replace(_with(user_id="u" * 513), key=b"u" * 513), "invalid_id"),
    "item with a line feed": (_with(item_id="green\ntea"), "invalid_id"),
    "item of punctuation": (_with(item_id="- -"), "sentinel_id"),
    "event id with a control character": (_with(event_id="a\x1b[31m"), "invalid_id"),
    "nobody": (replace(_with(user_id="NULL"), key=b"NULL"), "sentinel_id"),
    "no item's id": (_with(item_id="undefined"), "sentinel_id"),
    "unknown type": (_with(event_type="teleport"), "unknown_event_type"),
    "type in capitals": (_with(event_type="VIEW"), "unknown_event_type"),
    "rating without value": (_with(event_type="rating"), "value_range"),
    "rating out of range": (_with(event_type="rating", value=11), "value_range"),
    "negative timestamp": (_with(timestamp=-1), "timestamp_negative"),
    "seconds": (_with(timestamp=NOW // 1000), "timestamp_past"),
    "far future": (_with(timestamp=NOW + 100_000 * DAY), "timestamp_future"),
    "timestamp beyond 64 bits": (_with(timestamp=10**30), "timestamp_future"),
    "oversize": (_with(extra="x" * MAX_BYTES), "oversize"),
    "oversize and no JSON": (_text(b"\xff" * (MAX_BYTES + 1)), "oversize"),
    "another user's key": (replace(event(), key=b"ben"), "key_mismatch"),
    "empty key": (replace(event(), key=b""), "key_mismatch"),
    "key is no UTF-8": (replace(event(), key=b"\xff\xfe"), "key_mismatch"),
}
