"""Checks on the submitting machine, before anything runs on the cluster."""

import importlib
import logging
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JError
from pyflink.java_gateway import get_gateway

from conf.client.classes import for_job
from conf.schema import JobConfig
from state.keyed.lineage import ABSENT

_LOG = logging.getLogger(__name__)
_WAIT_SECONDS = 20
BYTES_READER = (
    "org.apache.flink.kafka.shaded.org.apache.kafka.common.serialization.ByteArrayDeserializer"
)

WAITS = "preflight waits: "
"""Begins the line that says what a submission waits for."""

PACKAGES = ("conf", "jobs", "models", "operators", "state")


class PreflightError(Exception):
    """The job would not run as it was built: mend what the message names and submit again."""


def check_one_origin() -> None:
    """Refuse to start when the five packages do not come from one place.

    A stray `models/` folder in the working directory would silently replace the shipped one.
    """
    roots: dict[str, Path] = {}
    for package in PACKAGES:
        file = importlib.import_module(package).__file__
        if file is None:
            msg = (
                f"preflight: expected the package {package}, got a bare folder; rename that folder"
            )
            raise PreflightError(msg)
        roots[package] = Path(file).resolve().parent.parent
    expected = roots["jobs"]
    strays = [f"{package} from {root}" for package, root in roots.items() if root != expected]
    if strays:
        msg = (
            f"preflight: expected all packages from {expected}, got {', '.join(strays)}; "
            "submit from another folder or set PYTHONSAFEPATH=1"
        )
        raise PreflightError(msg)


def check_topics(config: JobConfig) -> None:
    """Refuse to start where an output topic would refuse a record: the job could never go on.

    Asked through the connector's own client, which logs in as the job will. What cannot be read
    (no such topic yet, no right to) is logged, and the job starts.
    """
    largest = config.kafka.max_record_bytes
    try:
        taken = _largest_records(config, _outputs(config))
    except (Py4JError, TypeError) as error:  # the latter: the client's class is not there
        warn("max.message.bytes of the topics", error)
        return
    too_small = [
        f"preflight: topic {topic}: expected max.message.bytes of {largest} "
        f"(kafka.max_record_bytes) or more, got {size}; raise it, or lower kafka.max_record_bytes"
        for topic, size in taken.items()
        if size < largest
    ]
    if too_small:
        raise PreflightError("\n".join(too_small))


def topic_ids(config: JobConfig, topics: Iterable[str]) -> dict[str, str]:
    """Return the ids that Kafka gave topics when they were made, by name.

    One that cannot be asked (no right to describe it, a broker without ids) is left out; one that
    the broker does not have is `state.keyed.lineage.ABSENT`.
    """
    names, found = list(topics), dict[str, str]()
    try:
        jvm, kafka = get_gateway().jvm, kafka_classes()
        none = kafka.common.Uuid.ZERO_UUID.toString()
        asked = jvm.java.util.ArrayList()
        for name in names:
            asked.add(name)
        admin = kafka.clients.admin.AdminClient.create(client_properties(config))
    except (Py4JError, TypeError) as error:  # the latter: the client's class is not there
        warn("which ids the topics have", error)
        return {}
    try:
        answers = admin.describeTopics(asked).topicNameValues()
        for name in names:
            try:
                number = answers.get(name).get().topicId().toString()
            except Py4JError as error:
                if "UnknownTopicOrPartition" in str(error):
                    found[name] = ABSENT
                    continue
                warn(f"which id topic {name} has", error)
            else:
                found |= {name: number} if number != none else {}
        return found
    finally:
        admin.close()


def check_there(config: JobConfig, *, pipe: bool = False) -> None:
    """Refuse to start without topics that are newer than others: the job would fail for ever.

    Raises
    ------
    PreflightError
        Where the brokers say that there is none.
    """
    topics = config.kafka.topics
    names = [topics.control] if pipe else [topics.catalog, topics.control, topics.control_results]
    if config.feedback.enabled and not pipe:
        names.append(topics.feedback)
    if absent := [name for name, found in topic_ids(config, names).items() if found == ABSENT]:
        told = f"preflight: topic {', '.join(absent)}: expected a topic of the job, got none"
        raise PreflightError(f"{told}; scripts/topics makes it, with the same --config and --set")


