"""Limits of requests a second."""

import time
from collections import OrderedDict
from collections.abc import Callable

_MOST = 10_000
"""Names that are remembered: of those that asked longest ago nothing is known any more."""


class Rates:
    """Lets each name ask so many times a second, and a second's worth at once.

    The generic cell rate algorithm (ITU-T I.371): of each name only the time is kept at which it
    would have nothing left to wait for.

    Parameters
    ----------
    clock
        Seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due: OrderedDict[str, float] = OrderedDict()

    def wait(self, name: str, rate: float) -> float:
        """Return 0 where a request may pass, else the seconds after which one will."""
        now = self._clock()
        due = max(self._due.get(name, now), now)
        over = due - now - max(1.0, 1.0 / rate) + 1.0 / rate
        if over > 1e-9:
            return over
        self._due[name] = due + 1.0 / rate
        self._due.move_to_end(name)
        if len(self._due) > _MOST:
            self._due.popitem(last=False)
        return 0.0
