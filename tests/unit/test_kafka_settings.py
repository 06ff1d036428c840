"""Clients of the tools log in as the job does, and topics are made as the job needs them."""

import re

from conf.schema import JobConfig
from jobs import tables
from scripts.tools.kafka import topics
from scripts.tools.kafka.client import KafkaAddress
from scripts.tools.kafka.login import librdkafka


def test_a_java_login_is_translated_for_librdkafka():
    module = "org.apache.kafka.common.security.scram.ScramLoginModule"
    jaas = f'{module} required username="ann" password="p=w;";'
    assert librdkafka({
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.jaas.config": jaas,
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": "/ca.pem",
        "fetch.min.bytes": "1",
    }) == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "ann",
        "sasl.password": "p=w;",
        "ssl.ca.location": "/ca.pem",
    }  # fmt: skip


def test_an_address_given_wins_over_the_configuration():
    config = JobConfig()
    assert KafkaAddress.of(config).brokers == "localhost:9092"
    assert KafkaAddress.of(config, "x:1").client({"a": 1})["bootstrap.servers"] == "x:1"


def test_every_topic_has_settings_and_newest_values_are_kept_by_key():
    config = JobConfig()
    settings = topics.settings(config)
    assert set(settings) == set(config.kafka.topics.model_dump().values())
    compacted = {name for name, own in settings.items() if own.get("cleanup.policy") == "compact"}
    assert compacted == {"recommendations", "recommendation_metrics", "model_updates"}
    assert settings["accepted_events"]["retention.ms"] == "21600000"


def test_jobs_of_one_name_with_other_topics_have_other_transactions() -> None:
    sinks = [
        tables.output_sink(
            JobConfig.model_validate({"kafka": {"topics": {"user_behavior": topic}}}), "a", "a"
        )
        for topic in ("one", "two")
    ]
    prefixes = [re.search(r"'sink.transactional-id-prefix' = '([^']+)'", one) for one in sinks]
    first, second = (found[1] for found in prefixes if found)
    assert first != second
    assert first.startswith("streamrec-")
