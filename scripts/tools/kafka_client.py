"""Kafka for the tools: client settings from the job's configuration, reading whole topics."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from conf.schema import JobConfig
from scripts.tools.console import ToolError

_SAME = ("security.protocol", "sasl.mechanism", "client.id")


@dataclass(frozen=True)
class KafkaAddress:
    """Where the broker is and how to log in, in the words of librdkafka."""

    brokers: str
    settings: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, config: JobConfig, brokers: str | None = None) -> "KafkaAddress":
        """Return the address a configuration names, or another one with the same login."""
        address = brokers or config.kafka.bootstrap_servers
        return cls(address, librdkafka(config.kafka.properties))

    def client(self, settings: Mapping[str, object]) -> dict[str, Any]:
        """Return the settings of one client, which logs nothing but emergencies."""
        common = {"bootstrap.servers": self.brokers, "log_level": 2}
        return {**common, **self.settings, **settings}


def librdkafka(properties: Mapping[str, str]) -> dict[str, str]:
    """Return what the Java client's properties are called in librdkafka.

    User and password are taken out of `sasl.jaas.config`, PEM stores become file names; properties
    without counterpart (fetch sizes and the like) are left out.
    """
    settings = {name: properties[name] for name in _SAME if name in properties}
    login = dict(
        re.findall(r'\b(username|password)="([^"]*)"', properties.get("sasl.jaas.config", ""))
    )
    settings |= {f"sasl.{name}": value for name, value in login.items()}
    if "ssl.truststore.location" in properties:
        settings["ssl.ca.location"] = properties["ssl.truststore.location"]
    return settings


@contextmanager
def consumer(address: KafkaAddress, topics: list[str], *, isolation: str) -> Iterator[Consumer]:
    """Give a consumer of all partitions of the topics from their beginning, in no group."""
    client = Consumer(
        address.client(
            {
                "group.id": "streamrec-tools",  # asked for by the client, never joined
                "enable.auto.commit": False,
                "enable.partition.eof": True,
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


def offsets(client: Consumer, topic: str) -> dict[int, tuple[int, int]]:
    """Return first and end offset of every partition of a topic."""
    found = {}
    for partition in partitions(client, topic):
        low, high = client.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
        found[partition] = (low, high)
    return found


def records(client: Consumer, *, timeout: float = 0.0) -> list[Message]:
    """Return what has come in; errors other than the end of a partition are raised."""
    return [message for message in client.consume(10_000, timeout) if not _is_end(message)]


def read_all(address: KafkaAddress, topic: str, *, committed: bool = True) -> Iterator[Message]:
    """Yield every record of a topic up to its present end; open transactions are left out."""
    isolation = "read_committed" if committed else "read_uncommitted"
    with consumer(address, [topic], isolation=isolation) as client:
        open_ends = set(partitions(client, topic))
        while open_ends:
            for message in client.consume(10_000, 0.5):
                if _is_end(message):
                    open_ends.discard(message.partition())
                else:
                    yield message


def _is_end(message: Message) -> bool:
    error = message.error()
    if error is None:
        return False
    if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  # the client's public name for it
        return True
    raise ToolError(f"kafka: expected a record, got {error.str()}; is the broker up?")
