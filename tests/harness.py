"""PyFlink without a JVM: drives the job's functions as one subtask would.

State and rows pass through PyFlink's own coders, so that a wrong type fails here as it would on
a cluster, and map state has the oddities of process mode.
"""

import copy
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import cloudpickle
from pyflink.common import Row
from pyflink.common.typeinfo import TypeInformation
from pyflink.datastream.state import MapStateDescriptor
from pyflink.fn_execution.beam.beam_coders import FlinkCoder
from pyflink.fn_execution.coders import from_type_info

from jobs.types import ITEM_BATCH, KEYED_RECORD, LEARNED, LOOP_RECORD, MICRO_BATCH
from operators.learn_items.function import LearnItemsFunction
from operators.learn_users import function
from operators.learn_users.function import LearnUsersFunction
from operators.learn_users.ingest import IngestFunction
from operators.params import LearnItemsParams, LearnUsersParams
from state.topics import model_pointer
from tests.builders import NOW, Record


class Coder:
    """PyFlink's coder of a type."""

    def __init__(self, kind: TypeInformation) -> None:
        self._implementation = FlinkCoder(from_type_info(kind)).get_impl()

    def encode(self, value: Any) -> bytes:
        """Return the bytes that go to the JVM."""
        return self._implementation.encode(value)

    def decode(self, data: bytes) -> Any:
        """Return what comes from the JVM."""
        return self._implementation.decode(data)

    def pass_over(self, value: Any) -> Any:
        """Return a value as it arrives on the other side."""
        return self.decode(self.encode(value))


_MICRO_BATCH, _LEARNED = Coder(MICRO_BATCH), Coder(LEARNED)
_ITEM_BATCH, _KEYED_RECORD = Coder(ITEM_BATCH), Coder(KEYED_RECORD)
_LOOP_RECORD = Coder(LOOP_RECORD)


def _addressed(value: bytes) -> tuple[str, bytes, bytes]:
    """Return a loop record of one of the kinds the tests send."""
    if value[:2] == b"AC":
        return "accepted_events", b"\0\0\0\0", value
    if value[:1] != b"{":
        return "model_updates", b"items/0", value
    return "model_updates", b"model" if b'"sequence":' in value else b"trending", value


@dataclass
class Clock:
    """Processing time that moves only when it is told to; stands in for the module `time`."""

    now_ms: int = NOW

    def time_ns(self) -> int:
        """Return nanoseconds since 1970."""
        return self.now_ms * 1_000_000

    def monotonic(self) -> float:
        """Return seconds since some time."""
        return self.now_ms / 1_000


@dataclass
class Savepoint:
    """All that outlives a subtask, by key."""

    maps: dict[int, dict[str, dict[bytes, bytes]]] = field(default_factory=dict)
    timers: set[tuple[int, int]] = field(default_factory=set)
    """(time, key)"""
    broadcast: dict[str, dict[str, bytes]] = field(default_factory=dict)


class _Broadcast(dict[str, bytes]):
    """Broadcast state: a map without a key."""

    def put(self, key: str, value: bytes) -> None:
        self[key] = value

    def contains(self, key: str) -> bool:
        return key in self

    def remove(self, key: str) -> None:
        del self[key]


