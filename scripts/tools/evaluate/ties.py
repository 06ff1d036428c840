"""Events of one time in a random order: what a file's own order inside a time is worth."""

from pathlib import Path

import numpy as np

from scripts.tools.data.behaviour import Recorded

TIES = ("file", "random")


class Shuffled(Recorded):
    """Rows of a Parquet file in the order of their times, those of one time in a random one.

    Parameters
    ----------
    path, events
        As of `Recorded`.
    seed
        Of the order.
    """

    def __init__(self, path: Path, *, events: int | None = None, seed: int = 1) -> None:
        super().__init__(path, events=events)
        order = np.random.default_rng(seed).permutation(len(self.times))
        at = np.lexsort((order, self.times))
        self.times, self._rows = self.times[at], self._rows[at]
        self.users, self.items = self.users.ordered(at), self.items.ordered(at)
        self.values = None if self.values is None else self.values[at]
