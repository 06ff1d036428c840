"""Made-up preferences that a factorisation can find: few factors, some fame, some chance."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """How many there are, and how they choose."""

    users: int = 1_000
    items: int = 500
    factors: int = 6
    taken: int = 40
    """Items of each user."""
    taste: float = 2.0
    """Standard deviation of what a user thinks of items, against a Gumbel noise of 1.3."""
    fame: float = 0.7
    """Standard deviation of what all think alike."""


class Preferences(NamedTuple):
    """What everybody likes, and what they took; pair n is `user[n]`, `item[n]`."""

    scores: NDArray[np.float64]
    """By user and item; never shown to a model."""
    user: NDArray[np.int64]
    item: NDArray[np.int64]


def preferences(world: World, rng: np.random.Generator) -> Preferences:
    """Draw tastes, and let every user take different items by them; the pairs in random order.

    Taking the highest sums of score and Gumbel noise is drawing without replacement by the softmax
    of the scores.
    """
    tastes = rng.normal(size=(world.users, world.factors))
    kinds = rng.normal(size=(world.items, world.factors))
    scores = world.taste * tastes @ kinds.T / np.sqrt(world.factors)
    scores += world.fame * rng.normal(size=world.items)
    noisy = scores + rng.gumbel(size=scores.shape)
    taken = np.argpartition(-noisy, world.taken, axis=1)[:, : world.taken]
    order = rng.permutation(taken.size)
    user = np.repeat(np.arange(world.users), world.taken)
    return Preferences(scores, user[order], taken.ravel()[order])
