"""Events into Kafka: how one is written, and when each is due."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from confluent_kafka import KafkaError, Message, Producer
from numpy.typing import NDArray
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from scripts.tools.console import ToolError
from scripts.tools.data.behaviour import Block
from scripts.tools.kafka.client import KafkaAddress

TICK_SECONDS = 0.01


class Event(msgspec.Struct, omit_defaults=True):
    """One event as it is written; see conf/event_plans/README.md."""

    event_id: str
    user_id: str
    item_id: str
    event_type: str
    timestamp: int
    value: float | None = None
    rec_id: str | None = None
    """Of an impression: the list that it is from."""
    position: int | None = None
    """Of an impression: the place in the list, from 1."""


@dataclass(frozen=True)
class Pace:
    """When an event is due: `rate` events a second, or `speed` times the pace of event time.

    With neither, every event is due at once.
    """

    rate: float | None = None
    speed: float | None = None

    def due(self, first: int, times: list[int], start_ms: int) -> NDArray[np.float64] | None:
        """Return seconds after the start at which the events of a block are due; None = now."""
        if self.rate:
            return (first + np.arange(len(times))) / self.rate
        if self.speed:
            due = (np.array(times) - start_ms) / 1000 / self.speed
            return np.asarray(np.maximum.accumulate(due))  # none before the one it follows
        return None


@dataclass(frozen=True)
class Replayed:
    """What a replay did."""

    events: int
    seconds: float


def encoded(block: Block) -> Iterator[tuple[bytes, bytes]]:
    """Yield key and value of every event of a block."""
    encode = msgspec.json.Encoder().encode
    columns = (block.event_ids, block.users, block.items, block.types, block.times, block.values)
    for event_id, user, item, kind, at, value in zip(*columns, strict=True):
        yield user.encode(), encode(Event(event_id, user, item, kind, at, value))


def replay(
    blocks: Iterable[Block],
    address: KafkaAddress,
    topic: str,
    *,
    pace: Pace = Pace(),
    on_progress: Callable[[int], None] = lambda _: None,
) -> Replayed:
    """Write events to a topic and return when the broker has them.

    Parameters
    ----------
    pace
        Counted from the first of the blocks.
    on_progress
        Called with the number of events sent so far.

    Raises
    ------
    ToolError
        If the broker refuses a record, or does not answer for a minute.
    """
    failures: list[KafkaError] = []
    producer = Producer(settings(address) | {"error_cb": failures.append})
    begin = time.monotonic()
    sent, start_ms = 0, None
    for block in blocks:
        start_ms = block.times[0] if start_ms is None else start_ms
        messages = list(encoded(block))
        for part in _when_due(messages, pace.due(sent, block.times, start_ms), begin):
            produce_all(producer, topic, part)
            sent += len(part)
            on_progress(sent)
    if producer.flush(60) > 0:
        cause = failures[-1].str() if failures else "no answer"
        message = f"{address.brokers}: expected all events stored, got {cause}; is the broker up?"
        raise ToolError(message)
    return Replayed(sent, time.monotonic() - begin)


def settings(address: KafkaAddress) -> dict[str, Any]:
    """Return the settings of a producer of events."""
    return address.client(
        {
            "linger.ms": 10,
            "batch.size": 1 << 20,
            "batch.num.messages": 100_000,
            "queue.buffering.max.messages": 200_000,
            "compression.type": "lz4",
            "enable.idempotence": True,
            "partitioner": "murmur2_random",  # where the Java client would put the key
            "delivery.report.only.error": True,
            "on_delivery": _refused,
        }
    )


def _refused(error: KafkaError | None, _message: Message) -> None:
    if error is not None:
        message = f"kafka: expected the record stored, got {error.str()}; see the broker's log"
        raise ToolError(message)


def _when_due(
    messages: list[tuple[bytes, bytes]], due: NDArray[np.float64] | None, begin: float
) -> Iterator[list[tuple[bytes, bytes]]]:
    """Yield slices of the messages, each as soon as all of it is due."""
    if due is None:
        yield messages
        return
    done = 0
    while done < len(messages):
        now = time.monotonic() - begin
        ready = int(np.searchsorted(due, now, side="right"))
        if ready > done:
            yield messages[done:ready]
            done = ready
        else:
            time.sleep(min(max(float(due[done]) - now, TICK_SECONDS), 1.0))


def produce_all(producer: Producer, topic: str, messages: Iterable[tuple[bytes, bytes]]) -> None:
    """Hand messages to a producer, which waits where its queue is full."""
    produce = producer.produce
    for key, value in messages:
        while True:
            try:
                produce(topic, value, key)
                break
            except BufferError:
                producer.poll(0.05)
    producer.poll(0)


def progress_bar() -> Progress:
    """Return a bar that shows events sent, and their rate; silent without a terminal."""
    return Progress(
        TextColumn("replay"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} events"),
        TextColumn("{task.speed:,.0f}/s" if sys.stderr.isatty() else ""),
        TimeRemainingColumn(),
        disable=not sys.stderr.isatty(),
    )
