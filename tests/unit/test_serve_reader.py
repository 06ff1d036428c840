"""The reader of the service: what it takes of which topic, and when it has caught up."""

import json
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from conf.schema import JobConfig
from jobs.serve import reader as module
from jobs.serve.reader import Reader
from jobs.serve.replica.replica import Replica


class Message:
    """One of a consumer's."""

    def __init__(self, topic: str, key: bytes | None, value: bytes | None, error: Any = None,
                 partition: int = 0) -> None:  # fmt: skip
        self._topic, self._key, self._value, self._error = topic, key, value, error
        self._partition = partition

    def topic(self) -> str:
        return self._topic

    def key(self) -> bytes | None:
        return self._key

    def value(self) -> bytes | None:
        return self._value

    def error(self) -> Any:
        return self._error

    def partition(self) -> int:
        return self._partition

    def headers(self) -> list[tuple[str, bytes]]:
        return [("err.code", b"late")]

    def timestamp(self) -> tuple[int, int]:
        return (1, 1_700_000_000_000)


class Admin:
    """Tells the ids of topics."""

    def __init__(self, *denied: str) -> None:
        self.ids: dict[str, str] = {}
        self.denied = denied

    def describe_topics(self, topics: Any, **_: float) -> dict[str, Any]:
        def result(name: str) -> Any:
            if name in self.denied:
                raise KafkaException
            return SimpleNamespace(topic_id=self.ids.get(name, "first"))

        names: list[str] = topics.topic_names
        return {name: SimpleNamespace(result=partial(result, name)) for name in names}


class Consumer:
    """Of topics with two partitions, each from 5 to 30,000."""

    def __init__(self, *topics: str) -> None:
        self.topics = topics
        self.assigned: dict[tuple[str, int], int] = {}

    def list_topics(self, **_: float) -> Any:
        found = SimpleNamespace(error=None, partitions={0: None, 1: None})
        return SimpleNamespace(topics=dict.fromkeys(self.topics, found))

    def get_watermark_offsets(self, _: Any, **__: float) -> tuple[int, int]:
        return 5, 30_000

    def incremental_assign(self, parts: list[Any]) -> None:
        self.assigned |= {(part.topic, part.partition): part.offset for part in parts}


ALL = tuple(JobConfig().kafka.topics.model_dump())


@pytest.fixture
def reader() -> Reader:
    return Reader(Replica(JobConfig()))


def end(topic: str, partition: int) -> Message:
    error = SimpleNamespace(code=lambda: KafkaError._PARTITION_EOF, str=lambda: "end")
    return Message(topic, None, None, error, partition)


def test_compacted_topics_are_read_whole_and_of_others_the_end(reader: Reader) -> None:
    consumer = Consumer(*ALL)
    reader._look(consumer, Admin())  # type: ignore[arg-type]
    assert consumer.assigned["recommendations", 1] == 5
    assert consumer.assigned["catalog", 0] == 5
    assert consumer.assigned["user_behavior", 0] == 10_000
    assert consumer.assigned["dead_letter", 0] == 29_500
    assert not {name for name, _ in consumer.assigned} & {"accepted_events", "control"}
    assert reader.progress["recommendations"].end == 2 * 29_995


def test_a_partition_that_nobody_leads_holds_up_no_other(reader: Reader) -> None:
    class Leaderless(Consumer):
        led = False

        def get_watermark_offsets(self, place: Any, **_: float) -> tuple[int, int]:
            if not self.led and (place.topic, place.partition) == ("recommendations", 1):
                raise KafkaException(KafkaError(KafkaError.LEADER_NOT_AVAILABLE))
            return 5, 30_000

    consumer = Leaderless(*ALL)
    for _ in range(3):
        reader._look(consumer, Admin())  # type: ignore[arg-type]
    assert ("recommendations", 0) in consumer.assigned
    assert ("recommendations", 1) not in consumer.assigned
    assert reader._left is None  # of what is missing nobody says that it has been read
    consumer.led = True
    reader._look(consumer, Admin())  # type: ignore[arg-type]
    assert ("recommendations", 1) in consumer.assigned
    assert reader.progress["recommendations"].end == 2 * 29_995
    assert reader._left


