"""Standing lists: those that users have now, and which of them hold an item that is gone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.items.table import Items
from models.keys import key_of
from operators.learn_users.stages.records import Triggers

_MOST_LISTS, _AT_ONCE = 50_000, 64
"""Lists that a worker remembers, the newest; lists of a bucket that are made anew at a time."""


@dataclass(slots=True)
class _Standing:
    """A list, by what it was triggered."""

    name: str
    """Of the user."""
    bucket: int
    event_id: str
    key: int
    """What the list is known by, see `records.trigger_keys`."""
    identity: int
    time: int
    published: int
    scope: str
    again: int
    """How often it was made anew."""


_NOBODY = _Standing("", 0, "", 0, 0, 0, 0, "", 0)


class Standing:
    """Remembers the newest lists of a worker's users, in its memory.

    Parameters
    ----------
    k : int
        Items of a list.
    """

    def __init__(self, k: int) -> None:
        self._items = np.zeros((0, k), np.uint64)
        """Keys of the items of each list, 0 where it is shorter."""
        self._lists: list[_Standing] = []
        self._slots: dict[str, int] = {}
        self._next = 0
        self._stale: dict[int, dict[str, None]] = {}
        """Users by bucket whose lists are to be looked at, in order."""

    def note(
        self,
        bucket: int,
        names: Sequence[str],
        triggers: Triggers,
        keys: Sequence[int],
        listed: NDArray[np.uint64],
    ) -> None:
        """Remember lists.

        Parameters
        ----------
        names, triggers, keys
            (n,) users and what triggered their lists.
        listed : uint64[n, k]
            Keys of their items, 0 for none.
        """
        scopes = triggers.scopes or [""] * len(names)
        again = triggers.again or [0] * len(names)
        rows = zip(
            names, triggers.event_ids, keys, triggers.identity.tolist(), triggers.time.tolist(),
            triggers.published.tolist(), scopes, again, strict=True,
        )  # fmt: skip
        for n, (name, event_id, key, identity, time, published, scope, times) in enumerate(rows):
            slot = self._slot(name)
            self._lists[slot] = _Standing(
                name, bucket, event_id, key, identity, time, published, scope, times
            )
            self._items[slot] = listed[n]

    def leave(self, name: str) -> None:
        """Remember nothing of a user who is gone."""
        slot = self._slots.pop(name, None)
        if slot is not None:
            self._lists[slot], self._items[slot] = _NOBODY, 0

    def look(self, gone: set[int]) -> None:
        """Find the lists that hold one of some items, by their keys."""
        if not gone or not self._lists:
            return
        held = self._items[: len(self._lists)]
        wanted = np.array(sorted(gone), np.uint64)
        hit = held == wanted[0] if len(wanted) == 1 else np.isin(held, wanted)
        for slot in np.flatnonzero(hit.any(axis=1)).tolist():
            one = self._lists[slot]
            self._stale.setdefault(one.bucket, {})[one.name] = None

    def waits(self, bucket: int) -> bool:
        """Return whether lists of a bucket are to be made anew."""
        return bucket in self._stale

    def take(self, bucket: int, items: Items) -> tuple[list[str], Triggers]:
        """Return users of a bucket who need another list now, and what triggers it."""
        stale = self._stale.get(bucket, {})
        names = list(stale)[:_AT_ONCE]
        for name in names:
            del stale[name]
        if not stale:
            self._stale.pop(bucket, None)
        slots = [slot for name in names if (slot := self._slots.get(name)) is not None]
        held = self._items[slots]
        rows = items.rows(held.ravel(), register=False).reshape(held.shape)
        away = ((rows >= 0) & items.arrays.unavailable[np.maximum(rows, 0)]).any(axis=1)
        found = [self._lists[slot] for slot, one in zip(slots, away.tolist(), strict=True) if one]
        return [one.name for one in found], _triggers(found)

    def _slot(self, name: str) -> int:
        """Return where the list of a user is remembered; the oldest makes room."""
        if name in self._slots:
            return self._slots[name]
        if len(self._lists) < _MOST_LISTS:
            slot = len(self._lists)
            self._lists.append(_NOBODY)
            if slot == len(self._items):
                more = max(64, slot)
                self._items = np.pad(self._items, ((0, more), (0, 0)))
        else:
            slot, self._next = self._next, (self._next + 1) % _MOST_LISTS
            self._slots.pop(self._lists[slot].name, None)
        self._slots[name] = slot
        return slot


def _triggers(found: Sequence[_Standing]) -> Triggers:
    """Return the triggers of lists that are made anew: known by keys of their own."""
    again = [one.again + 1 for one in found]
    return Triggers(
        users=np.arange(len(found), dtype=np.int32),
        event_ids=[one.event_id for one in found],
        identity=np.array([one.identity for one in found], np.uint64),
        time=np.array([one.time for one in found], np.int64),
        published=np.array([one.published for one in found], np.int64),
        at=np.zeros(len(found), np.int64),
        scopes=[one.scope for one in found] if any(one.scope for one in found) else [],
        keys=[key_of(f"{one.key:016x}/{n}") for one, n in zip(found, again, strict=True)],
        again=again,
    )