def check_unused(config: JobConfig) -> None:
    """Refuse to start where an output topic holds records: they are a job's, or will be read as it.

    Raises
    ------
    PreflightError
        Also where it cannot be asked: what is written by mistake cannot be taken back.
    """
    try:
        used = _used(config, _outputs(config))
    except (Py4JError, TypeError) as error:  # the latter: the client's class is not there
        what = f"empty output topics, but they cannot be asked: {str(error).splitlines()[0]}"
        message = f"preflight: {config.kafka.bootstrap_servers}: expected {what}"
        raise PreflightError(f"{message}; see kafka.bootstrap_servers and .properties") from None
    if used:
        raise PreflightError(
            "\n".join(
                f"preflight: topic {topic}: expected an empty topic, got records ({count} offsets);"
                " give this pipe without a model output topics of its own (kafka.topics.*)"
                for topic, count in used.items()
            )
        )


def _outputs(config: JobConfig) -> list[str]:
    """Return the topics that a job writes."""
    topics = config.kafka.topics.model_dump()
    for read in ("user_behavior", "control", "catalog"):
        del topics[read]
    if not config.feedback.enabled:
        del topics["feedback"]
    return list(topics.values())


def _used(config: JobConfig, topics: Sequence[str]) -> dict[str, int]:
    """Return how many offsets are taken in the topics that are not empty."""
    jvm, kafka, properties = get_gateway().jvm, kafka_classes(), client_properties(config)
    for side in ("key", "value"):
        properties.setProperty(f"{side}.deserializer", BYTES_READER)
    consumer = kafka.clients.consumer.KafkaConsumer(properties)
    try:
        there, found = set(consumer.listTopics()), {}
        for topic in topics:
            parts = jvm.java.util.ArrayList()
            for part in consumer.partitionsFor(topic) if topic in there else ():
                parts.add(kafka.common.TopicPartition(topic, part.partition()))
            begins, ends = consumer.beginningOffsets(parts), consumer.endOffsets(parts)
            taken = sum(ends.get(part) - begins.get(part) for part in parts)
            if taken:
                found[topic] = taken
        return found
    finally:
        consumer.close()


def kafka_classes() -> Any:
    """Return the connector's own copy of Kafka's packages."""
    return get_gateway().jvm.org.apache.flink.kafka.shaded.org.apache.kafka


def client_properties(config: JobConfig) -> Any:
    """Return what a Kafka client in the JVM is told to log in as the job will."""
    properties = get_gateway().jvm.java.util.Properties()
    for name, value in for_job(config.kafka.properties).items():
        properties.setProperty(name, str(value))
    properties.setProperty("bootstrap.servers", config.kafka.bootstrap_servers)
    properties.setProperty("default.api.timeout.ms", str(1000 * _WAIT_SECONDS))
    properties.setProperty("request.timeout.ms", str(1000 * _WAIT_SECONDS))
    return properties


def warn(what: str, error: Exception) -> None:
    """Log that something about the topics could not be asked; the job starts all the same."""
    _LOG.warning("preflight: %s is not known: %s", what, str(error).splitlines()[0])


def say(what: str) -> None:
    """Say at once what the submission waits for."""
    sys.stderr.write(f"{WAITS}{what}\n")
    sys.stderr.flush()


def _largest_records(config: JobConfig, topics: Sequence[str]) -> dict[str, int]:
    """Return `max.message.bytes` of the topics that there are."""
    jvm, kafka, properties = get_gateway().jvm, kafka_classes(), client_properties(config)
    kind = getattr(kafka.common.config, "ConfigResource$Type").TOPIC
    admin = kafka.clients.admin.AdminClient.create(properties)
    try:
        there = set(admin.listTopics().names().get())
        asked = jvm.java.util.ArrayList()
        for topic in topics:
            if topic in there:
                asked.add(kafka.common.config.ConfigResource(kind, topic))
        found = admin.describeConfigs(asked).all().get()
        return {one.name(): int(found[one].get("max.message.bytes").value()) for one in found}
    finally:
        admin.close()
