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
    tastes: NDArray[np.float64]
    """By user and factor; as `kinds` and `fame` behind the scores."""
    kinds: NDArray[np.float64]
    """By item and factor."""
    fame: NDArray[np.float64]
    """By item, of standard deviation 1."""


def preferences(world: World, rng: np.random.Generator) -> Preferences:
    """Draw tastes, and let every user take different items by them; the pairs in random order.

    Taking the highest sums of score and Gumbel noise is drawing without replacement by the softmax
    of the scores.
    """
    tastes = rng.normal(size=(world.users, world.factors))
    kinds = rng.normal(size=(world.items, world.factors))
    scores = world.taste * tastes @ kinds.T / np.sqrt(world.factors)
    fame = rng.normal(size=world.items)
    scores += world.fame * fame
    noisy = scores + rng.gumbel(size=scores.shape)
    taken = np.argpartition(-noisy, world.taken, axis=1)[:, : world.taken]
    order = rng.permutation(taken.size)
    user = np.repeat(np.arange(world.users), world.taken)
    return Preferences(scores, user[order], taken.ravel()[order], tastes, kinds, fame)


def features(
    drawn: Preferences, noise: float, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return what can be observed of each user and of each item: what they are, with errors.

    Parameters
    ----------
    drawn
        Whose tastes become the users' features, and whose kinds and fame become the items'.
    noise
        Standard deviation of the errors; that of what they are added to is 1.
    rng
        Of the errors only.

    Returns
    -------
    user, item : ndarray
        A row each; no column tells of a user and an item together, as the scores do.
    """
    exact = drawn.tastes, np.column_stack((drawn.kinds, drawn.fame))
    user, item = ((each + noise * rng.normal(size=each.shape)).astype(np.float32) for each in exact)
    return user, item