def test_it_has_caught_up_when_all_compacted_partitions_were_at_their_end(reader: Reader) -> None:
    assert not reader.caught_up
    reader._look(Consumer("recommendations"), Admin())  # type: ignore[arg-type]
    assert not reader.caught_up  # a job is not there yet
    reader._look(Consumer("recommendations", "model_updates"), Admin())  # type: ignore[arg-type]
    ends = [(name, n) for name in ("recommendations", "model_updates") for n in (0, 1)]
    for number, one in enumerate(ends):
        assert not reader.caught_up, number
        reader._take([end(*one)])  # type: ignore[list-item]
    assert reader.caught_up


def test_topics_that_were_made_anew_are_read_from_their_start(reader: Reader) -> None:
    consumer, admin = Consumer(*ALL), Admin("catalog")
    reader._look(consumer, admin)  # type: ignore[arg-type]
    reader._take([Message("recommendations", b"ann", b"{}")])  # type: ignore[list-item]
    told: list[str] = []
    reader._replica.listen("ann", lambda: told.append("ann"))
    reader._look(consumer, admin)  # type: ignore[arg-type]
    assert (len(reader._replica.lists), told) == (1, [])

    admin.ids["control_results"] = admin.ids["recommendations"] = "second"
    assert reader._look(consumer, admin)  # type: ignore[arg-type]
    reader._begin_anew()
    consumer.assigned.clear()
    assert not reader._look(consumer, admin)  # type: ignore[arg-type]
    assert (len(reader._replica.lists), told) == (0, ["ann"])
    assert consumer.assigned["recommendations", 1] == 5
    assert not reader.caught_up
    assert reader.progress["recommendations"].read == 0
    reader._take([Message("recommendation_metrics", b"window/1", b'{"window_start": 1}')])  # type: ignore[list-item]
    assert len(reader._replica.reports.windows(5)) == 1


def test_a_record_that_breaks_something_is_skipped_and_the_next_is_taken(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    replica = reader._replica
    take, broken = replica.lists.take, [b"u1"]

    def taken(user: bytes, value: bytes | None) -> None:
        if user in broken:
            raise RuntimeError
        take(user, value)

    monkeypatch.setattr(replica.lists, "take", taken)
    reader._take([Message("recommendations", key, b"{}") for key in (b"u1", b"u2", None)])  # type: ignore[list-item]
    assert (len(replica.lists), replica.skipped) == (1, 1)


def test_each_topic_goes_where_it_belongs(reader: Reader) -> None:
    event = {"user_id": "ann", "item_id": "tea", "event_type": "view",
             "timestamp": 1_700_000_000_000}  # fmt: skip
    reader._take([  # type: ignore[arg-type]
        Message("user_behavior", b"ann", json.dumps(event).encode()),
        Message("dead_letter", b"ann", b"x"),
        Message("catalog", b"tea", b'{"title": "Tea"}'),
        Message("recommendation_metrics", b"window/1", b'{"window_start": 1}'),
        Message("recommendations", b"ann", b"{}"),
    ])  # fmt: skip
    replica = reader._replica
    assert [one.item for one in replica.behaviour.of("ann")] == ["tea"]
    assert replica.reports.by_code == {"late": 1}
    assert replica.catalog.get("tea").title == "Tea"  # type: ignore[union-attr]
    assert len(replica.reports.windows(5)) == len(replica.lists) == 1


def test_errors_are_no_sign_of_a_broker(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(monotonic=lambda: 100.0, time_ns=lambda: 0)
    monkeypatch.setattr(module, "time", clock)
    down = SimpleNamespace(code=lambda: KafkaError._ALL_BROKERS_DOWN, str=lambda: "down")
    reader._take([Message("recommendations", None, None, down)])  # type: ignore[list-item]
    assert not reader.connected
    reader._take([Message("recommendations", b"ann", b"{}")])  # type: ignore[list-item]
    assert reader.connected
    clock.monotonic = lambda: 113.0
    assert not reader.connected
