"""Simulated users with hidden tastes, who look at lists from the top and click what they like.

A user's chance to click an item is a logistic function of taste times item plus the item's own
appeal; nobody but the simulation knows either. Lower places are seen less (position bias): the one
at distance d from the top with probability 1 / (1 + fall * d). Everything follows from the seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


@dataclass(frozen=True, kw_only=True, slots=True)
class TasteParams:
    """How many users and items there are, and how they are."""

    users: int = 300
    items: int = 200
    factors: int = 6
    strength: float = 0.75
    """Of a taste, against the appeal that an item has for everybody."""
    appeal: float = 0.5
    """Standard deviation of the items' appeal."""
    base: float = -2.5
    """Log-odds of a click on an average item."""
    fall: float = 0.15
    """How fast attention falls from place to place."""
    categories: int = 0
    """Groups of items that are alike; 0: each is on its own."""
    alike: float = 0.9
    """Share of an item's factors that its category says, as a correlation."""


class Look(NamedTuple):
    """An item that was seen."""

    place: int
    """From 0."""
    item: int
    clicked: bool


class Tastes:
    """What each user likes.

    Parameters
    ----------
    params
    seed
    """

    def __init__(self, params: TasteParams, seed: int) -> None:
        self._params = params
        self.random = random = np.random.default_rng(seed)
        users = random.normal(size=(params.users, params.factors))
        items = random.normal(size=(params.items, params.factors))
        self.category = np.zeros(params.items, np.intp)
        """(items,) number of the category of each."""
        if params.categories:
            self.category = random.integers(0, params.categories, params.items)
            centres = random.normal(size=(params.categories, params.factors))
            alone = np.sqrt(1 - params.alike**2)
            items = params.alike * centres[self.category] + alone * items
        appeal = random.normal(size=params.items) * params.appeal
        logits = params.strength * users @ items.T + appeal + params.base
        self.likes = 1 / (1 + np.exp(-logits))
        """(users, items): probability of a click on an item that is seen."""

    def look(self, user: int, items: Sequence[int]) -> list[Look]:
        """Let a user look at a list, best first; return what is seen."""
        found = []
        for place, item in enumerate(items):
            if self.random.random() > 1 / (1 + self._params.fall * place):
                continue
            found.append(Look(place, item, bool(self.random.random() < self.likes[user, item])))
        return found

    def find(self, user: int) -> int:
        """Return an item that a user comes across without a list, more likely one that pleases."""
        chances = np.cumsum(self.likes[user])
        return int(np.searchsorted(chances, self.random.random() * chances[-1], side="right"))
