"""What comes back over the loop, record by record: which part of the corridor it is for."""

from typing import Any

from numpy.typing import NDArray

from operators.corridor import Corridor
from operators.inbox import Handler
from operators.params import LearnUsersParams
from state import accepted as accepted_codec
from state import chunks
from state.codec import IncompatibleError
from state.model_store import ModelStore
from state.topics import lease, model_pointer, trending
from state.topics.lease import TakenOverError


class Hearing:
    """Takes records of the loop for a corridor.

    Parameters
    ----------
    corridor : Corridor
    params : LearnUsersParams
    """

    def __init__(self, corridor: Corridor, params: LearnUsersParams) -> None:
        self._corridor = corridor
        self._params = params
        self._pointer = 0

    def handlers(self) -> dict[str, dict[bytes, Handler]]:
        """Return what takes each kind of loop record, by topic and key."""
        return {
            "accepted_events": {b"": lambda _, value: self._hear_accepted(value)},
            "model_updates": {
                b"items": self._hear_chunk,
                trending.KEY: lambda _, value: self._hear_trending(value),
                lease.KEY: lambda _, value: self._hear_lease(value),
                model_pointer.KEY: lambda _, value: self.hear_model(value),
            },
        }

    def hear_model(self, value: bytes) -> None:
        """Serve the model that a pointer means; one that cannot be read leaves the old one."""
        pointer = model_pointer.decode(value)
        deep = self._corridor.learn.deep
        if pointer.sequence <= self._pointer or not self._params.deep:
            return
        if pointer.model == 0:
            deep.swap(None)
        elif pointer.model != deep.version:
            store = ModelStore(pointer.store)
            deep.swap(store.load(pointer, self._params.learning.deep))
        deep.blend.deep = pointer.weight
        self._pointer = pointer.sequence
        network = f"+{self._params.learning.deep.network}-{pointer.model}" if pointer.model else ""
        self._corridor.serve(network)

    def _hear_accepted(self, value: bytes) -> None:
        message = accepted_codec.decode(value)
        learning = self._params.learning
        if learning.differences:
            self._check_width(message.differences, learning.differences, len(message.moved))
            self._check_width(message.factors, 0)
        else:
            self._check_width(message.factors, learning.factors)
        self._corridor.learn.apply(message)
        self._corridor.hear(message.time)

    def _hear_chunk(self, name: bytes, value: bytes) -> None:
        rows, about = chunks.decode_all(value)
        self._check_width(rows.factors, self._params.learning.factors)
        self._check_width(rows.variance, self._params.learning.variances, len(rows))
        self._corridor.learn.hear(name, rows, about)

    def _hear_trending(self, value: bytes) -> None:
        """Take a list unless it is of another job, or of a time long past."""
        listed = trending.decode(value)
        mine = listed.origin in ("", f"{self._params.learning.origin:016x}")
        if mine and listed.window_end + self._params.trending_window_ms >= self._corridor.newest:
            self._corridor.items.trending = listed.keys()

    def _hear_lease(self, value: bytes) -> None:
        """End this job where another one has taken over its output topics."""
        mine, heard = self._params.lease, lease.decode(value)
        if mine is not None and mine.yields_to(heard):
            raise TakenOverError(
                f"lease: expected job {mine.job} (run {mine.run}) to be the only writer of its"
                f" topics, got job {heard.job} (run {heard.run}), which was submitted later; cancel"
                " one of the two, or give each topics of its own"
            )

    def _check_width(self, columns: NDArray[Any], expected: int, rows: int = 1) -> None:
        """Refuse records of another model: two jobs may share the loop for a while."""
        got = columns.shape[1]
        if rows and got != expected:
            raise IncompatibleError(
                f"loop: expected {expected} numbers a row, got {got}; give the other job topics of"
                " its own"
            )