class MapState:
    """Map state of the current key, as process mode has it."""

    def __init__(self, subtask: "Subtask", descriptor: MapStateDescriptor) -> None:
        self._subtask = subtask
        self._name = descriptor.get_name()
        self._key = Coder(descriptor.type_info._key_type_info)
        self._value = Coder(descriptor.type_info._value_type_info)
        self._changes = 0

    @property
    def _entries(self) -> dict[bytes, bytes]:
        maps = self._subtask.state.maps.setdefault(self._subtask.key, {})
        return maps.setdefault(self._name, {})

    def get(self, key: Any) -> Any:
        stored = self._entries.get(self._key.encode(key))
        return None if stored is None else self._value.decode(stored)

    def put(self, key: Any, value: Any) -> None:
        self._changes += 1
        self._entries[self._key.encode(key)] = self._value.encode(value)

    def put_all(self, entries: Any) -> None:
        for key, value in entries:  # a dictionary gives its keys only: raises, as in PyFlink
            self.put(key, value)

    def remove(self, key: Any) -> None:
        self._changes += 1
        del self._entries[self._key.encode(key)]

    def contains(self, key: Any) -> bool:
        return self.get(key) is not None

    def items(self) -> Iterator[tuple[Any, Any]]:
        for key, value in self._iterate():
            yield self._key.decode(key), self._value.decode(value)

    def keys(self) -> Iterator[Any]:
        for key, _ in self._iterate():
            yield self._key.decode(key)

    def values(self) -> Iterator[Any]:
        for _, value in self._iterate():
            yield self._value.decode(value)

    def is_empty(self) -> bool:
        return not self._entries

    def clear(self) -> None:
        self._changes += 1
        self._entries.clear()

    def _iterate(self) -> Iterator[tuple[bytes, bytes]]:
        before = self._changes
        for entry in list(self._entries.items()):
            if self._changes != before:
                msg = "Concurrent modification detected"
                raise RuntimeError(msg)
            yield entry


class Timers:
    """Processing-time timers of the current key."""

    def __init__(self, subtask: "Subtask") -> None:
        self._subtask = subtask

    def current_processing_time(self) -> int:
        return self._subtask.clock.now_ms

    def register_processing_time_timer(self, timestamp: int) -> None:
        self._subtask.state.timers.add((timestamp, self._subtask.key))

    def delete_processing_time_timer(self, timestamp: int) -> None:
        self._subtask.state.timers.discard((timestamp, self._subtask.key))


class Subtask:
    """What both functions need of Flink: context, state, timers."""

    def __init__(self, function: Any, clock: Clock, restored: Savepoint | None) -> None:
        self.clock = clock
        self.state = copy.deepcopy(restored) if restored else Savepoint()
        self.key = -1
        self._timers = Timers(self)
        self.function = cloudpickle.loads(cloudpickle.dumps(function))
        self.function.open(self)

    def get_index_of_this_subtask(self) -> int:
        return 0

    def get_number_of_parallel_subtasks(self) -> int:
        return 1

    def get_map_state(self, descriptor: MapStateDescriptor) -> MapState:
        """Return a handle, as the runtime context does."""
        return MapState(self, descriptor)

    def get_broadcast_state(self, descriptor: MapStateDescriptor) -> dict[str, bytes]:
        """Return the broadcast state of a name; it has no key."""
        return self.state.broadcast.setdefault(descriptor.get_name(), _Broadcast())

    def timer_service(self) -> Timers:
        """Return the timers, as a context does."""
        return self._timers

    def get_current_key(self) -> int:
        """Return the key, as a context does."""
        return self.key

    def call(self, method: Callable[..., Iterable[Row] | None], value: Any) -> list[Row]:
        """Call a method of the function at the clock's time; return what it emits."""
        with mock.patch.object(function, "time", self.clock):
            return list(method(value, self) or ())

    def savepoint(self) -> Savepoint:
        """Return a copy of all state."""
        return copy.deepcopy(self.state)

    def wait(self, milliseconds: int) -> list[Row]:
        """Let processing time pass; return what timers emitted on the way."""
        end = self.clock.now_ms + milliseconds
        emitted: list[Row] = []
        while due := sorted(timer for timer in self.state.timers if timer[0] <= end):
            timestamp, self.key = due[0]
            self.state.timers.discard(due[0])
            self.clock.now_ms = max(self.clock.now_ms, timestamp)
            emitted += self.call(self.function.on_timer, timestamp)
        self.clock.now_ms = end
        return emitted


