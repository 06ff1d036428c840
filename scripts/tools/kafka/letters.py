"""Dead letters: read from their topic, and written so that a terminal can show them."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from scripts.tools.console import ToolError
from scripts.tools.kafka.client import KafkaAddress, consumer, is_end, offsets
from state.topics import dead_letter

BATCH = 256
"""Letters handled at once: of the largest ones some hundred MiB."""
SILENT_SECONDS = 60.0
"""How long a broker may say nothing while there is more to read."""
KEY_ID_SHOWN = 16
"""Characters of the id of a key; the job writes 8."""
_CONTROL = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

Extent: TypeAlias = Mapping[int, tuple[int, int]]
"""First and end offset by partition."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A record of the topic; anybody may have written it, so everything may be missing."""

    partition: int
    offset: int
    at: int
    """Timestamp of the record, ms."""
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    locked: str = ""
    """Why key and value are not to be had, though there are some: they are encrypted."""

    @classmethod
    def of(cls, message: Message) -> "Letter":
        """Return what a consumer received."""
        return cls(
            int(message.partition() or 0),
            int(message.offset() or 0),
            int(message.timestamp()[1]),
            message.key(),
            message.value(),
            tuple((name, _bytes(value)) for name, value in _headers(message)),
        )

    @property
    def name(self) -> str:
        """What the letter is called: its partition and offset."""
        return f"{self.partition}:{self.offset}"

    @property
    def code(self) -> str:
        """Why the record was refused; empty where nothing says so."""
        return self.header("err.code")

    @property
    def field(self) -> str:
        """Field that the record was refused for; empty for the record as a whole."""
        return self.header("err.field")

    def header(self, name: str) -> str:
        """Return a header as text; empty where there is none."""
        return next((shown(value) for n, value in self.headers if n == name and value), "")

    @property
    def encrypted(self) -> bool:
        """Whether the job wrote key and value encrypted."""
        return self.has(dead_letter.ENCRYPTION)

    @property
    def key_id(self) -> str:
        """Which key it is encrypted with, as a line may show it."""
        return shown(self.header(dead_letter.KEY_ID), KEY_ID_SHOWN) or "(unnamed)"

    def has(self, name: str) -> bool:
        """Return whether there is such a header."""
        return any(n == name for n, _ in self.headers)


def _headers(message: Message) -> list[tuple[str, str | bytes | None]]:
    found = message.headers() or []
    return list(found.items()) if isinstance(found, dict) else found


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value


def shown(data: bytes | str, most: int | None = None) -> str:
    r"""Return bytes as text that no terminal obeys: whatever cannot be printed is escaped.

    Parameters
    ----------
    most
        Characters after which the text is cut; None = none.

    >>> shown(b"caf\xc3\xa9 \xff\x1b[2J\n")
    'café \\xff\\x1b[2J\\n'
    """
    text = data if isinstance(data, str) else data.decode("utf-8", "backslashreplace")
    cut = most is not None and len(text) > most
    kept = text[:most] if cut else text
    if not kept.isprintable():
        kept = "".join(one if one.isprintable() else _escaped(one) for one in kept)
    return f"{kept}…" if cut else kept


def _escaped(character: str) -> str:
    number = ord(character)
    if number < 0x100:
        return _CONTROL.get(character, f"\\x{number:02x}")
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def instant(ms: int) -> str:
    """Return a time in UTC; a number where a producer gave none that a calendar has.

    >>> instant(0), instant(1 << 62)
    ('1970-01-01T00:00:00.000Z', '4611686018427387904 ms')
    """
    try:
        found = datetime.fromtimestamp(ms / 1000, UTC)
    except (OverflowError, OSError, ValueError):
        return f"{ms} ms"
    return found.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@contextmanager
def answered(what: str) -> Iterator[None]:
    """Turn what the Kafka client raises into one line."""
    try:
        yield
    except KafkaException as error:
        cause = error.args[0]
        text = cause.str() if hasattr(cause, "str") else str(cause)
        raise ToolError(f"kafka: expected {what}, got {text}; is the broker up?") from None


