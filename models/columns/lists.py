"""Recommended lists, and the reasons of their items."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BY_TRANSITION, BY_FACTORS, BY_TRENDING, BY_POPULAR, BY_NEW, BY_DEEP, BY_NEIGHBOURS = range(7)
BY_EXPLORED = 7
"""Why an item is recommended: it follows an item of the user's context, its latent factors fit
the user's, it is on the list of trending items, it is popular, it has only just appeared, the
deep model says so, users with the same items went on to it; or it was drawn, to find out."""


@dataclass(slots=True)
class Recommended:
    """The k best items of U users, best first; shorter lists are padded with row -1."""

    rows: NDArray[np.int32]
    """(U, k) rows of `models.items.table.Items`."""
    scores: NDArray[np.float32]
    """(U, k) comparable inside one user's list only."""
    reasons: NDArray[np.uint8]
    """(U, k) One of `BY_…`."""
    sources: NDArray[np.int32]
    """(U, k) row of the context item behind `BY_TRANSITION`, else -1."""

    @classmethod
    def empty(cls, users: int, k: int) -> "Recommended":
        """Return lists without items."""
        return cls(
            rows=np.full((users, k), -1, np.int32),
            scores=np.zeros((users, k), np.float32),
            reasons=np.zeros((users, k), np.uint8),
            sources=np.full((users, k), -1, np.int32),
        )
