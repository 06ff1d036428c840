"""Events written in the form that a policy reads."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec

from models.params.events import EventPolicy
from state.events.fields import Event


def compose(policy: EventPolicy, event: Event) -> dict[str, Any]:
    """Return the object that `Fields` reads as an event: each field at the first of its paths.

    Field by field, as with `{"user": {"id": …}}` for a policy whose users are at `user.id`.

    Raises
    ------
    TypeError
        Where one field lies at the place of another one, or inside.
    """
    paths = {name: found[0] for name, found in policy.fields}
    written: dict[str, Any] = {
        "user_id": event.user_id,
        "item_id": event.item_id,
        "event_type": event.event_type,
        "timestamp": _TIMES[policy.time](event.timestamp),
        "event_id": event.event_id,
        "value": event.value,
    }
    of_list = {name: _read(getattr(event, name)) for name in ("rec_id", "position", "scope")}
    tree: dict[str, Any] = {}
    for name, value in written.items():
        if value is not None:
            _put(tree, paths.get(name, name).split("."), value)
    for name, value in of_list.items():
        if value is not None:
            with suppress(TypeError):  # a plan may have another field at the usual place
                _put(tree, paths.get(name, name).split("."), value)
    return tree


def _read(raw: msgspec.Raw) -> Any:
    return msgspec.json.decode(raw) if bytes(raw) else None


def timed(policy: EventPolicy, tree: dict[str, Any], now_ms: int) -> dict[str, Any]:
    """Return an event with the time of now where it has none."""
    (*paths,) = dict(policy.fields).get("timestamp", ("timestamp",))
    if any(_holds(tree, path.split(".")) for path in paths):
        return tree
    timed = dict(tree)
    *parents, last = paths[0].split(".")
    inner = timed
    for step in parents:
        found = inner.get(step)
        inner[step] = dict(found) if isinstance(found, dict) else {}
        inner = inner[step]
    inner[last] = _TIMES[policy.time](now_ms)
    return timed


def _holds(tree: Any, path: list[str]) -> bool:
    for step in path:
        if not isinstance(tree, dict):
            return False
        tree = tree.get(step)
    return tree is not None and tree != ""


def _put(tree: dict[str, Any], path: list[str], value: Any) -> None:
    *parents, last = path
    for step in parents:
        tree = tree.setdefault(step, {})
        if not isinstance(tree, dict):
            msg = f"fields: expected each at a place of its own, got one inside {step}"
            raise TypeError(msg)
    if last in tree:
        msg = f"fields: expected each at a place of its own, got two at {last}"
        raise TypeError(msg)
    tree[last] = value


def _iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")


_TIMES: dict[str, Callable[[int], int | str]] = {
    "ms": lambda ms: ms,
    "s": lambda ms: ms // 1_000,
    "us": lambda ms: ms * 1_000,
    "iso8601": _iso,
}
