"""Boards: items by the weights of their latest events, as the configuration declares them."""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping

from conf.sections.serving import Board as Declared

_SLOTS = 60
"""Parts of a window: it slides by one of them."""
_NOTHING = 1e-9
_FRESH_SECONDS = 1.0
"""How long an order is given out before it is made anew."""


class Board:
    """Sums of weights by item over a window that ends with the newest event.

    One thread takes events while another reads. It holds a number for each item in each sixtieth
    of the window in which the item had an event.

    Parameters
    ----------
    declared
    clock
        Seconds that never go back.
    """

    def __init__(self, declared: Declared, clock: Callable[[], float] = time.monotonic) -> None:
        self._weights: Mapping[str, float] = declared.events
        self._slot_ms = max(1, declared.window // _SLOTS)
        self._clock = clock
        self._slots: dict[int, dict[str, float]] = {}
        self._totals: dict[str, float] = {}
        self._newest = 0
        self._order: list[str] = []
        self._changed, self._ordered_at = False, 0.0

    def take(self, item: str, kind: str, time_ms: int) -> None:
        """Take an event; one that is older than the window counts nothing."""
        weight = self._weights.get(kind)
        if not weight:
            return
        slot = time_ms // self._slot_ms
        if slot > self._newest:
            self._slide(slot)
        if slot <= self._newest - _SLOTS:
            return
        here = self._slots.setdefault(slot, defaultdict(float))
        here[item] += weight
        self._add(item, weight)
        self._changed = True

    def items(self) -> list[str]:
        """Return the items with a positive sum, the largest first."""
        now = self._clock()
        if self._changed and now - self._ordered_at >= _FRESH_SECONDS:
            self._changed, self._ordered_at = False, now
            sums = list(self._totals.items())  # at once: the reader goes on adding
            positive = sorted((-total, item) for item, total in sums if total > _NOTHING)
            self._order = [item for _, item in positive]
        return self._order

    def _slide(self, newest: int) -> None:
        self._newest = newest
        for slot in [one for one in self._slots if one <= newest - _SLOTS]:
            for item, weight in self._slots.pop(slot).items():
                self._add(item, -weight)
        self._changed = True

    def _add(self, item: str, weight: float) -> None:
        total = self._totals.get(item, 0.0) + weight
        if abs(total) > _NOTHING:
            self._totals[item] = total
        else:
            self._totals.pop(item, None)
