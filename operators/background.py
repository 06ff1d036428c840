"""Calls that may take long or never return, such as those of a store, off the operator's thread."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from state.codec.sealed import StateError

T = TypeVar("T")
_MOST_STUCK = 4
"""Calls that were given up and have not returned; beyond that none is begun."""


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """The end of a call: a value or an error."""

    value: T | None
    error: Exception | None


class Background(Generic[T]):
    """Runs one call at a time in a daemon thread; whoever asked looks in for the result.

    A thread cannot be ended: a call that takes too long is given up, and what it returns later is
    forgotten.

    Parameters
    ----------
    what : str
        What is waited for, for messages.
    patience : float
        Seconds after which a call is given up.
    clock : function
        Seconds, monotonic.
    """

    def __init__(
        self, what: str, patience: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._what, self._patience, self._clock = what, patience, clock
        self._thread: threading.Thread | None = None
        self._result: list[Done[T]] = []
        self._begun, self._longest = 0.0, patience
        self._stuck: list[threading.Thread] = []

    @property
    def busy(self) -> bool:
        """Return whether a call was begun whose end nobody has taken yet."""
        return self._thread is not None

    @property
    def seconds(self) -> float:
        """Return how long the call at hand has run; 0 without one."""
        return self._clock() - self._begun if self.busy else 0.0

    def start(self, call: Callable[[], T], patience: float | None = None) -> None:
        """Begin a call; `poll` says how it ended.

        Parameters
        ----------
        call : function
        patience : float, optional
            In place of the usual one.

        Raises
        ------
        RuntimeError
            While another one runs.
        """
        if self._thread is not None:
            raise RuntimeError(f"{self._what}: expected no call to run, got one")
        self._stuck = [thread for thread in self._stuck if thread.is_alive()]
        self._begun, result = self._clock(), list[Done[T]]()
        self._longest = self._patience if patience is None else patience
        self._result = result
        if len(self._stuck) >= _MOST_STUCK:
            call = self._refuse
        self._thread = threading.Thread(target=_run, args=(call, result), daemon=True)
        self._thread.start()

    def poll(self) -> Done[T] | None:
        """Return how the call ended, once; None while it runs, or where there is none."""
        thread = self._thread
        if thread is None:
            return None
        if self._result:
            self._thread = None
            return self._result[0]
        if self.seconds < self._longest:
            return None
        self.give_up()
        return Done(None, StateError(
            f"{self._what}: expected an answer within {self._longest:g} s, got none; see whether"
            " it hangs"
        ))  # fmt: skip

    def give_up(self) -> None:
        """Forget the call at hand, whatever becomes of it."""
        if self._thread is not None:
            self._stuck.append(self._thread)
        self._thread = None

    def wait(self, seconds: float) -> None:
        """Wait for the call at hand, but no longer than so many seconds."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _refuse(self) -> T:
        raise StateError(
            f"{self._what}: expected answers, got none to {len(self._stuck)} calls that still wait;"
            " see whether it hangs"
        )


def _run(call: Callable[[], T], result: list[Done[T]]) -> None:
    try:
        result.append(Done(call(), None))
    except Exception as error:  # whoever polls decides what it means
        result.append(Done(None, error))
