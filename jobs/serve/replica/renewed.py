"""A value that is made anew at most once a second, however often its parts change."""

import time
from collections.abc import Callable
from typing import Generic, TypeVar

_T = TypeVar("_T")
_SECONDS = 1.0


class Renewed(Generic[_T]):
    """Keeps what a function returns.

    Parameters
    ----------
    make
        Makes the value.
    clock
        Seconds that never go back.
    """

    def __init__(self, make: Callable[[], _T], clock: Callable[[], float] = time.monotonic) -> None:
        self._make, self._clock = make, clock
        self._value: _T | None = None
        self._changed, self._made_at = True, float("-inf")

    def changed(self) -> None:
        """Note that the value is another now."""
        self._changed = True

    def __call__(self) -> _T:
        """Return the value, at most a second old."""
        now = self._clock()
        if self._value is None or (self._changed and now - self._made_at >= _SECONDS):
            self._changed, self._made_at = False, now
            self._value = self._make()
        return self._value