@dataclass(frozen=True)
class Learned:
    """What learn-users emitted for one micro-batch, as the JVM reads it."""

    row: Row

    @property
    def recommendations(self) -> dict[str, dict[str, Any]]:
        """Decoded recommendations by user; a user must not have two."""
        found = {k.decode(): json.loads(v) for k, v in self.row.recommendations}
        assert len(found) == len(self.row.recommendations)
        return found

    @property
    def dead_letters(self) -> list[tuple[bytes | None, bytes | None, dict[str, str]]]:
        """Key, value and decoded headers of each dead letter."""
        return [
            (letter.k, letter.v, {name: text.decode() for name, text in letter.h.items()})
            for letter in self.row.dead_letters
        ]

    @property
    def codes(self) -> list[str]:
        """Why records were rejected, in their order."""
        return [headers["err.code"] for _, _, headers in self.dead_letters]

    @property
    def accounting(self) -> dict[str, Any]:
        """All that the bucket ever consumed."""
        (record,) = [one for one in self.row.accounting if one.k.startswith(b"accounting")]
        counted: dict[str, Any] = json.loads(record.v)
        return counted

    @property
    def gauges(self) -> list[tuple[bytes, bytes]]:
        """Key and value of the records about the worker."""
        return [(one.k, one.v) for one in self.row.accounting if one.k.startswith(b"worker")]

    @property
    def accepted(self) -> bytes | None:
        """Message to the loop, where there is one."""
        messages: list[bytes] = self.row.accepted
        assert len(messages) <= 1
        return messages[0] if messages else None

    @property
    def messages(self) -> list[bytes]:
        """All messages to the loop."""
        return list(self.row.accepted)

    @property
    def metrics(self) -> dict[str, float]:
        """What the micro-batch adds to the metrics window."""
        return self.row.metrics.as_dict()


class UsersSubtask(Subtask):
    """A subtask of learn-users."""

    def __init__(
        self,
        params: LearnUsersParams,
        clock: Clock,
        restored: Savepoint | None = None,
        function: type[LearnUsersFunction | IngestFunction] = LearnUsersFunction,
    ) -> None:
        super().__init__(function(params), clock, restored)

    def take(self, records: Sequence[Record], *, bucket: int = 0) -> Learned:
        """Take one micro-batch and return the one row emitted for it."""
        batch = Row(
            bucket,
            [record.key for record in records],
            [record.value for record in records],
            [record.coordinate for record in records],
            [record.published for record in records],
        )
        self.key = bucket
        (emitted,) = self.call(self.function.process_element, _MICRO_BATCH.pass_over(batch))
        return Learned(_LEARNED.pass_over(emitted))

    def idle(self, milliseconds: int) -> list[Learned]:
        """Let processing time pass; return what timers emitted on the way."""
        return [Learned(_LEARNED.pass_over(row)) for row in self.wait(milliseconds)]

    def receive(self, *values: bytes) -> None:
        """Take records of the loop."""
        for value in values:
            self.hear_as(*_addressed(value))

    def hear_as(self, topic: str, name: bytes, value: bytes) -> None:
        """Take a record of the loop by its topic and key."""
        record = _LOOP_RECORD.pass_over(Row(topic, name, value))
        assert self.call(self.function.process_broadcast_element, record) == []
        if name == model_pointer.KEY and isinstance(self.function, LearnUsersFunction):
            self.function._receiver._loader.wait(10)

    def remembered(self, *, bucket: int = 0) -> dict[str, bytes]:
        """Return every stored value of a bucket by its entry."""
        self.key = bucket
        return dict(self.function._users.items())


class ItemsSubtask(Subtask):
    """A subtask of learn-items."""

    def __init__(
        self, params: LearnItemsParams, clock: Clock, restored: Savepoint | None = None
    ) -> None:
        super().__init__(LearnItemsFunction(params), clock, restored)
        self._keys = params.keys

    def take(self, *messages: bytes) -> None:
        """Take accepted batches of one window, each bucket its copy."""
        for bucket, key in enumerate(self._keys):
            self.key = key
            batch = _ITEM_BATCH.pass_over(Row(bucket, list(messages)))
            assert self.call(self.function.process_element, batch) == []

    def publish(self, milliseconds: int = 10_000) -> list[tuple[bytes, bytes]]:
        """Let processing time pass and return name and Arrow bytes of the chunks published."""
        emitted = [_KEYED_RECORD.pass_over(row) for row in self.wait(milliseconds)]
        return [(row.k, row.v) for row in emitted]
