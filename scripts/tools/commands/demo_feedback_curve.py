"""Click-through rate by arm over time, from the outcomes in the topic `feedback`."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from scripts.tools.results import Result
from state.topics.feedback import Feedback

SLICES = 18


@dataclass
class Clicks:
    """Impressions that are decided, and those with a click."""

    impressions: int = 0
    clicks: int = 0

    @property
    def rate(self) -> float | None:
        """Click-through rate; None without impressions."""
        return self.clicks / self.impressions if self.impressions else None

    def __add__(self, other: "Clicks") -> "Clicks":
        """Return both together."""
        return Clicks(self.impressions + other.impressions, self.clicks + other.clicks)


class Curve:
    """Outcomes by arm and by when the item was shown.

    By when it was shown, not decided: a click is decided at once, its absence when the window ends.

    Parameters
    ----------
    arms
        Names, in the order that they are shown in.
    seconds
        Of all slices together.

    Attributes
    ----------
    decided : int
        Outcomes so far.
    """

    def __init__(self, arms: list[str], seconds: int) -> None:
        self.slice_ms = 1000 * seconds / SLICES
        self._cells = {arm: [Clicks() for _ in range(SLICES)] for arm in arms}
        self._begin_ms = 0
        self.decided = 0

    def begin(self, now_ms: int) -> None:
        """Begin the first slice."""
        self._begin_ms = now_ms

    def take(self, one: Feedback) -> None:
        """Count the outcome of an impression."""
        self.decided += 1
        number = int((one.shown_at - self._begin_ms) / self.slice_ms)
        cell = self._cells[one.arm][min(max(number, 0), SLICES - 1)]
        cell.impressions += 1
        cell.clicks += one.action is not None

    @property
    def arms(self) -> list[str]:
        """Names of the arms."""
        return list(self._cells)

    def total(self, arm: str) -> Clicks:
        """Return all of an arm."""
        return sum(self._cells[arm], Clicks())

    def last_third(self, arm: str) -> Clicks:
        """Return what was shown in the last third of the time."""
        return sum(self._cells[arm][-SLICES // 3 :], Clicks())

    def recent(self, arm: str, now_ms: int, window_ms: int) -> Clicks:
        """Return the newest two slices whose outcomes are all decided."""
        ended = int((now_ms - window_ms - self._begin_ms) / self.slice_ms)
        return sum(self._cells[arm][max(ended - 2, 0) : max(ended, 0)], Clicks())

    def results(self) -> Iterator[Result]:
        """Yield the figures of each arm."""
        for arm in self.arms:
            total, last = self.total(arm), self.last_third(arm)
            yield Result(f"feedback.{arm}.impressions", total.impressions, "impressions")
            yield Result(f"feedback.{arm}.clicks", total.clicks, "clicks")
            yield Result(f"feedback.{arm}.click_through", total.rate, "share")
            yield Result(f"feedback.{arm}.click_through_last_third", last.rate, "share")

    def as_mapping(self) -> dict[str, Any]:
        """Return impressions and clicks by arm, slice by slice, as JSON has them."""
        return {
            "slice_s": self.slice_ms / 1000,
            "arms": {
                arm: {
                    "impressions": [cell.impressions for cell in cells],
                    "clicks": [cell.clicks for cell in cells],
                    "click_through": [cell.rate for cell in cells],
                }
                for arm, cells in self._cells.items()
            },
        }
