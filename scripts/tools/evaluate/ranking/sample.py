"""Which events of a stream are ranked, and the slices that they are in."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scripts.tools.data.behaviour import Blocks
from scripts.tools.evaluate.baselines.stream import Stream
from scripts.tools.evaluate.common.output import SLICES, first_of

COLD_START = {"event2": 2, "event3": 3, "event6": 6}
"""Slices of users who are new, and the number of such an event among its user's events."""


@dataclass(frozen=True)
class Sample:
    """The ranked events of a stream.

    Parameters
    ----------
    every
        One event in so many is ranked.
    ordinal : int64[n]
        Number of each event among its user's, from 1; 0 where it teaches nothing.
    whole
        Whether every event of the slices `COLD_START` is ranked, too.
    """

    every: int
    ordinal: NDArray[np.int64]
    whole: bool

    @classmethod
    def of(cls, data: Blocks, every: int, *, whole: bool) -> "Sample":
        """Return the ranked events of some data."""
        return cls(every, ordinals(data), whole)

    @property
    def more(self) -> NDArray[np.bool_]:
        """Events that are ranked wherever they are."""
        return np.isin(self.ordinal, list(COLD_START.values())) & self.whole

    def slices(self) -> dict[str, NDArray[np.bool_]]:
        """Return which events each slice has; those of time have one event in so many only."""
        numbers = np.arange(len(self.ordinal))
        regular = numbers % self.every == 0
        parts = {part: regular & (numbers >= first_of(part, len(numbers))) for part in SLICES}
        ranked = regular | self.more
        return parts | {part: ranked & (self.ordinal == n) for part, n in COLD_START.items()}


def ordinals(data: Blocks) -> NDArray[np.int64]:
    """Return the number of each event among its user's, from 1; 0 where it teaches nothing."""
    stream = Stream.of(data)
    order = np.argsort(stream.user, kind="stable")
    begin = np.searchsorted(stream.user[order], np.arange(stream.users))
    found = np.zeros(data.events, np.int64)
    found[stream.number[order]] = np.arange(1, len(order) + 1) - begin[stream.user[order]]
    return found
