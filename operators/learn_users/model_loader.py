"""From a pointer to the model it means: read in the background, and again where that failed."""

import logging
import time
from collections.abc import Callable
from functools import partial

from models.deep.placed import Model, Placed
from models.deep.shape import Shape
from operators.background import Background
from state.store.model_store import ModelStore
from state.topics.model_pointer import ModelPointer

_LOG = logging.getLogger(__name__)
_PATIENCE = 60.0
"""Seconds for a store to answer."""
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
"""Seconds before a load that failed is tried again, doubled each time."""


class ModelLoader:
    """Loads the model of the newest pointer.

    Parameters
    ----------
    shape : Shape
        Of the network that is configured; another one is refused.
    placing : function
        Returns what gives the items of now their embeddings.
    clock : function
        Seconds, monotonic.
    """

    def __init__(
        self,
        shape: Shape,
        placing: Callable[[], Callable[[Model], Placed]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._shape, self._placing, self._clock = shape, placing, clock
        self._wanted: ModelPointer | None = None
        self._loading: ModelPointer | None = None
        self._background: Background[Placed] = Background("model store", _PATIENCE, clock)
        self._pause, self._not_before = 0.0, 0.0
        self.error = ""
        """Why the model that is wanted is not served yet; empty where nothing is wrong."""

    def want(self, pointer: ModelPointer | None) -> None:
        """Load the model of a pointer, or nothing any more."""
        if _same(pointer, self._wanted):
            return
        self._wanted, self._pause, self._not_before, self.error = pointer, 0.0, 0.0, ""
        if self._background.busy and not _same(pointer, self._loading):
            self._background.give_up()
        self._begin()

    def loaded(self) -> Placed | None:
        """Return the model that was wanted, once it is there."""
        if self._wanted is None:
            return None
        done = self._background.poll()
        if done is None:
            self._begin()
            return None
        if done.error is None and done.value is not None:
            self._wanted, self.error = None, ""
            return done.value
        self.error = f"model {self._wanted.model} is not served: {done.error}"
        _LOG.warning("%s", self.error)
        self._pause = min(_LONGEST_PAUSE, max(_FIRST_PAUSE, 2 * self._pause))
        self._not_before = self._clock() + self._pause
        return None

    def wait(self, seconds: float) -> None:
        """Wait for what is being loaded, but no longer than so many seconds."""
        self._background.wait(seconds)

    def _begin(self) -> None:
        if self._wanted is None or self._background.busy or self._clock() < self._not_before:
            return
        self._loading = self._wanted
        self._background.start(partial(_load, self._wanted, self._shape, self._placing()))


def _load(pointer: ModelPointer, shape: Shape, placed: Callable[[Model], Placed]) -> Placed:
    return placed(ModelStore(pointer.store).load(pointer, shape))


def _same(one: ModelPointer | None, other: ModelPointer | None) -> bool:
    """Return whether two pointers mean one model in one place."""
    if one is None or other is None:
        return False
    return (one.store, one.model, one.sha256) == (other.store, other.model, other.sha256)
