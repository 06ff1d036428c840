"""Kafka for the tools: client settings from the job's configuration, reading whole topics."""

from array import array
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient
from numpy.typing import NDArray

from conf.client.bootstrap import without_blanks
from conf.client.librdkafka import LoginError, librdkafka
from conf.schema import JobConfig
from scripts.tools.console import ToolError


@dataclass(frozen=True)
class KafkaAddress:
    """Where the broker is and how to log in, in the words of librdkafka."""

    brokers: str
    settings: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, config: JobConfig, brokers: str | None = None) -> "KafkaAddress":
        """Return the address a configuration names, or another one with the same login.

        Raises
        ------
        ToolError
            If the tools cannot log in as the job does.
        """
        address = brokers or config.kafka.bootstrap_servers
        try:
            login = librdkafka(config.kafka.properties)
        except LoginError as error:
            raise ToolError(str(error), code=2) from None
        return cls(without_blanks(address), login)

    def client(self, settings: Mapping[str, object]) -> dict[str, Any]:
        """Return the settings of one client, which logs nothing but emergencies."""
        common = {"bootstrap.servers": self.brokers, "log_level": 2}
        return {**common, **self.settings, **settings}


@contextmanager
def consumer(address: KafkaAddress, topics: list[str], *, isolation: str) -> Iterator[Consumer]:
    """Give a consumer of all partitions of the topics from their beginning, in no group."""
    client = Consumer(
        address.client(
            {
                "group.id": "streamrec-tools",  # asked for by the client, never joined
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",  # where retention has deleted offset 0
                "isolation.level": isolation,
                "fetch.wait.max.ms": 50,
            }
        )
    )
    try:
        client.assign([
            TopicPartition(topic, partition, 0)
            for topic in topics
            for partition in partitions(client, topic)
        ])  # fmt: skip
        yield client
    finally:
        client.close()


def partitions(client: Consumer, topic: str) -> list[int]:
    """Return the partitions of a topic.

    Raises
    ------
    ToolError
        If there is no such topic, or no broker.
    """
    try:
        found = client.list_topics(topic, timeout=10).topics[topic]
    except KafkaException as error:
        message = f"kafka: expected a broker, got {error.args[0].str()}; is it up?"
        raise ToolError(message) from None
    if found.error is not None:
        message = f"kafka: expected a topic {topic}, got {found.error.str()}; run scripts/local up"
        raise ToolError(message)
    return sorted(found.partitions)


def cluster_id(address: KafkaAddress) -> str:
    """Return the id that the brokers gave their cluster; empty where they do not say."""
    client = AdminClient(address.client({}))
    try:
        return str(client.list_topics(timeout=10).cluster_id or "")
    except KafkaException as error:
        message = f"kafka: expected a broker, got {error.args[0].str()}; is it up?"
        raise ToolError(message) from None


def offsets(client: Consumer, topic: str) -> dict[int, tuple[int, int]]:
    """Return first and end offset of every partition of a topic."""
    found = {}
    for partition in partitions(client, topic):
        low, high = client.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
        found[partition] = (low, high)
    return found


def records(client: Consumer, *, timeout: float = 0.0) -> list[Message]:
    """Return what has come in; errors other than the end of a partition are raised."""
    return [message for message in client.consume(10_000, timeout) if not is_end(message)]


def read_all(
    address: KafkaAddress,
    topic: str,
    *,
    committed: bool = True,
    begin: Mapping[int, int] | None = None,
) -> Iterator[Message]:
    """Yield every record of a topic up to its present end; open transactions are left out.

    Parameters
    ----------
    begin
        Offsets to begin with, by partition; others begin with their first record.
    """
    isolation = "read_committed" if committed else "read_uncommitted"
    with consumer(address, [topic], isolation=isolation) as client:
        open_ends = set(partitions(client, topic))
        if begin:
            client.assign([TopicPartition(topic, p, begin.get(p, 0)) for p in open_ends])
        while open_ends:
            for message in client.consume(10_000, 0.5):
                if is_end(message):
                    open_ends.discard(message.partition())
                else:
                    yield message


def read_offsets(
    address: KafkaAddress, topic: str, ends: Mapping[int, tuple[int, int]]
) -> dict[int, NDArray[np.int64]]:
    """Return the offsets of all records between first and end offset of some partitions.

    Whoever reads records only sees no markers of transactions, and nothing of aborted ones.
    """
    found = {partition: array("q") for partition, (low, high) in ends.items()}
    left = {partition for partition, (low, high) in ends.items() if low < high}
    with consumer(address, [topic], isolation="read_committed") as client:
        client.assign([TopicPartition(topic, p, ends[p][0]) for p in left])
        while left:
            for message in client.consume(10_000, 0.5):
                partition, offset = int(message.partition() or 0), int(message.offset() or 0)
                end = is_end(message)
                if not end and offset < ends[partition][1]:
                    found[partition].append(offset)
                if end or offset >= ends[partition][1] - 1:
                    left.discard(partition)
    return {p: np.array(offsets, np.int64) for p, offsets in found.items()}


def is_end(message: Message) -> bool:
    """Return whether a message says that a partition has no more; other errors are raised."""
    error = message.error()
    if error is None:
        return False
    if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  # the client's public name for it
        return True
    raise ToolError(f"kafka: expected a record, got {error.str()}; is the broker up?")
