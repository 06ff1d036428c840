"""The inbox: one handler for each kind of record of the loop, found by topic and key."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple

_LOG = logging.getLogger(__name__)
_QUIET_SECONDS = 60.0


class LoopRecord(NamedTuple):
    """A record of a loop topic."""

    topic: str
    key: bytes
    value: bytes


Handler = Callable[[bytes, bytes], None]
"""Takes key and value."""


class Inbox:
    """Gives each record to the handler of its kind.

    A record that cannot be read is skipped: what it says is a copy, never the only one. It is
    counted, and logged once a minute.

    Parameters
    ----------
    handlers : mapping
        By topic, then by the first part of the key, up to a slash; "" takes any key.
    """

    def __init__(self, handlers: Mapping[str, Mapping[bytes, Handler]]) -> None:
        self._handlers = handlers
        self.skipped: Counter[str] = Counter()
        self._quiet_until = 0.0

    def take(self, record: LoopRecord) -> None:
        """Handle one record."""
        kinds = self._handlers.get(record.topic, {})
        handler = kinds.get(record.key.partition(b"/")[0]) or kinds.get(b"")
        if handler is None:
            self._skip(record, "no such kind of record")
            return
        try:
            handler(record.key, record.value)
        except ValueError as error:  # StateError is one, so is whatever a decoder may have missed
            self._skip(record, str(error))

    def _skip(self, record: LoopRecord, reason: str) -> None:
        self.skipped[record.topic] += 1
        now = time.monotonic()
        if now >= self._quiet_until:
            self._quiet_until = now + _QUIET_SECONDS
            _LOG.warning("loop record skipped (%d so far): %s", self.skipped.total(), reason)
