"""What another policy would show: the probability of each logged impression under it.

`ranked` is the list without exploration: an item that ranking put into its place has the
probability 1 there, one that was drawn instead of it 0. The records have to say so in their
`reason`: an item that was drawn where ranking had put it all the same is ranked, not `explored`,
and the propensity is that of the item in its place, by ranking or by chance.
"""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from scripts.tools.console import ToolError
from scripts.tools.evaluate.feedback.impressions import Bad, Impressions, impression_key
from scripts.tools.evaluate.feedback.source import Value

RANKED = "ranked"
EXPLORED = "explored"
"""Reason of an item that exploration drew."""

Probabilities = NDArray[np.float64]
"""(n,) of each impression; NaN where nothing is known."""


class Line(msgspec.Struct):
    """A line of a file of probabilities."""

    rec_id: str
    item_id: str
    probability: Annotated[float, msgspec.Meta(ge=0, le=1)]


@dataclass(frozen=True)
class Policy:
    """Probabilities of impressions by their keys, ascending."""

    key: NDArray[np.uint64]
    probability: NDArray[np.float64]
    bad: Bad

    @classmethod
    def of(cls, values: Iterable[Value]) -> "Policy":
        """Read a file of probabilities.

        Raises
        ------
        ToolError
            Where there is no line, or one impression has several probabilities.
        """
        bad, key, probability = Bad(), array("Q"), array("d")
        for where, value in values:
            line = bad.decoded(where, value, Line)
            if line is not None:
                key.append(impression_key(line.rec_id, line.item_id))
                probability.append(line.probability)
        if not key:
            example = f": {bad.examples[0]}" if bad.count else ""
            message = 'expected lines {"rec_id": …, "item_id": …, "probability": …}'
            raise ToolError(f"--target: {message}, got none{example}", code=2)
        keys, first = np.unique(np.frombuffer(key, np.uint64), return_index=True)
        if several := len(key) - len(keys):
            message = f"expected one line an impression, got {several:,} more"
            raise ToolError(f"--target: {message}; leave one of each rec_id and item_id", code=2)
        return cls(keys, np.frombuffer(probability, np.float64)[first], bad)

    def probabilities(self, found: Impressions) -> Probabilities:
        """Return those of impressions."""
        at = np.minimum(np.searchsorted(self.key, found.key), len(self.key) - 1)
        return np.where(self.key[at] == found.key, self.probability[at], np.nan)


def ranked(found: Impressions) -> Probabilities:
    """Return the probabilities of the list without exploration."""
    explored = np.array([reason == EXPLORED for reason in found.reasons])
    return np.where(explored[found.reason], 0.0, 1.0)
