"""Fields of a record, read one at a time: the slow way, which finds what is wrong.

The project's own events are flat objects of fixed names. Others (`EventPolicy.fields`) name each
field by one or more paths, of which the first that holds something counts; they may list several
items an event, give the time in another unit or as text, and use numbers as ids.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from fnmatch import translate
from math import inf, isfinite
from typing import Any

import msgspec

from models.params.events import EventPolicy
from state.events.codes import Code, IgnoredError, RefusedError
from state.events.document import document_of, tree_of

INT64 = 2**63
"""First number that is too large."""
_FAR = 2 * INT64
_UTC = re.compile(r"(?<=\d)\s*(?:z|utc|gmt)$", re.IGNORECASE)
_parse_string = msgspec.json.Decoder(str).decode
_read_scope = msgspec.json.Decoder(str | None).decode


_NOTHING = msgspec.Raw()


class Event(msgspec.Struct, gc=False, frozen=True):
    """The fields that are read; others are skipped. A value of None is absent."""

    user_id: str
    item_id: str
    event_type: str
    timestamp: int
    event_id: str | None = None
    value: float | None = None
    rec_id: msgspec.Raw = _NOTHING
    """Of an impression, as it stands in the record; nobody looks at that of another event."""
    position: msgspec.Raw = _NOTHING
    scope: msgspec.Raw = _NOTHING
    """That of the items which the user may be recommended now."""


class Line(Event, frozen=True):
    """An event that is one of the items a record lists."""

    line: int = 0
    """Place in the list, from 0."""
    lines: int = 1
    """Length of the list, with those that have no item id."""


def scope_of(event: Event) -> str:
    """Return the scope that an event names; "" where it names none."""
    try:
        return _read_scope(event.scope) or "" if bytes(event.scope) else ""
    except ValueError:  # DecodeError and UnicodeDecodeError are such
        return ""


class Fields:
    """Reads the events of a record, field by field.

    Parameters
    ----------
    policy : EventPolicy
    """

    def __init__(self, policy: EventPolicy) -> None:
        self._policy = policy
        self._paths = {name: tuple(p.split(".") for p in paths) for name, paths in policy.fields}
        self._items = policy.items.split(".") if policy.items else None
        self._time = _TIMES[policy.time]
        self._ignores = ignoring(policy)

    @property
    def plain(self) -> bool:
        """Return whether events are the project's own, which are read much faster."""
        return not self._paths

    def __call__(self, value: bytes | None) -> list[Event]:
        """Return the events of a record; several where it lists several items.

        Raises
        ------
        RefusedError
            Where there is none: tombstone to wrong_type, in the order of `state.events.codes`.
        IgnoredError
            Where its type is one that the policy ignores, whatever else is missing.
        """
        document = document_of(value, self._policy.max_bytes)
        if self.plain:
            return [_plain(document, self._policy.rating_type)]
        tree = {name: tree_of(bytes(raw)) for name, raw in document.items()}
        return list(self._mapped(tree))

    def _mapped(self, tree: Mapping[str, Any]) -> Iterator[Event]:
        kind = self._kind(tree)
        listed = self._listed(tree)
        user_id = _text("user_id", self._find(tree, "user_id"))
        time = self._time(self._required(tree, "timestamp"))
        found = self._find(tree, "event_id")
        event_id = None if found is None else _text("event_id", found)
        for place, item in self._with_item(listed):
            # the first one keeps the id: an event of one item is the same in both forms
            derived = f"{event_id}/{place}" if event_id and place else event_id
            item_id = _text("item_id", self._find(item, "item_id"))
            value = self._value(item, kind)
            rec_id, position = self._raw("rec_id", item, tree), self._raw("position", item)
            scope = self._raw("scope", item, tree)
            yield Line(
                user_id, item_id, kind, time, derived, value, rec_id, position, scope, place,
                len(listed),
            )  # fmt: skip

    def _kind(self, tree: Mapping[str, Any]) -> str:
        """Return the event type, if it is not one that is ignored."""
        found, policy = self._find(tree, "event_type"), self._policy
        kind = _text("event_type", policy.default_type or None if found is None else found)
        if self._ignores(kind):
            raise IgnoredError(kind)
        return kind

    def _with_item(self, listed: list[Mapping[str, Any]]) -> list[tuple[int, Mapping[str, Any]]]:
        """Return place and item of those that name one; all of them where none may lack it."""
        every = list(enumerate(listed))
        if self._policy.without_item == "refuse":
            return every
        named = [(n, item) for n, item in every if self._find(item, "item_id") is not None]
        return named or every  # a record of nothing else is refused

    def _listed(self, tree: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Return what stands for each item: the event itself where it lists none."""
        listed = at_path(tree, self._items) if self._items else None
        if not isinstance(listed, list) or not listed:
            return [tree]
        if len(listed) > self._policy.lines:
            message = f"expected up to {self._policy.lines} (events.lines), got {len(listed)}"
            raise RefusedError(Code.TOO_MANY_LINES, "items", message)
        for item in listed:
            if not isinstance(item, dict):
                raise _wrong_type(name="items", expected="objects", found=item)
        return listed

    def _value(self, tree: Mapping[str, Any], kind: str) -> float | None:
        """Return the value; one that nobody needs is never a reason to refuse an event."""
        found = self._find(tree, "value")
        if found is None:
            return None
        try:
            return _amount(found)
        except RefusedError:
            if kind == self._policy.rating_type:
                raise
            return None

    def _find(self, tree: Mapping[str, Any], name: str) -> Any:
        """Return what the first path leads to that does; an empty text is nothing."""
        for path in self._paths.get(name, ([name],)):
            # by the user id SQL finds the bucket, and it knows no lists of parameters
            found = at_path(tree, path, lists=name != "user_id")
            if found is not None and found != "":
                return found
        return None

    def _raw(self, name: str, *trees: Mapping[str, Any]) -> msgspec.Raw:
        """Return what the first tree that does says of an impression, unread."""
        found = next((f for tree in trees if (f := self._find(tree, name)) is not None), None)
        return _NOTHING if found is None else msgspec.Raw(msgspec.json.encode(found))

    def _required(self, tree: Mapping[str, Any], name: str) -> Any:
        found = self._find(tree, name)
        if found is None:
            raise _missing(name)
        return found


def _plain(document: Mapping[str, msgspec.Raw], rating_type: str) -> Event:
    """Return the event of an object with the project's own fields, each of its very type."""
    event_id = _optional(document, "event_id", _string)
    user_id = _needed(document, "user_id", _string)
    item_id = _needed(document, "item_id", _string)
    event_type = _needed(document, "event_type", _string)
    timestamp = _needed(document, "timestamp", _integer)
    try:
        value = _optional(document, "value", _number)
    except RefusedError:
        if event_type == rating_type:
            raise
        value = None  # nobody needs it
    of_list = (document.get(name, _NOTHING) for name in ("rec_id", "position", "scope"))
    return Event(user_id, item_id, event_type, timestamp, event_id, value, *of_list)


def _needed(document: Mapping[str, msgspec.Raw], name: str, read: Callable[..., Any]) -> Any:
    if name not in document:
        raise _missing(name)
    return read(name, bytes(document[name]))


def _optional(document: Mapping[str, msgspec.Raw], name: str, read: Callable[..., Any]) -> Any:
    raw = bytes(document.get(name, b""))
    return read(name, raw) if raw and raw != b"null" else None


def _missing(name: str) -> RefusedError:
    message = "expected the field, got an object without it"
    return RefusedError(Code.MISSING_FIELD, name, message)


def _string(name: str, raw: bytes) -> str:
    if raw[:1] != b'"':
        raise _other_type(name, "a string", raw)
    return _parse_string(raw)


def _integer(name: str, raw: bytes) -> int:
    """Return the integer; one of very many digits becomes one beyond every bound."""
    if raw[:1] not in b"-0123456789" or set(raw) & set(b".eE"):
        raise _other_type(name, "an integer", raw)
    if len(raw) > 20:
        return -_FAR if raw[:1] == b"-" else _FAR
    return int(raw)


def _number(name: str, raw: bytes) -> float:
    if raw[:1] not in b"-0123456789":
        raise _other_type(name, "a number", raw)
    number = float(raw)
    return number if isfinite(number) else inf


def _other_type(name: str, expected: str, raw: bytes) -> RefusedError:
    """Return the reason for a field of another type, named by its first character."""
    kinds = {b'"': "a string", b"{": "an object", b"[": "an array", b"n": "null"}
    kinds |= {b"t": "a boolean", b"f": "a boolean"}
    message = f"expected {expected}, got {kinds.get(raw[:1], 'a number')}"
    return RefusedError(Code.WRONG_TYPE, name, message)


def ignoring(policy: EventPolicy) -> Callable[[str], bool]:
    """Return what tells event types that are ignored: only `*` and `?` are special in patterns."""
    patterns = (translate(pattern.replace("[", "[[]")) for pattern in policy.ignore)
    match = re.compile("|".join(patterns) or "(?!)").match
    meant = policy.weights.keys() | policy.refused
    return lambda kind: kind not in meant and match(kind) is not None


def at_path(tree: Mapping[str, Any], path: list[str], *, lists: bool = True) -> Any:
    """Return what a path leads to, None for nothing."""
    found: Any = tree
    for step in path:
        if isinstance(found, list) and lists:
            found = _parameter(found, step)
        else:
            found = found.get(step) if isinstance(found, dict) else None
    return found


def _parameter(listed: list[Any], name: str) -> Any:
    """Return a parameter of `[{"key": …, "value": {"string_value": …}}]`, as GA4 exports them."""
    for one in listed:
        if isinstance(one, dict) and one.get("key") == name and isinstance(one.get("value"), dict):
            return next((v for v in one["value"].values() if v is not None), None)
    return None


def _text(name: str, found: Any) -> str:
    """Return an id or a type; producers that count their things send numbers."""
    if found is None:
        raise _missing(name)
    if isinstance(found, bool) or not isinstance(found, str | int):
        raise _wrong_type(name, "a string or an integer", found)
    return str(found)


def _amount(found: Any) -> float:
    """Return a number; some write it as text."""
    if isinstance(found, str):
        try:
            found = float(found)
        except ValueError:
            raise _wrong_type(name="value", expected="a number", found=found) from None
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise _wrong_type(name="value", expected="a number", found=found)
    try:
        return float(found) if isfinite(found) else inf
    except OverflowError:
        return inf


def _wrong_type(name: str, expected: str, found: Any) -> RefusedError:
    kinds = {str: "a string", dict: "an object", list: "an array", bool: "a boolean"}
    got = kinds.get(type(found), "a number")
    return RefusedError(Code.WRONG_TYPE, name, f"expected {expected}, got {got}")


def _scaled(factor: float) -> Callable[[Any], int]:
    """Return what turns a number of some unit, or the text of one, into ms."""

    def read(found: Any) -> int:
        if isinstance(found, str):
            try:
                found = int(found) if found.lstrip("-").isdecimal() else float(found)
            except ValueError:
                raise _wrong_type(name="timestamp", expected="a number", found=found) from None
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise _wrong_type(name="timestamp", expected="a number", found=found)
        if not -1e25 < found < 1e25:
            return _FAR if found > 0 else -_FAR
        return round(found * factor) if factor >= 1 else int(found // (1 / factor))

    return read


def _iso(found: Any) -> int:
    """Return the ms of an ISO-8601 time, or of one as databases print it (`… UTC`).

    One without a zone is UTC.
    """
    if not isinstance(found, str):
        raise _wrong_type(name="timestamp", expected="text as of ISO 8601", found=found)
    try:
        time = datetime.fromisoformat(_UTC.sub("+00:00", found.strip()))
    except ValueError:
        message = "expected text as of ISO 8601, got other text"
        raise RefusedError(Code.WRONG_TYPE, "timestamp", message) from None
    return round((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)


_TIMES: dict[str, Callable[[Any], int]] = {
    "ms": _scaled(1),
    "s": _scaled(1000),
    "us": _scaled(1 / 1000),
    "iso8601": _iso,
}
