"""Offsets that are no records, records that are gone, and partitions that are new."""

import json
from typing import Any

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions

from scripts.tools.commands import status
from tests.builders import NOW, Record, event
from tests.kafka.running import RunningJob

pytestmark = pytest.mark.kafka


def views(first: int, count: int) -> list[Record]:
    return [event("anna", f"item-{n}", at=NOW + n) for n in range(first, first + count)]


def send(job: RunningJob, producer: Producer, records: list[Record], partition: int = 0) -> None:
    for record in records:
        topic = job.config.kafka.topics.user_behavior
        producer.produce(topic, key=record.key, value=record.value, partition=partition)


def shown(job: RunningJob, patch: pytest.MonkeyPatch, capsys: Any) -> tuple[int, dict[str, Any]]:
    """Exit status and figures of scripts/status."""
    sets = [part for text in job.overrides for part in ("--set", text)]
    place = ("--run-dir", str(job.local.run_dir), "--json")
    patch.setattr("sys.argv", ["status", *sets, *place])
    capsys.readouterr()
    code = status.main()
    figures = json.loads(capsys.readouterr().out)["results"]
    return code, {one["name"]: one["value"] for one in figures}


def test_only_what_is_really_missing_is_missed(
    job: RunningJob, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    job.settings = ("kafka.partitions=1", "kafka.partition_discovery=2s")
    job.start()
    own = {"transactional.id": job.name}
    producer = Producer(job.address.client(own))
    producer.init_transactions(30)
    for begin in (0, 10, 20):
        producer.begin_transaction()
        send(job, producer, views(begin, 10))
        assert producer.flush(30) == 0  # an abort forgets what was not sent
        producer.abort_transaction(30) if begin == 10 else producer.commit_transaction(30)

    def taken(count: int) -> None:
        job.wait(lambda: job.totals().consumed == count, f"{count} records taken")

    taken(20)
    code, figures = shown(job, monkeypatch, capsys)
    assert (code, figures["input.records"], figures["input.missing"]) == (0, 20, 0)
    assert figures["input.without_record"] == 13  # ten aborted, three markers

    # a partition more
    topic, admin = job.config.kafka.topics.user_behavior, AdminClient(job.address.client({}))
    admin.create_partitions([NewPartitions(topic, 2)])[topic].result(30)
    plain = Producer(job.address.client({"topic.metadata.refresh.interval.ms": 500}))
    job.wait(lambda: len(job.ends("user_behavior")) == 2, "a second partition")
    send(job, plain, views(100, 50), partition=1)
    assert plain.flush(30) == 0
    taken(70)
    assert shown(job, monkeypatch, capsys)[0] == 0

    # retention is faster than a job that stands still
    saved = job.stop()
    send(job, plain, views(200, 40), partition=1)
    assert plain.flush(30) == 0
    (deleted,) = admin.delete_records([TopicPartition(topic, 1, 80)]).values()
    deleted.result(30)
    job.start(state=saved)
    taken(80)
    code, figures = shown(job, monkeypatch, capsys)
    assert code == status.OVERTAKEN
    found = {p: figures[f"input.overtaken.{p}"] for p in (0, 1)}
    assert (found, figures["input.missing"]) == ({0: 0, 1: 30}, 0)
    assert job.failures() is None
