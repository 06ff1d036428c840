"""The receiver: what each record of the loop changes in the pipeline."""

import logging
import time
from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from models.deep.placed import Placed
from operators.learn_users.inbox import Handler
from operators.learn_users.model_loader import ModelLoader
from operators.learn_users.pipeline import Pipeline
from operators.params import LearnUsersParams
from state.codec.sealed import ForeignError, IncompatibleError, StateError
from state.topics import accepted as accepted_codec
from state.topics import (
    availability,
    chunks,
    forgotten,
    lease,
    model_pointer,
    switches,
    trending,
    worker,
)
from state.topics.lease import TakenOverError
from state.topics.model_pointer import ModelPointer
from state.topics.switches import Switch

_LOG = logging.getLogger(__name__)
_FOREIGN = "loop: expected a switch of this job, got one of another job; give each its own topics"
_RESTORE_SECONDS = 10.0
"""How long a restart waits for the model that was served before it."""


class Receiver:
    """Takes records of the loop for a pipeline.

    Parameters
    ----------
    pipeline : Pipeline
    params : LearnUsersParams
    clock : function
        Seconds, monotonic.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        params: LearnUsersParams,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pipeline = pipeline
        self._params = params
        self._pointer: ModelPointer | None = None
        learn = pipeline.learn
        placing = lambda: learn.deep.placing(learn.items)  # noqa: E731
        self._loader = ModelLoader(params.learning.deep, placing, clock)

    def handlers(self) -> dict[str, dict[bytes, Handler]]:
        """Return what takes each kind of loop record, by topic and key."""
        return {
            "accepted_events": {b"": lambda _, value: self._receive_accepted(value)},
            "model_updates": {
                b"items": self._receive_chunk,
                trending.KEY: lambda _, value: self._receive_trending(value),
                lease.KEY: lambda _, value: self._receive_lease(value),
                model_pointer.KEY: lambda _, value: self.receive_model(value),
                availability.KIND: self.receive_availability,
            },
        }

    def receive_model(self, value: bytes) -> None:
        """Want the model that a pointer of this submission means."""
        pointer = model_pointer.decode(value)
        if self._is_mine(pointer) and pointer.follows(self._pointer):
            self.follow_model()
            self._want(pointer)

    def receive_availability(self, key: bytes, value: bytes) -> None:
        """Take what the catalogue says of an item."""
        self._pipeline.describe(availability.decode(key, value))

    def receive_switch(self, value: bytes) -> Switch | None:
        """Obey what an operator has switched; return it where it is news."""
        switch, mine = switches.decode(value), self._params.learning.origin
        if mine and switch.origin not in (0, mine):
            raise ForeignError(_FOREIGN)
        return switch if self._pipeline.switch(switch) else None

    def keeps(self, value: bytes, held: bytes | None) -> bool:
        """Return whether a pointer is to be kept for a restored job, in place of what is held."""
        try:
            pointer = model_pointer.decode(value)
            if not self._is_mine(pointer):
                return False
            return pointer.follows(None if held is None else model_pointer.decode(held))
        except StateError:
            return False

    def restore_model(self, value: bytes) -> None:
        """Serve what was served before a restart, whichever submission of the job that was.

        The store has a few seconds: within them users' states go on without a gap.
        """
        try:
            self._want(model_pointer.decode(value))
        except StateError as error:  # fine-tune publishes it anew
            _LOG.warning("pointer in state skipped: %s", error)
        self._loader.wait(_RESTORE_SECONDS)
        self.follow_model()

    def follow_model(self) -> None:
        """Serve the model that is wanted as soon as it is loaded; until then the one before."""
        pointer = self._pointer
        if pointer is not None and (placed := self._loader.loaded()) is not None:
            self._serve(placed, pointer)

    def serving(self) -> worker.Serving:
        """Return what is served and what is not yet."""
        deep, pointer = self._pipeline.learn.deep, self._pointer
        model = deep.model
        return worker.Serving(
            model=deep.version,
            sha256=model.sha256[:12] if model else "",
            wanted=pointer.model if pointer else 0,
            error=self._loader.error,
        )

    def _is_mine(self, pointer: ModelPointer) -> bool:
        lease = self._params.lease
        return self._params.deep and (lease is None or pointer.is_of(lease.job, lease.run))

    def _want(self, pointer: ModelPointer) -> None:
        self._pointer, served = pointer, self._pipeline.learn.deep.model
        if pointer.model == 0:
            self._loader.want(None)
            self._serve(None, pointer)
        elif served and (served.version, served.sha256) == (pointer.model, pointer.sha256):
            self._loader.want(None)
            self._pipeline.learn.deep.blend.deep = pointer.weight
        else:
            self._loader.want(pointer)
            # until it is there the one before weighs no more than what is meant: a rollback holds
            blend = self._pipeline.learn.deep.blend
            blend.deep = min(blend.deep, pointer.weight)

    def _serve(self, placed: Placed | None, pointer: ModelPointer) -> None:
        deep = self._pipeline.learn.deep
        deep.swap(placed)
        deep.blend.deep = pointer.weight
        network = self._params.learning.deep.network
        self._pipeline.serve(f"+{network}-{deep.version}" if placed else "")

    def _receive_accepted(self, value: bytes) -> None:
        if forgotten.is_one(value):
            self._pipeline.learn.forget(forgotten.decode(value))
            return
        if switches.is_one(value):
            self.receive_switch(value)
            return
        message = accepted_codec.decode(value)
        learning = self._params.learning
        if learning.differences:
            self._check_width(message.differences, learning.differences, len(message.moved))
            self._check_width(message.factors, 0)
        else:
            self._check_width(message.factors, learning.factors)
        self._pipeline.learn.apply(message)
        self._pipeline.note_time(message.time)

    def _receive_chunk(self, name: bytes, value: bytes) -> None:
        rows, about = chunks.decode_all(value)
        self._check_width(rows.factors, self._params.learning.factors)
        self._check_width(rows.variance, self._params.learning.variances, len(rows))
        self._pipeline.learn.receive(name, rows, about)

    def _receive_trending(self, value: bytes) -> None:
        """Take a list unless it is of another job, or of a time long past."""
        listed = trending.decode(value)
        mine = listed.origin in ("", f"{self._params.learning.origin:016x}")
        if mine and listed.window_end + self._params.trending_window_ms >= self._pipeline.newest:
            self._pipeline.items.trending = listed.keys()

    def _receive_lease(self, value: bytes) -> None:
        """End this job where another one has taken over its output topics."""
        mine, received = self._params.lease, lease.decode(value)
        if mine is not None and mine.yields_to(received):
            raise TakenOverError(
                f"lease: expected job {mine.job} (run {mine.run}) to be the only writer of its"
                f" topics, got job {received.job} (run {received.run}), which was submitted later;"
                " cancel one of the two, or give each topics of its own"
            )

    def _check_width(self, columns: NDArray[Any], expected: int, rows: int = 1) -> None:
        """Refuse records of another model: two jobs may share the loop for a while."""
        got = columns.shape[1]
        if rows and got != expected:
            raise IncompatibleError(
                f"loop: expected {expected} numbers a row, got {got}; give the other job topics of"
                " its own"
            )
