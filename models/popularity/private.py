"""Counts of items that hide whether any one user was among those counted: user-level privacy.

A user adds at most one to each of at most m items of a release. To each count that is not 0
two-sided geometric noise is added (Ghosh, Roughgarden & Sundararajan 2009), the difference of two
geometric numbers:

    P(Z = z) = (1 - a) / (1 + a) * a^|z|,  a = exp(-epsilon / m)

Which items have a count at all says something, too: an item that only one user named would not be
there without that user. So an item is told only where its noisy count reaches a threshold t
(Korolova et al. 2009; Bun, Nissim & Stemmer 2016). Of count 1 it does so with probability

    P(1 + Z >= t) = a^(t - 1) / (1 + a) <= delta / m

which is solved for t; a user has m such items at most, so that with probability 1 - delta none of
them is told. Together a release is (epsilon, delta)-private for a user who is added or removed.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class PrivateCounts:
    """The budget of one release of counts."""

    epsilon: float
    delta: float
    items: int
    """Most distinct items that one user may count for in a release (m)."""

    @property
    def scale(self) -> float:
        """Return m / epsilon: the mean of a geometric number, nearly, and -1 / ln(a)."""
        return self.items / self.epsilon

    @property
    def ratio(self) -> float:
        """Return a: the probability of a noise against that of one nearer to 0."""
        return math.exp(-1 / self.scale)

    @property
    def threshold(self) -> int:
        """Return the least noisy count that is told."""
        likelihood = self.items / (self.delta * (1 + self.ratio))
        return 1 + max(1, math.ceil(self.scale * math.log(likelihood)))

    def probability(self, noise: int) -> float:
        """Return the probability of a noise."""
        return math.tanh(0.5 / self.scale) * math.exp(-abs(noise) / self.scale)


@dataclass(frozen=True, slots=True)
class Total:
    """What several releases say together of one user."""

    epsilon: float
    delta: float


def total(counts: PrivateCounts, releases: int, slack: float = 1e-6) -> Total:
    """Return the budget of several releases that one user may be in all of.

    The smaller of the sum of all, and of what Dwork, Rothblum & Vadhan (2010) show:
    `sqrt(2 n ln(1 / slack)) epsilon + n epsilon (exp(epsilon) - 1)`, whose delta is larger by
    `slack`.

    Parameters
    ----------
    releases : int
        At least 1. Where a window has hops, those of one window are `window / hop`.
    slack : float
        Larger than 0, less than 1.
    """
    epsilon, delta = counts.epsilon, releases * counts.delta
    basic = releases * epsilon
    growth = math.expm1(min(epsilon, 700.0))  # more would overflow, and is more than the sum anyway
    advanced = math.sqrt(2 * releases * -math.log(slack)) * epsilon + basic * growth
    if advanced < basic:
        return Total(advanced, delta + slack)
    return Total(basic, delta)
