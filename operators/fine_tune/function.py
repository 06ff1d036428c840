"""fine-tune: the Flink shell around the tuner."""

import time
from collections.abc import Iterator
from typing import Any

from pyflink.common import Row
from pyflink.datastream import RuntimeContext
from pyflink.datastream.functions import KeyedProcessFunction

from operators.fine_tune.params import FineTuneParams
from operators.fine_tune.scratch import Scratch
from operators.fine_tune.tuner import Tuner
from state.keyed import descriptors, lineage

_TICK_MS = 1000


class FineTuneFunction(KeyedProcessFunction):
    """Keeps the training events, runs rounds in a process of its own, and says what serves.

    Input
        Examples of one window, and commands; one key.
    Output
        Topic, key and value: model pointers, progress, answers.
    State
        `fine-tune-v1`: blocks of events (bounded) and one status entry.
    Time
        Processing time; one timer a second, which also finds a round that was cut off.
    On failure
        The round begins again from state. A value that cannot be read fails the job, and so does
        state of other topics or of another job, before anything is said.
    """

    def __init__(self, params: FineTuneParams) -> None:
        self._params = params

    def open(self, runtime_context: RuntimeContext) -> None:
        """Get the state handle; the state is read at the first element or timer."""
        self._entries = runtime_context.get_map_state(descriptors.fine_tune())
        self._tuner: Tuner | None = None

    def process_element(self, value: Row, ctx: Any) -> Iterator[Row]:
        """Take the examples of a window and carry out commands."""
        tuner = self._ready()
        messages, commands = value
        tuner.take(messages or [])
        for key, command in commands or []:
            for record in tuner.command(key, command):
                yield Row(*record)
        tuner.save()
        _schedule(ctx)

    def on_timer(self, timestamp: int, ctx: Any) -> Iterator[Row]:  # noqa: ARG002
        """Look after the trainer."""
        tuner = self._ready()
        for record in tuner.tick():
            yield Row(*record)
        tuner.save()
        _schedule(ctx)

    def close(self) -> None:
        """End the trainer."""
        if self._tuner is not None:
            self._tuner.close()

    def _ready(self) -> Tuner:
        if self._tuner is None:
            held = self._entries.get(descriptors.LINEAGE_ENTRY)
            changed = lineage.to_keep(self._params.lineage, held)
            if changed is not None:
                self._entries.put(descriptors.LINEAGE_ENTRY, changed)
            scratch = Scratch("streamrec-fine-tune-")
            scratch.sweep()
            self._tuner = Tuner(
                self._params, self._entries, scratch, lambda: time.time_ns() // 1_000_000
            )
        return self._tuner


def _schedule(ctx: Any) -> None:
    timers = ctx.timer_service()
    next_tick = (timers.current_processing_time() // _TICK_MS + 1) * _TICK_MS
    timers.register_processing_time_timer(next_tick)
