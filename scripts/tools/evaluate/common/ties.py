"""Events of one time in a random order: what a file's own order inside a time is worth."""

from pathlib import Path
from types import MappingProxyType

import numpy as np

from scripts.tools.data.behaviour import Recorded
from scripts.tools.data.columns import Columns

TIES = ("file", "random")


class Shuffled(Recorded):
    """Rows of files in the order of their times, those of one time in a random one.

    Parameters
    ----------
    paths, columns, events
        As of `Recorded`.
    seed
        Of the order.
    """

    def __init__(
        self,
        *paths: Path,
        columns: Columns = MappingProxyType({}),
        events: int | None = None,
        seed: int = 1,
    ) -> None:
        super().__init__(*paths, columns=columns, events=events)
        order = np.random.default_rng(seed).permutation(len(self.times))
        self._order(np.lexsort((order, self.times)))
