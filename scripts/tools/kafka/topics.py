"""Make the job's topics that are missing, with the settings they need; leave others as they are."""

import argparse
from collections.abc import Mapping
from concurrent.futures import Future

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigEntry, ConfigResource
from confluent_kafka.cimpl import NewTopic

from conf.schema import JobConfig
from scripts.tools.console import ToolError, answer, run
from scripts.tools.kafka.client import KafkaAddress
from scripts.tools.kafka.target import add_arguments, target

KAFKA_DEFAULT = 1_048_588
"""Largest record that a broker and a topic take unless told otherwise (message.max.bytes)."""
WAIT_SECONDS = 30


def settings(config: JobConfig) -> dict[str, dict[str, str]]:
    """Return the topic settings by topic name."""
    topics = config.kafka.topics
    largest = config.kafka.max_record_bytes
    output = {"max.message.bytes": str(largest)} if largest > KAFKA_DEFAULT else {}
    compacted = output | {"cleanup.policy": "compact"}
    return {
        topics.user_behavior: {},
        topics.recommendations: compacted,
        topics.dead_letter: output,
        # accounting and windows have keys of their own: the newest value of each is kept
        topics.recommendation_metrics: compacted,
        topics.feedback: output,
        topics.accepted_events: output | {"retention.ms": str(config.kafka.loop_retention)},
        topics.model_updates: compacted,
        topics.catalog: {"cleanup.policy": "compact"},
        topics.control: {},
        topics.control_results: output,
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


def too_small(config: JobConfig, address: KafkaAddress) -> list[str]:
    """Return which output topics refuse records that the job may write, in words.

    A topic that does not exist is judged by what the brokers would give it. Whoever may not read
    the settings, or reaches no broker, is told so by whatever uses the topics next.
    """
    largest, admin = config.kafka.max_record_bytes, AdminClient(address.client({}))
    try:
        known = admin.list_topics(timeout=WAIT_SECONDS)
        topics = config.kafka.topics
        read = {topics.user_behavior, topics.catalog, topics.control}
        written = settings(config).keys() - read
        there = [
            ConfigResource(ConfigResource.Type.TOPIC, n) for n in written & known.topics.keys()
        ]
        brokers = [ConfigResource(ConfigResource.Type.BROKER, str(n)) for n in known.brokers]
        wanted = there + (brokers if len(there) < len(written) else [])
        found = admin.describe_configs(wanted, request_timeout=WAIT_SECONDS)
        return [text for at, f in found.items() if (text := _objection(at, f.result(), largest))]
    except KafkaException:
        return []


def _objection(
    resource: ConfigResource, settings: Mapping[str, ConfigEntry], largest: int
) -> str | None:
    kind, name = resource.restype.name.lower(), "max.message.bytes"
    name = name if name in settings else "message.max.bytes"
    if name not in settings or int(settings[name].value or largest) >= largest:
        return None
    return (
        f"{kind} {resource.name}: expected {name} of {largest} (kafka.max_record_bytes) or more,"
        f" got {settings[name].value}; raise it, or lower kafka.max_record_bytes"
    )


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


def main() -> None:
    """Read the command line, make the topics and say which."""
    parser = argparse.ArgumentParser(
        prog="scripts/topics",
        description=__doc__,
        epilog="kafka.partitions and kafka.replication say how many; logs in by kafka.properties.",
    )
    parser.add_argument("--print", action="store_true", help="print the settings, make nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_arguments(parser)
    options = parser.parse_args()
    job = target(options, running=False)
    wanted = settings(job.config)
    if options.print:
        written = {name: _written(own) for name, own in wanted.items()}
        answer(wanted if options.json else written, as_json=options.json)
        return
    made = create(job.config, job.address)
    found = {name: "created" if name in made else "was there" for name in wanted}
    answer(found, as_json=options.json)


def _written(own: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in own.items()) or "no settings of its own"


if __name__ == "__main__":
    run(main)
