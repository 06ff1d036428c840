"""Lag over time: how many events the job has yet to account for, and when it has caught up."""

from collections.abc import Sequence
from dataclasses import dataclass, field

_FELL = 0.8


@dataclass
class Lags:
    """Samples of a lag.

    Parameters
    ----------
    seconds
        When each was taken, ascending.
    events
        Sent but not accounted for in a committed record.
    done
        Events that were accounted for.
    """

    seconds: list[float] = field(default_factory=list)
    events: list[int] = field(default_factory=list)
    done: list[int] = field(default_factory=list)

    def add(self, second: float, sent: int, done: int) -> None:
        """Add a sample."""
        self.seconds.append(second)
        self.events.append(sent - done)
        self.done.append(done)

    def shifted(self, seconds: float) -> "Lags":
        """Return a copy whose time begins so many seconds later."""
        return Lags([at - seconds for at in self.seconds], list(self.events), list(self.done))

    def largest(self, begin: float, end: float) -> int:
        """Return the largest lag between two instants, 0 where there is no sample."""
        pairs = zip(self.seconds, self.events, strict=True)
        return max((lag for at, lag in pairs if begin <= at <= end), default=0)

    def falling(self, window: float) -> bool:
        """Return whether the lag of the last seconds is clearly less than that of those before.

        Parameters
        ----------
        window
            Seconds that are compared with as many before.
        """
        end = self.seconds[-1] if self.seconds else 0.0
        return self.largest(end - window, end) < _FELL * self.largest(
            end - 2 * window, end - window
        )

    def rate(self, begin: float, end: float) -> float:
        """Return events a second that were accounted for between two instants."""
        inside = [n for n, at in enumerate(self.seconds) if begin <= at <= end]
        if len(inside) < 2:  # a slope has two ends
            return 0.0
        first, last = inside[0], inside[-1]
        return (self.done[last] - self.done[first]) / (self.seconds[last] - self.seconds[first])

    def silence(self, killed: float) -> float | None:
        """Return the longest time without progress that ended after an instant; None: no end."""
        longest, since, before = None, None, None
        for at, done in zip(self.seconds, self.done, strict=True):
            if before is None or done > before:
                if since is not None and at > killed:
                    longest = max(longest or 0.0, at - max(since, killed))
                since, before = at, done
        return longest


def caught_up(
    seconds: Sequence[float], lags: Sequence[int], *, killed: float, before: int, hold: float
) -> float | None:
    """Return after how many seconds a lag was back for good to what it was; None: not yet.

    Right after the death nobody has noticed, and the lag is what it always was: it must have been
    larger, then `before` or less for `hold` seconds.

    Parameters
    ----------
    before
        Largest lag of a stretch before the death.
    """
    back: float | None = None
    risen = False
    for at, lag in zip(seconds, lags, strict=True):
        if at <= killed:
            continue
        if lag > before:
            risen, back = True, None
        elif risen and back is None:
            back = at
    if back is None or seconds[-1] - back < hold:
        return None
    return back - killed
