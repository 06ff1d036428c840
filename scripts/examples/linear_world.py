"""Made-up ratings from 1 to 5: attributes, users and items that differ, hidden tastes, chance."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Numbers = NDArray[np.float64]
Integers = NDArray[np.int64]

_STARS = (1.5, 2.5, 3.5, 4.5)
"""Where a score becomes one star more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """How many there are, and what a rating depends on: standard deviations, in stars."""

    users: int = 1_000
    items: int = 500
    ratings_per_user: int = 40
    """Of different items, at random."""
    attributes: int = 6
    """Of an item, each 0 or 1."""
    frequency: float = 0.3
    """Share of the items that have an attribute."""
    mean: float = 3.4
    """Of a score, before it is rounded."""
    attribute: float = 0.35
    """What an attribute is worth to all users alike."""
    attribute_taste: float = 0.3
    """How users differ about what an attribute is worth."""
    user: float = 0.4
    """How users differ in rating high or low."""
    item: float = 0.35
    """How items differ beyond their attributes."""
    hidden: int = 3
    """Tastes that no attribute tells of."""
    hidden_taste: float = 0.7
    """What they amount to."""
    noise: float = 0.6
    """Chance, drawn anew for each rating; nobody can foretell it."""


class Ratings(NamedTuple):
    """Rating n is `stars[n]` of user `user[n]` for item `item[n]`."""

    user: Integers
    item: Integers
    stars: Numbers

    def take(self, which: slice) -> "Ratings":
        """Return some of them."""
        return Ratings(self.user[which], self.item[which], self.stars[which])


class Drawn(NamedTuple):
    """What is known of a world, and the truth."""

    attributes: Numbers
    """By item and attribute."""
    ratings: Ratings
    """In random order."""
    expected: Numbers
    """The mean of a user's rating for an item over all chances: nothing has a lower RMSE."""


def draw(world: World, rng: np.random.Generator) -> Drawn:
    """Make up a world; a rating is a score with noise, rounded to 1, 2, 3, 4 or 5 stars."""
    size = world.users, world.items
    attributes = (rng.random((world.items, world.attributes)) < world.frequency).astype(float)
    worth = world.attribute * rng.normal(size=world.attributes)
    worth_to = worth + world.attribute_taste * rng.normal(size=(world.users, world.attributes))
    tastes, kinds = (rng.normal(size=(each, world.hidden)) for each in size)
    scores = (
        world.mean
        + worth_to @ (attributes - world.frequency).T
        + world.user * rng.normal(size=(world.users, 1))
        + world.item * rng.normal(size=world.items)
        + world.hidden_taste * tastes @ kinds.T / np.sqrt(max(world.hidden, 1))
    )
    rated = np.argsort(rng.random(size), axis=1)[:, : world.ratings_per_user].ravel()
    order = rng.permutation(rated.size)
    user = np.repeat(np.arange(world.users), world.ratings_per_user)[order]
    item = rated[order]
    noisy = scores[user, item] + world.noise * rng.normal(size=len(user))
    ratings = Ratings(user, item, np.clip(np.rint(noisy), 1, 5))
    return Drawn(attributes, ratings, expected(scores, world.noise))


def expected(scores: Numbers, noise: float) -> Numbers:
    """Return the mean rating for scores: 1, and 1 more for each border that is crossed."""
    return np.asarray(1 + sum(ndtr((scores - border) / noise) for border in _STARS))
