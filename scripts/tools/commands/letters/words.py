"""Letters in words: for JSON, and as text of a line."""

from typing import Any

from scripts.tools.kafka.letters import Letter, instant, shown

KEY_SHOWN, VALUE_SHOWN, NAME_SHOWN = 60, 200, 80
"""Characters of an example that are shown."""


def as_mapping(
    letter: Letter, key_shown: int | None = None, value_shown: int | None = None
) -> dict[str, Any]:
    """Return a letter for JSON: bytes as text with escapes, cut where a length is given."""
    return {
        "letter": letter.name,
        "timestamp": instant(letter.at),
        "code": shown(letter.code, value_shown),
        "field": shown(letter.field, value_shown),
        "message": shown(letter.header("err.msg"), value_shown),
        "key": None if letter.key is None else shown(letter.key, key_shown),
        "key_bytes": None if letter.key is None else len(letter.key),
        "value": None if letter.value is None else shown(letter.value, value_shown),
        "value_bytes": None if letter.value is None else len(letter.value),
        "encrypted": letter.key_id if letter.encrypted else None,
        "locked": letter.locked or None,
        "headers": [
            [shown(name, value_shown), None if value is None else shown(value, value_shown)]
            for name, value in letter.headers
        ],
    }


def text_of(data: bytes | None) -> str:
    """Return all bytes as text."""
    return "(none)" if data is None else shown(data)


def summary(data: bytes | None, most: int) -> str:
    """Return the beginning of bytes, and how many there are where that is not all."""
    if data is None:
        return "(none)"
    text = shown(data, most)
    return f"{text} ({len(data):,} bytes)" if text.endswith("…") else text
