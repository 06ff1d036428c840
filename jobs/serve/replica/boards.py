"""Boards: items by the weights of their latest events, as the configuration declares them."""

from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from conf.sections.serving import Board as Declared
from jobs.serve.replica.renewed import Renewed

_SLOTS = 60
"""Parts of a window: it slides by one of them."""
_SCALE = 1_000_000
"""Weights are whole millionths: sums are exact, and nothing is left of what has gone."""


class Board:
    """Sums of weights by item over a window that ends with the newest event.

    One thread takes events while another reads. It holds a number for each item in each sixtieth
    of the window in which the item had an event.

    Parameters
    ----------
    declared
    """

    def __init__(self, declared: Declared) -> None:
        self._weights: Mapping[str, int] = {
            kind: round(weight * _SCALE) for kind, weight in declared.events.items()
        }
        self._slot_ms = max(1, declared.window // _SLOTS)
        self._slots: dict[int, dict[str, int]] = {}
        self._totals: dict[str, int] = {}
        self._newest = 0
        self.items = Renewed(self._ordered)
        """The items with a positive sum, the largest first."""

    def counts(self, kind: str) -> bool:
        """Return whether events of a type count."""
        return bool(self._weights.get(kind))

    def take(self, item: str, kind: str, time_ms: int, now_ms: int) -> None:
        """Take an event; one that is older than the window counts nothing, one ahead is of now."""
        slot = min(time_ms, now_ms) // self._slot_ms
        if slot > self._newest:
            self._slide(slot)
        weight = self._weights.get(kind)
        if not weight or slot <= self._newest - _SLOTS:
            return
        here = self._slots.setdefault(slot, defaultdict(int))
        here[item] += weight
        self._add(item, weight)
        self.items.changed()

    def _ordered(self) -> list[str]:
        sums = [one for one in list(self._totals.items()) if one[1] > 0]  # the reader adds
        order = np.argsort(-np.array([total for _, total in sums], np.float64), kind="stable")
        return [sums[n][0] for n in order.tolist()]

    def _slide(self, newest: int) -> None:
        self._newest = newest
        for slot in [one for one in self._slots if one <= newest - _SLOTS]:
            for item, weight in self._slots.pop(slot).items():
                self._add(item, -weight)
            self.items.changed()

    def _add(self, item: str, weight: int) -> None:
        total = self._totals.get(item, 0) + weight
        if total:
            self._totals[item] = total
        else:
            self._totals.pop(item, None)
