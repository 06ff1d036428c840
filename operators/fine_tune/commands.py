"""Commands to fine-tune: each has a handler, and is answered once."""

from collections.abc import Callable, Iterator

from operators.background import Done
from operators.fine_tune.champion import Champion, Record
from operators.fine_tune.store_calls import Found
from state.codec.sealed import StateError
from state.keyed.tuner_state import TunerState, Waiting
from state.topics import control

_REMEMBERED = 256
"""Command ids remembered."""
_WAITING = 16
"""Commands that may wait for the store."""


class Commands:
    """Answers commands: at once, or once the store has been asked.

    Parameters
    ----------
    state : TunerState
        Its fields `commands` and `waiting` are kept here.
    champion : Champion
    begin : function
        Asks for a round and returns what follows.
    clock_ms : function
    """

    def __init__(
        self,
        state: TunerState,
        champion: Champion,
        begin: Callable[[], str],
        clock_ms: Callable[[], int],
    ) -> None:
        self._state, self._champion, self._clock_ms = state, champion, clock_ms
        self._at_once = {"fine_tune_now": begin}
        self._with_store = {"rollback_model": self._roll_back, "promote_model": self._promote}

    def is_new(self, key: bytes | None) -> bool:
        """Return whether a command has not come before, and remember its id."""
        name, state = control.id_of(key), self._state
        if name and name in state.commands:
            return False
        state.commands = [*state.commands, name][-_REMEMBERED:]
        return True

    def receive(self, key: bytes | None, value: bytes | None) -> Iterator[Record]:
        """Answer a command, or keep it until the store has been asked.

        A repeated one is answered by nothing.
        """
        name, state = control.id_of(key), self._state
        if not self.is_new(key):
            return
        kind = ""
        try:
            command = control.decode(value)
            kind = command.command
            if kind in self._at_once:
                yield self._answer(name, kind, self._at_once[kind]())
            elif len(state.waiting) < _WAITING:
                state.waiting.append(Waiting(name, kind, command.model or 0))
            else:
                message = f"control: expected at most {_WAITING} commands at a time, got more"
                raise StateError(f"{message}; send it again when those before are answered")
        except ValueError as error:  # StateError is one
            yield self._answer(name, kind, error)

    def carry_out(self, waiting: Waiting, done: Done[Found]) -> Iterator[Record]:
        """Carry out a command that waited for the store, and answer it."""
        self._state.waiting = self._state.waiting[1:]
        result: str | Exception
        try:
            result = self._with_store[waiting.command](waiting.model, done)
        except ValueError as error:
            result = error
        yield self._answer(waiting.id, waiting.command, result)

    def _answer(self, name: str, kind: str, result: str | Exception) -> Record:
        ok = not isinstance(result, Exception)
        answer = control.Answer(name, kind, ok, str(result)[:1000], self._clock_ms())
        return ("control_results", *control.encode(answer))

    def _roll_back(self, _: int, done: Done[Found]) -> str:
        if not self._state.champion:
            message = "control: expected a model that serves, got none; nothing to do"
            raise StateError(message)
        if done.value is None:  # to none, which needs no store
            return self._champion.roll_back(f"by command, while {done.error}", {})
        return self._champion.roll_back("by command", done.value.usable)

    def _promote(self, version: int, done: Done[Found]) -> str:
        if done.value is None:  # whatever the store's libraries raised: the command is over
            raise StateError(str(done.error or "control: expected an answer of the store"))
        found, state = done.value, self._state
        manifest = found.usable.get(version)
        if manifest is None:
            why = found.refused.get(version, f"expected the version of a model, got {version}")
            raise StateError(f"control: {why}")
        if version != state.champion:
            self._champion.serve(manifest)
        # a store that others filled may hold newer ones: the next round must not overwrite them
        state.version = max(state.version, *found.versions)
        return f"model {version} serves"
