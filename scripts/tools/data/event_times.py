"""Event times of a replay: kept, or shifted to today where the job would refuse them."""

import argparse
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conf.schema import JobConfig
from scripts.tools.console import progress
from scripts.tools.data.behaviour import DAY_MS, Source

CHOICES = ("auto", "keep", "shift")
MINUTE_MS = 60_000


@dataclass(frozen=True)
class Window:
    """Times that a job takes, as `events.earliest` and `events.max_future` say, both included."""

    earliest_ms: int
    max_future_ms: int
    now_ms: int

    @classmethod
    def of(cls, config: JobConfig) -> "Window":
        """Return what a job takes now."""
        rules = config.events
        return cls(rules.earliest, rules.max_future, time.time_ns() // 1_000_000)

    def outside(self, times: NDArray[Any]) -> int:
        """Return how many of the times the job refuses."""
        latest = self.now_ms + self.max_future_ms
        return int(np.count_nonzero((times < self.earliest_ms) | (times > latest)))

    def __str__(self) -> str:
        ahead = self.max_future_ms / MINUTE_MS
        return (
            f"{day(self.earliest_ms)} (events.earliest) to {ahead:g} min ahead of now"
            " (events.max_future)"
        )


def add_argument(parser: argparse._ActionsContainer) -> None:
    """Add the option that chooses between kept and shifted times."""
    parser.add_argument(
        "--times", choices=CHOICES, default="auto",
        help="keep event times, or shift all of them by whole days so that the newest is of the"
        " last 24 hours (default: shift them where the job would refuse some)",
    )  # fmt: skip


def in_time(source: Source, window: Window, choice: str) -> Source:
    """Return the events with the times they shall be sent with, and say what was decided.

    A shift is of whole days: times of day stay, and a file that is replayed twice on one day
    gives the same events.

    Parameters
    ----------
    choice
        One of CHOICES.
    """
    times = source.times
    by_days = (window.now_ms - int(times.max())) // DAY_MS
    outside, left = window.outside(times), window.outside(times + by_days * DAY_MS)
    wanted = choice == "shift" or (choice == "auto" and left < outside)
    if not wanted or by_days == 0:
        _say_kept(source, window, outside, choice)
        return source
    shifted = source.moved(by_days)
    why = f"{outside:,} of {_all(source)} are outside what the job takes, {window}"
    progress(
        f"event times: shifted by {by_days:+,} days, from {span(times)} to {span(shifted.times)},"
        f" because {why if choice == 'auto' else '--times shift says so'}"
    )
    if choice == "auto":
        progress("event times: --times keep sends them as they are")
    if left:
        _warn(source, window, left, "choose events of a shorter time, or set events.earliest")
    return shifted


def _say_kept(source: Source, window: Window, outside: int, choice: str) -> None:
    if outside:
        hint = "" if choice == "shift" else "--times shift, or "
        _warn(source, window, outside, f"{hint}set events.earliest, or choose other events")
    elif choice != "auto":
        progress(f"event times: kept, {span(source.times)}")


def _warn(source: Source, window: Window, outside: int, advice: str) -> None:
    progress(
        f"event times: expected {window}, got {outside:,} of {_all(source)} outside, which the job"
        f" refuses; {advice}"
    )


def _all(source: Source) -> str:
    return f"{len(source.times):,} different events"


def span(times: NDArray[Any]) -> str:
    """Return the first and the last day.

    >>> span(np.array([DAY_MS, 0]))
    '1970-01-01 … 1970-01-02'
    """
    return f"{day(int(times.min()))} … {day(int(times.max()))}"


def day(ms: int) -> str:
    """Return the day of an instant; of any year, unlike `datetime`."""
    return str(np.datetime_as_string(np.datetime64(ms, "ms"), unit="D"))
