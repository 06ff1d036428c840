"""One writer for each set of output topics: who is alive is asked before a job starts."""

import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from py4j.protocol import Py4JError
from pyflink.java_gateway import get_gateway

from conf.schema import JobConfig
from jobs.preflight import PreflightError, client_properties, kafka_classes, warn
from state.codec import StateError
from state.topics import lease
from state.topics.lease import Lease

_SLACK_MS = 2_000
_POLL_MS = 200


def new_lease(config: JobConfig) -> Lease:
    """Return the lease of a submission that begins now."""
    now_ms = _now_ms()
    return Lease(run=uuid4().hex, job=config.job.name, epoch=now_ms, at=now_ms)


def check_lease(config: JobConfig, mine: Lease, *, take_over: bool) -> None:
    """Refuse to start while another job renews its lease on the topics.

    One that was renewed lately is watched until it is renewed again, or is not in time: a job that
    has just been stopped does not give it back.

    Raises
    ------
    PreflightError
    """
    if take_over:
        return
    try:
        tail = _Tail(config, mine.epoch - patience_ms(config))
    except (Py4JError, TypeError) as error:  # the latter: the client's class is not there
        warn("whether another job writes the topics", error)
        return
    with tail:
        _watch(config, mine, tail)


def _watch(config: JobConfig, mine: Lease, tail: "_Tail") -> None:
    """Return once nobody can be alive, by the leases at the end of the topic."""
    until = mine.epoch
    while _now_ms() < until or not tail.at_end():
        for found, is_new in tail.poll():
            if is_new:
                raise PreflightError(_refusal(config, found))
            until = max(until, found.at + patience_ms(config))


def patience_ms(config: JobConfig) -> int:
    """Return how long a lease may go without being renewed."""
    return 2 * config.flink.checkpoint_interval + _SLACK_MS


def _refusal(config: JobConfig, found: Lease) -> str:
    topic = config.kafka.topics.model_updates
    return (
        f"preflight: topic {topic}: expected no other job that writes these topics, got job"
        f" {found.job} at it; stop it (scripts/savepoint --stop), give this one topics of its own,"
        " or take over with --take-over, which makes the other one fail"
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class _Tail:
    """Leases in the newest records of the topic, read by the connector's own client."""

    def __init__(self, config: JobConfig, since_ms: int) -> None:
        jvm, kafka = get_gateway().jvm, kafka_classes()
        self._duration = jvm.java.time.Duration.ofMillis(_POLL_MS)
        properties = client_properties(config)
        reader = "org.apache.flink.kafka.shaded.org.apache.kafka.common.serialization"
        for side in ("key", "value"):
            properties.setProperty(f"{side}.deserializer", f"{reader}.ByteArrayDeserializer")
        self._topic_partition = kafka.common.TopicPartition
        self._consumer = kafka.clients.consumer.KafkaConsumer(properties)
        self._begin(jvm, kafka, config.kafka.topics.model_updates, since_ms)

    def _begin(self, jvm: Any, kafka: Any, topic: str, since_ms: int) -> None:
        consumer = self._consumer
        self._partitions = jvm.java.util.ArrayList()
        if topic in set(consumer.listTopics()):
            for part in consumer.partitionsFor(topic):
                self._partitions.add(kafka.common.TopicPartition(topic, part.partition()))
        times = jvm.java.util.HashMap()
        for part in self._partitions:
            times.put(part, jvm.java.lang.Long(since_ms))
        consumer.assign(self._partitions)
        self._ends = consumer.endOffsets(self._partitions)
        begins = consumer.offsetsForTimes(times)
        for part in self._partitions:
            found = begins.get(part)
            consumer.seek(part, self._ends.get(part) if found is None else found.offset())

    def __enter__(self) -> "_Tail":
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def at_end(self) -> bool:
        """Return whether all that lay there in the beginning was read."""
        return all(self._consumer.position(p) >= self._ends.get(p) for p in self._partitions)

    def poll(self) -> Iterator[tuple[Lease, bool]]:
        """Yield leases that were read, and whether they came after the beginning."""
        if not len(self._partitions):
            return
        for record in self._consumer.poll(self._duration).iterator():
            if record.key() is not None and bytes(record.key()) == lease.KEY:
                try:
                    found = lease.decode(bytes(record.value() or b""))
                except StateError:
                    continue
                part = self._topic_partition(record.topic(), record.partition())
                yield found, record.offset() >= self._ends.get(part)
