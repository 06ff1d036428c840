"""One writer for each set of output topics: who is alive is asked before a job starts."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from uuid import uuid4

import msgspec
from py4j.protocol import Py4JError
from pyflink.java_gateway import get_gateway

from conf.schema import JobConfig
from jobs.preflight import (
    BYTES_READER,
    PreflightError,
    client_properties,
    kafka_classes,
    say,
    warn,
)
from state.codec.sealed import StateError
from state.topics import lease
from state.topics.lease import Lease

_SLACK_MS = 2_000
"""For a timer that fires late and a record on its way."""
_POLL_MS = 200
_FIRST_LOOK, _WIDER = 256, 4
"""Records at the end of a partition that are looked at first, and how many times more then."""
_SEARCH_SECONDS = 60.0
"""For the last lease; whether a job still writes is then known only from what it writes next."""


def claim(config: JobConfig, *, take_over: bool) -> Lease:
    """Return the lease of a submission that begins now, once no other job renews its own.

    Where a job ever wrote the topics, they are watched for as long as it may be silent, from this
    moment on and by the clock of this machine alone: whether it has just been stopped, restarts,
    or is gone for weeks cannot be told from the times in its leases, which are another machine's.

    Its epoch is above all that were received: a clock that is behind must not make the job yield to
    one that has ended.

    Parameters
    ----------
    take_over
        Do not watch; a job that still runs then fails.

    Raises
    ------
    PreflightError
        If another job renews its lease.
    """
    now_ms = time.time_ns() // 1_000_000
    mine = Lease(run=uuid4().hex, job=config.job.name, epoch=now_ms, at=now_ms)
    last, searched = None, True
    try:
        with _Tail(config) as tail:
            last, searched = tail.last()
            if not take_over and (last is not None or not searched):
                _watch(config, last, tail)
    except (Py4JError, TypeError) as error:  # the latter: the client's class is not there
        warn("whether another job writes the topics", error)
    above = last.epoch + 1 if last else 0
    if not searched:  # one that is not known may have begun until now
        above = max(above, time.time_ns() // 1_000_000 + 1)
    return msgspec.structs.replace(mine, epoch=max(mine.epoch, above))


def patience_ms(config: JobConfig) -> int:
    """Return how long a job may go without renewing its lease.

    It renews once an interval of checkpoints, and may miss one; where Flink restarts it, it is
    silent for the back-off and until its workers have started.
    """
    return 2 * config.flink.checkpoint_interval + config.flink.restart_time + _SLACK_MS


def _watch(config: JobConfig, last: Lease | None, tail: "_Tail") -> None:
    """Return once nobody can be alive; where no lease was found in time, somebody may be, too."""
    seconds = patience_ms(config) / 1000
    until = time.monotonic() + seconds
    topic = config.kafka.topics.model_updates
    known = f"job {last.job} wrote it" if last else "no lease found in time"
    say(
        f"topic {topic}: {known}; watching for {seconds:g} s whether a job still writes it"
        " (--take-over does not wait)"
    )
    while time.monotonic() < until:
        for found in tail.fresh():
            raise PreflightError(_refusal(topic, found))


def _refusal(topic: str, found: Lease) -> str:
    return (
        f"preflight: topic {topic}: expected no other job that writes these topics, got job"
        f" {found.job} at it; stop it (scripts/savepoint --stop), give this one topics of its own,"
        " or take over with --take-over, which makes the other one fail"
    )


class _Tail:
    """Leases in the topic, from its end backwards, read by the connector's own client."""

    def __init__(self, config: JobConfig) -> None:
        jvm, kafka = get_gateway().jvm, kafka_classes()
        self._list: Callable[[], Any] = jvm.java.util.ArrayList
        self._duration = jvm.java.time.Duration.ofMillis(_POLL_MS)
        properties = client_properties(config)
        for side in ("key", "value"):
            properties.setProperty(f"{side}.deserializer", BYTES_READER)
        self._consumer = kafka.clients.consumer.KafkaConsumer(properties)
        topic, partitions = config.kafka.topics.model_updates, self._list()
        if topic in set(self._consumer.listTopics()):
            for part in self._consumer.partitionsFor(topic):
                partitions.add(kafka.common.TopicPartition(topic, part.partition()))
        self._partitions = {part.partition(): part for part in partitions}
        self._begins = self._offsets(self._consumer.beginningOffsets(partitions))
        self._ends = self._offsets(self._consumer.endOffsets(partitions))

    def __enter__(self) -> "_Tail":
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def last(self) -> tuple[Lease | None, bool]:
        """Return the newest lease there was when this was made, and whether the search was done.

        It is not where time ran out first. Call `fresh` then.
        """
        deadline = time.monotonic() + _SEARCH_SECONDS
        stop, size, found = self._ends, _FIRST_LOOK, list[Lease]()
        while not found and stop != self._begins and time.monotonic() < deadline:
            start = {
                number: max(self._begins[number], end - size) for number, end in self._ends.items()
            }
            found = list(self._between(start, stop, deadline))
            stop, size = start, size * _WIDER
        searched = time.monotonic() < deadline
        self._assign(self._ends)
        return max(found, key=lambda one: one.epoch, default=None), searched

    def fresh(self) -> Iterator[Lease]:
        """Yield leases that were written since, after a short wait for them."""
        for _, _, found in self._poll():
            yield found

    def _between(
        self, start: Mapping[int, int], stop: Mapping[int, int], deadline: float
    ) -> Iterator[Lease]:
        wanted = {number: first for number, first in start.items() if first < stop[number]}
        self._assign(wanted)
        while wanted and time.monotonic() < deadline:
            for number, offset, found in self._poll():
                if offset < stop[number]:
                    yield found
            for number in list(wanted):
                if self._consumer.position(self._partitions[number]) >= stop[number]:
                    del wanted[number]
                    self._consumer.pause(self._listed([number]))

    def _poll(self) -> Iterator[tuple[int, int, Lease]]:
        """Yield partition, offset and content of leases."""
        if not self._partitions:
            return
        for record in self._consumer.poll(self._duration).iterator():
            if record.key() is not None and bytes(record.key()) == lease.KEY:
                try:
                    found = lease.decode(bytes(record.value() or b""))
                except StateError:
                    continue
                yield record.partition(), record.offset(), found

    def _assign(self, start: Mapping[int, int]) -> None:
        parts = self._listed(start)
        self._consumer.assign(parts)
        self._consumer.resume(parts)  # one that was assigned before is still paused
        for number, offset in start.items():
            self._consumer.seek(self._partitions[number], offset)

    def _listed(self, numbers: Iterable[int]) -> Any:
        found = self._list()
        for number in numbers:
            found.add(self._partitions[number])
        return found

    def _offsets(self, found: Any) -> dict[int, int]:
        return {number: int(found.get(part)) for number, part in self._partitions.items()}
