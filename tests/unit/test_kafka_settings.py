"""Clients of the tools log in as the job does, and topics are made as the job needs them."""

import re
from pathlib import Path

import pytest

from conf.client.librdkafka import librdkafka
from conf.loader import ConfigError, load
from conf.schema import JobConfig
from jobs import environment, tables
from scripts.tools.cluster.paths import ROOT
from scripts.tools.kafka import topics
from scripts.tools.kafka.client import KafkaAddress

BROKERS_LIMIT_MS = 900_000
"""`transaction.max.timeout.ms` of a broker whose operator has not changed it."""


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
    newest = {"recommendations", "recommendation_metrics", "model_updates", "catalog"}
    assert compacted == newest
    assert settings["accepted_events"]["retention.ms"] == "21600000"


def transactions(config: JobConfig) -> dict[str, str]:
    """Return the prefix of transactional ids of each sink that a job has."""
    names = config.kafka.topics
    sinks = {
        "recommendations": names.recommendations,
        "dead_letter": names.dead_letter,
        "recommendation_metrics": names.recommendation_metrics,
        "tuned_metrics": names.recommendation_metrics,
        "control_results": names.control_results,
    }
    found = {}
    for name, topic in sinks.items():
        text = tables.output_sink(config, name, topic)
        prefix = re.search(r"'sink.transactional-id-prefix' = '([^']+)'", text)
        assert prefix is not None
        found[name] = prefix[1]
    return found


def with_topics(**topics: str) -> JobConfig:
    return JobConfig.model_validate({"kafka": {"topics": topics}})


def test_sinks_of_one_job_have_transactions_of_their_own() -> None:
    found = transactions(JobConfig())
    assert len(set(found.values())) == len(found)
    assert all(prefix.startswith("streamrec-") for prefix in found.values())


@pytest.mark.parametrize("topic", ["user_behavior", "model_updates"])
def test_jobs_of_one_name_with_another_input_or_loop_share_no_transaction(topic: str) -> None:
    mine = transactions(JobConfig()).values()
    assert not set(mine) & set(transactions(with_topics(**{topic: "other"})).values())


@pytest.mark.parametrize(
    "topic", ["recommendations", "dead_letter", "recommendation_metrics", "control_results"]
)
def test_a_sink_into_another_topic_has_other_transactions(topic: str) -> None:
    """A second job on the same input, for a trial, has outputs of its own."""
    mine, other = transactions(JobConfig()), transactions(with_topics(**{topic: "other"}))
    changed = {name for name in mine if mine[name] != other[name]}
    sinks = {topic} | ({"tuned_metrics"} if topic == "recommendation_metrics" else set())
    assert changed == sinks
    assert not set(mine.values()) & {other[name] for name in changed}


@pytest.mark.parametrize("file", ["", "local.yaml", "cluster.yaml"])
def test_no_transaction_expires_while_as_many_checkpoints_fail_as_may(file: str) -> None:
    """Of what Flink and the producers are told, with the defaults and with each shipped file."""
    secret = ["kafka.properties={}"] if file == "cluster.yaml" else []
    config = load(ROOT / "conf" / file, secret) if file else JobConfig()
    told = environment.settings(config)
    milliseconds = {name: int(value.split()[0]) for name, value in told.items() if " ms" in value}
    attempts = 1 + int(told["execution.checkpointing.tolerable-failed-checkpoints"])
    longest = attempts * (
        milliseconds["execution.checkpointing.timeout"]
        + milliseconds["execution.checkpointing.interval"]
    )
    sink = tables.output_sink(config, "a", "a")
    timeout = re.search(r"'properties.transaction.timeout.ms' = '(\d+)'", sink)
    assert timeout is not None
    assert int(timeout[1]) > longest
    assert int(timeout[1]) <= BROKERS_LIMIT_MS


def test_a_job_without_transactions_may_have_any_interval() -> None:
    JobConfig.model_validate({
        "kafka": {"delivery": "at-least-once"},
        "flink": {"checkpoint_interval": "1h"},
    })  # fmt: skip


def test_a_prefix_begins_the_names_that_are_not_set(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text("kafka: {topics: {prefix: shop., control: orders}}\n")
    topics = load(path, []).kafka.topics
    assert (topics.user_behavior, topics.catalog) == ("shop.user_behavior", "shop.catalog")
    assert topics.control == "orders"
    assert "prefix" not in topics.model_dump()
    other = load(path, ["kafka.topics.prefix=news-"]).kafka.topics
    assert (other.user_behavior, other.control) == ("news-user_behavior", "orders")
    assert JobConfig().kafka.topics.user_behavior == "user_behavior"


@pytest.mark.parametrize("prefix", ["a/", "x" * 101, "7"])
def test_a_prefix_that_no_topic_can_have_is_told_once(tmp_path: Path, prefix: str) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(f"kafka: {{topics: {{prefix: {prefix}}}}}\n")
    with pytest.raises(ConfigError) as error:
        load(path, [])
    assert [line.count("kafka.topics.prefix") for line in error.value.lines] == [1]
