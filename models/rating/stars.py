r"""Ratings of any scale as stars: what the models of ratings learn is about four wide.

.. math:: s = 1 + 4\,\frac{r - lowest}{highest - lowest}

Variances, rates, radii and the ridge of the stacking are numbers for such a scale. One that is 3.5
to 5 wide (1 to 5, 0.5 to 5, 0 to 5) is learnt as it is.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_WIDTH, _FIRST = 4.0, 1.0
_NARROWEST, _WIDEST = 3.5, 5.0


@dataclass(frozen=True, slots=True)
class Stars:
    """A scale of ratings.

    Parameters
    ----------
    lowest, highest : float
        Of the ratings as they are sent, lowest < highest.
    """

    lowest: float
    highest: float

    @property
    def plain(self) -> bool:
        """Return whether ratings are stars as they are."""
        return _NARROWEST <= self.highest - self.lowest <= _WIDEST

    @property
    def unit(self) -> float:
        """Return what a star is in ratings."""
        return 1.0 if self.plain else (self.highest - self.lowest) / _WIDTH

    @property
    def limits(self) -> tuple[float, float]:
        """Return the least and the most stars."""
        return (self.lowest, self.highest) if self.plain else (_FIRST, _FIRST + _WIDTH)

    def of(self, ratings: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the stars (n,) of ratings within the scale; NaN stays NaN."""
        if self.plain:
            return ratings
        stars = _FIRST + (ratings.astype(np.float64) - self.lowest) / self.unit
        # the ends must stay inside, whatever rounding does: what is outside is no rating
        return np.clip(stars, *self.limits).astype(np.float32)

    def ratings(self, stars: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the ratings (…) that predictions in stars mean; they may be out of the scale."""
        if self.plain:
            return stars
        ratings = self.lowest + (stars.astype(np.float64) - _FIRST) * self.unit
        return ratings.astype(np.float32)
