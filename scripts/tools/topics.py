"""The job's topics: what they are called, how they are made."""

from collections.abc import Mapping
from concurrent.futures import Future

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from conf.schema import JobConfig
from scripts.tools.console import ToolError
from scripts.tools.kafka_client import KafkaAddress

LARGEST_RECORD = 8 << 20
"""A micro-batch of accepted events travels as one record."""
WAIT_SECONDS = 30


def settings(config: JobConfig) -> dict[str, dict[str, str]]:
    """Return the topic settings by topic name."""
    topics = config.kafka.topics
    compacted = {"cleanup.policy": "compact"}
    return {
        topics.user_behavior: {},
        topics.recommendations: compacted,
        topics.dead_letter: {},
        # accounting and windows have keys of their own: the newest value of each is kept
        topics.recommendation_metrics: compacted,
        topics.accepted_events: {
            "retention.ms": str(config.kafka.loop_retention),
            "max.message.bytes": str(LARGEST_RECORD),
        },
        topics.model_updates: compacted | {"max.message.bytes": str(LARGEST_RECORD)},
    }


def create(config: JobConfig, address: KafkaAddress) -> list[str]:
    """Create the topics that do not exist yet; leave others as they are.

    Returns
    -------
    list[str]
        The topics created.

    Raises
    ------
    ToolError
        If the broker refuses one, or does not answer.
    """
    wanted = [
        NewTopic(
            name,
            num_partitions=config.kafka.partitions,
            replication_factor=config.kafka.replication,
            config=own,
        )
        for name, own in settings(config).items()
    ]
    admin = AdminClient(address.client({}))
    return _done(admin.create_topics(wanted, operation_timeout=WAIT_SECONDS))


def _done(futures: Mapping[str, "Future[None]"]) -> list[str]:
    created = []
    for name, future in futures.items():
        try:
            future.result(WAIT_SECONDS)
            created.append(name)
        except KafkaException as error:
            cause = error.args[0]
            if cause.code() != KafkaError.TOPIC_ALREADY_EXISTS:
                message = f"kafka: expected to create the topic {name}, got {cause.str()}"
                raise ToolError(message) from None
    return created
