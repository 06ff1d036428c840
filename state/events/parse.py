"""All records of a micro-batch at once, one by one where that fails, field by field at last.

As lines, all values are parsed in one call. That is safe where the only line feeds are those
between the records and each stands between `}` and `{`: JSON allows that at top level only, and
no string may hold a line feed. As many objects as records then means one each.

Each record pays for itself: what is odd about one costs the others a call each.
"""

from collections.abc import Sequence

import msgspec

from models.params.events import EventPolicy
from state.events.codes import Code, Ignored, IgnoredError, RefusedError, Rejected
from state.events.document import MAX_DEPTH, depth_of, is_sound
from state.events.fields import Event, Fields

_BOUNDARY = b"}\n{"
_CHUNK = 64
"""Records that are parsed in one call once those of a micro-batch cannot be."""


class Parse:
    """Reads the events of raw records.

    Parameters
    ----------
    policy : EventPolicy
    """

    def __init__(self, policy: EventPolicy) -> None:
        self._limit = policy.max_bytes
        self._fields = Fields(policy)
        self._decoder = msgspec.json.Decoder(Event)
        depth_of(b"")  # compiled now, not when the first deep record comes

    def __call__(
        self, values: Sequence[bytes | None]
    ) -> tuple[list[Event], list[int] | None, list[Rejected], list[Ignored]]:
        """Return the events, the record of each, None for one a record, and what is no event."""
        if self._fields.plain:
            events = self._together(values)
            if events is not None:
                return events, None, [], []
        return self._in_parts(values)

    def _in_parts(
        self, values: Sequence[bytes | None]
    ) -> tuple[list[Event], list[int], list[Rejected], list[Ignored]]:
        events: list[Event] = []
        records: list[int] = []
        rejected: list[Rejected] = []
        ignored: list[Ignored] = []
        for begin in range(0, len(values), _CHUNK):
            part = values[begin : begin + _CHUNK]
            together = self._together(part) if self._fields.plain else None
            if together is not None:
                events += together
                records += range(begin, begin + len(part))
                continue
            for position, value in enumerate(part, begin):
                try:
                    found = self._alone(value)
                except RefusedError as refused:
                    rejected.append(
                        Rejected(position, refused.code, refused.field, refused.message)
                    )
                except IgnoredError as found_kind:
                    ignored.append(Ignored(position, found_kind.kind))
                else:
                    events += found
                    records += [position] * len(found)
        return events, records, rejected, ignored

    def _together(self, values: Sequence[bytes | None]) -> list[Event] | None:
        """Return one event a record; None where some record is not as most are."""
        if None in values or not values:
            return None
        present: Sequence[bytes] = values  # type: ignore[assignment]
        text, between = b"\n".join(present), len(present) - 1
        if (
            max(map(len, present)) > self._limit
            or not text.count(b"\n") == between == text.count(_BOUNDARY)
            or not (text.startswith(b"{") and text.endswith(b"}"))
            or not (_is_flat(text, between) or all(_is_flat(value, 0) for value in present))
        ):
            return None
        try:
            if not text.isascii():
                text.decode()
            events = self._decoder.decode_lines(text)
        except (ValueError, msgspec.MsgspecError, RecursionError):
            return None
        return events if len(events) == len(present) else None

    def _alone(self, value: bytes | None) -> list[Event]:
        if self._fields.plain and value is not None and is_sound(value, self._limit):
            try:
                return [self._decoder.decode(value)]
            except (ValueError, msgspec.MsgspecError, RecursionError):
                pass  # the way below finds out what there is to it
        try:
            return self._fields(value)
        except (RefusedError, IgnoredError):
            raise
        except Exception as error:  # whatever its class: one record must not stop the others
            message = f"expected JSON, got a record the parser fails on: {type(error).__name__}"
            raise RefusedError(Code.INVALID_JSON, "", message) from error


def _is_flat(text: bytes, more: int) -> bool:
    """Return whether nesting cannot be too deep: it is no deeper than there are brackets."""
    return text.count(b"{") + text.count(b"[") <= MAX_DEPTH + more