def extent(
    address: KafkaAddress, topic: str, since: int | None = None
) -> dict[int, tuple[int, int]]:
    """Return what a topic holds now, or of it what came at a time (ms) or later."""
    with (
        answered(f"the offsets of {topic}"),
        consumer(address, [topic], isolation="read_committed") as client,
    ):
        found = offsets(client, topic)
        return found if since is None else _later(client, topic, found, since)


def _later(client: Consumer, topic: str, found: Extent, since: int) -> dict[int, tuple[int, int]]:
    asked = [TopicPartition(topic, partition, max(since, 0)) for partition in found]
    begins = {one.partition: one.offset for one in client.offsets_for_times(asked, timeout=10)}
    return {
        partition: (begins[partition] if begins.get(partition, -1) >= 0 else high, high)
        for partition, (_, high) in found.items()
    }


def read(
    address: KafkaAddress,
    topic: str,
    bounds: Extent,
    on_progress: Callable[[int], None] = lambda _: None,
) -> Iterator[list[Letter]]:
    """Yield the records between first and end offset of each partition, some at a time.

    Those of a partition come in their order. What aborted or open transactions have written is
    left out.

    Parameters
    ----------
    on_progress
        Called with the number of offsets passed so far, markers of transactions included.

    Raises
    ------
    ToolError
        If the broker says nothing for a minute.
    """
    left = {partition for partition, (low, high) in bounds.items() if low < high}
    passed = {partition: low for partition, (low, _) in bounds.items()}
    first = sum(passed.values())
    with consumer(address, [topic], isolation="read_committed") as client:
        client.assign([TopicPartition(topic, partition, passed[partition]) for partition in left])
        heard = time.monotonic()
        while left:
            messages = client.consume(BATCH, 0.5)
            if messages:
                heard = time.monotonic()
            elif time.monotonic() - heard > SILENT_SECONDS:
                text = f"{topic}: expected more records within {SILENT_SECONDS:g} s, got none"
                raise ToolError(f"{text}; is the broker up?")
            found = _within(messages, bounds, left, passed)
            _pause(client, topic, passed.keys() - left)
            on_progress(sum(passed.values()) - first)
            if found:
                yield found
                heard = time.monotonic()  # whoever reads may take a while


def _within(
    messages: list[Message], bounds: Extent, left: set[int], passed: dict[int, int]
) -> list[Letter]:
    """Return the records in bounds; note how far each partition came, and which ones are done."""
    found = []
    for message in messages:
        partition, offset, end = int(message.partition() or 0), message.offset(), is_end(message)
        high = bounds[partition][1]
        if end or offset is None or offset >= high - 1:
            left.discard(partition)
            passed[partition] = high
        else:
            passed[partition] = offset + 1
        if not end and offset is not None and offset < high:
            found.append(Letter.of(message))
    return found


def _pause(client: Consumer, topic: str, done: set[int]) -> None:
    """Fetch nothing more of partitions that are read: a busy topic would keep us here."""
    assigned = {one.partition for one in client.assignment()}
    if gone := [TopicPartition(topic, partition) for partition in done & assigned]:
        client.pause(gone)


def named(text: str) -> tuple[int, int]:
    """Return partition and offset of a letter's name.

    Raises
    ------
    ValueError
        If it is no such name.

    >>> named("3:1207")
    (3, 1207)
    """
    partition, colon, offset = text.partition(":")
    numbers = (partition, offset)
    if not colon or not all(one.isascii() and one.isdecimal() and len(one) < 19 for one in numbers):
        message = f"expected PARTITION:OFFSET, such as 0:17, got {shown(text, 40)!r}"
        raise ValueError(message)
    if int(partition) >= 1 << 31:
        message = f"expected a partition below {1 << 31}, got {partition}"
        raise ValueError(message)
    return int(partition), int(offset)
