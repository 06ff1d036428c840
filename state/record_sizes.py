"""Sizes of the largest records, known before they are written: Kafka refuses larger ones.

A record that its topic refuses would fail the job, be read again after the restart and fail it
again, for ever. So every encoder has a bound, and each bound lies under `kafka.max_record_bytes`.
"""

from collections.abc import Mapping

OVERHEAD = 61 + 21 + 3 * 5
"""Most bytes that Kafka adds to the content of a record that travels alone: head of the batch,
head of the record, and the lengths of key, value and headers (message format 2)."""
_HEADER_OVERHEAD = 2 * 5
_ITEM_FIELDS = 128
"""Names, numbers, reason and punctuation of an item in a recommendation's JSON."""
_SCHEMA = 8_192
"""Schema, metadata and padding of an Arrow stream with the columns of item rows."""


def record(
    key: bytes | None, value: bytes | None, headers: Mapping[str, bytes] | None = None
) -> int:
    """Return the most bytes that Kafka counts for a record.

    >>> record(b"key", None, {"name": b"text"}) - OVERHEAD
    21
    """
    named = sum(
        len(name.encode()) + len(text) + _HEADER_OVERHEAD for name, text in (headers or {}).items()
    )
    return OVERHEAD + len(key or b"") + len(value or b"") + named


def recommendation(k: int, id_bytes: int) -> int:
    """Return the most bytes of key and value of a recommendation of k items.

    JSON writes the two characters that need it, quotation mark and backslash, as two.
    """
    return 1_024 + 5 * id_bytes + k * (_ITEM_FIELDS + 4 * id_bytes)


def most_trending(room: int, id_bytes: int) -> int:
    """Return how many trending items fit into a record for sure."""
    return max(1, (room - 256) // (2 * id_bytes + 24))


def item_row(entries: int, factors: int, id_bytes: int) -> int:
    """Return the most bytes of an item in a chunk: numbers, offsets, factors, entries, id.

    Those where it is context are factors, too; entries are successors and places in sequences.
    """
    return 96 + 4 * factors + 12 * entries + id_bytes


def chunk(items: int, entries: int, factors: int, id_bytes: int) -> int:
    """Return the most bytes of key and value of a chunk of items."""
    return _SCHEMA + items * item_row(entries, factors, id_bytes)
