"""The ratings of a file as columns of numbers, checked."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conf.schema import JobConfig
from scripts.tools.console import ToolError, progress
from scripts.tools.data.behaviour import Recorded

_STARS = 4.0
"""Distance of the best rating from the worst on the scale that models learn: that of five stars."""


@dataclass(frozen=True)
class Ratings:
    """Ratings in order; users and items are numbered from 0."""

    user: NDArray[np.int32]
    item: NDArray[np.int32]
    value: NDArray[np.float64]
    time: NDArray[np.int64]
    """Event time, ms since 1970."""
    users: int
    items: int
    lowest: float
    highest: float

    def __len__(self) -> int:
        """Return the number of ratings."""
        return len(self.value)

    @property
    def unit(self) -> float:
        """Return what one star of the models' scale is in the file."""
        return (self.highest - self.lowest) / _STARS

    @property
    def stars(self) -> NDArray[np.float32]:
        """The ratings on the scale that all models learn: settings are made for five stars."""
        return (self.value / self.unit).astype(np.float32)

    @property
    def limits(self) -> tuple[float, float]:
        """The range of the ratings on the models' scale."""
        return self.lowest / self.unit, self.highest / self.unit

    def clipped(self, stars: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Return predictions on the models' scale, clipped to the range."""
        lowest, highest = self.limits
        return np.clip(stars, lowest, highest).astype(np.float32)

    def told(self) -> dict[str, Any]:
        """Return how many they are, for JSON."""
        return {
            "events": len(self),
            "users": self.users,
            "items": self.items,
            "lowest": self.lowest,
            "highest": self.highest,
        }

    @classmethod
    def of(cls, data: Recorded, *, lowest: float | None, highest: float | None) -> "Ratings":
        """Return the ratings of a file.

        Parameters
        ----------
        data
            Its rows; those without a rating are left out, with a word.
        lowest, highest
            Range of the ratings; None: that of the rows.

        Raises
        ------
        ToolError
            Where there is nothing to predict: no ratings, one user only, one rating only; and for
            ratings that are no numbers or outside the range.
        """
        path, value = data.where, data.ratings(JobConfig().events.rating_type)
        if value is None or np.isnan(value).all():
            message = f"{path}: expected a column rating, got none; evaluate it by `ranking`"
            raise ToolError(message)
        rated = ~np.isnan(value)
        if not rated.all():
            left = len(value) - np.count_nonzero(rated)
            progress(f"{path}: {left:,} of {len(value):,} rows left out: no rating")
            data, value = data.chosen(rated), value[rated]
        if not np.isfinite(value).all():
            wrong = int(np.flatnonzero(~np.isfinite(value))[0])
            message = f"{path}: rating: expected numbers, got {value[wrong]}"
            raise ToolError(f"{message} in row {data.row(wrong)}; drop it")
        users, items = len(data.users.distinct), len(data.items.distinct)
        if users < 2:
            raise ToolError(f"{path}: expected ratings of several users, got one; take more rows")
        least = float(value.min()) if lowest is None else lowest
        most = float(value.max()) if highest is None else highest
        _check_range(data, value, least, most)
        user, item = data.users.codes, data.items.codes
        return cls(user, item, value, data.times, users, items, least, most)


def _check_range(data: Recorded, value: NDArray[np.float64], lowest: float, highest: float) -> None:
    if not lowest < highest:
        message = f"{data.where}: expected different ratings, got {lowest:g} to {highest:g}"
        raise ToolError(f"{message}; give --rating-min and --rating-max")
    outside = np.flatnonzero((value < lowest) | (value > highest))
    if len(outside):
        message = f"{data.where}: expected ratings from {lowest:g} to {highest:g}"
        first = f"{value[outside[0]]:g} in row {data.row(outside[0])}"
        got = f"got {first} ({len(outside):,} of {len(value):,})"
        raise ToolError(f"{message}, {got}; widen --rating-min and --rating-max")
