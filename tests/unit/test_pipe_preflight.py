"""The pipe without a model writes where nothing was written before, or not at all."""

from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from conf.schema import JobConfig
from jobs import ingest, preflight
from jobs.preflight import PreflightError
from scripts.tools.cluster.paths import LOCAL_CONFIG
from state.keyed.lineage import ABSENT

TOPICS = JobConfig().kafka.topics.model_dump()
INPUTS = ("user_behavior", "control", "catalog")


class _Listed(list[Any]):
    def add(self, one: Any) -> None:
        self.append(one)


class Consumer:
    """Kafka's, over topics with two partitions and some offsets in the second."""

    def __init__(self, offsets: dict[str, tuple[int, int]]) -> None:
        self.offsets = offsets
        self.closed = False

    def listTopics(self) -> list[str]:  # noqa: N802
        return list(self.offsets)

    def partitionsFor(self, topic: str) -> Sequence[Any]:  # noqa: N802
        assert topic in self.offsets
        return [SimpleNamespace(partition=lambda n=n: n) for n in (0, 1)]

    def beginningOffsets(self, parts: list[Any]) -> dict[Any, int]:  # noqa: N802
        return {part: self.offsets[part[0]][0] * part[1] for part in parts}

    def endOffsets(self, parts: list[Any]) -> dict[Any, int]:  # noqa: N802
        return {part: self.offsets[part[0]][1] * part[1] for part in parts}

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def consumer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Consumer]:
    """A consumer that sees the job's topics, all of them empty or emptied."""
    found = Consumer({topic: (7, 7) for name, topic in TOPICS.items() if name != "dead_letter"})
    java = SimpleNamespace(util=SimpleNamespace(ArrayList=_Listed))
    kafka = SimpleNamespace(
        common=SimpleNamespace(TopicPartition=lambda topic, number: (topic, number)),
        clients=SimpleNamespace(consumer=SimpleNamespace(KafkaConsumer=lambda _: found)),
    )
    properties = SimpleNamespace(setProperty=lambda *_: None)
    gateway = SimpleNamespace(jvm=SimpleNamespace(java=java))
    monkeypatch.setattr(preflight, "get_gateway", lambda: gateway)
    monkeypatch.setattr(preflight, "kafka_classes", lambda: kafka)
    monkeypatch.setattr(preflight, "client_properties", lambda _: properties)
    yield found
    assert found.closed


def test_empty_topics_and_those_that_are_not_there_are_taken(consumer: Consumer) -> None:
    for topic in INPUTS:  # what others write
        consumer.offsets[topic] = (0, 1_000)
    preflight.check_unused(JobConfig())


@pytest.mark.parametrize("topic", sorted(TOPICS.keys() - INPUTS - {"feedback"}))
def test_every_output_that_holds_records_is_refused(consumer: Consumer, topic: str) -> None:
    consumer.offsets[topic] = (7, 9)
    expected = (
        rf"topic {topic}: expected an empty topic, got records \(2 offsets\); give .*kafka\.top"
    )
    with pytest.raises(PreflightError, match=expected):
        preflight.check_unused(JobConfig())


def test_a_pipe_does_not_start_where_nobody_can_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        message = "'JavaPackage' object is not callable"
        raise TypeError(message)

    monkeypatch.setattr(preflight, "get_gateway", lambda: SimpleNamespace(jvm=None))
    monkeypatch.setattr(preflight, "kafka_classes", refuse)
    with pytest.raises(PreflightError, match="expected empty output topics, but they cannot be"):
        preflight.check_unused(JobConfig())


@pytest.mark.parametrize("check", ["check_one_origin", "check_topics", "check_unused"])
def test_a_pipe_is_checked_before_it_is_built(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], check: str
) -> None:
    def refuse(*_: object) -> None:
        message = f"preflight: {check}"
        raise PreflightError(message)

    for name in ("check_one_origin", "check_topics", "check_unused"):
        monkeypatch.setattr(ingest, name, refuse if name == check else lambda *_: None)
    monkeypatch.setattr(ingest, "environment", pytest.fail)
    assert ingest.main(["--config", str(LOCAL_CONFIG)]) == 2
    assert f"preflight: {check}" in capsys.readouterr().err


@pytest.mark.parametrize(("found", "refused"), [({"shop.catalog": ABSENT}, True), ({}, False)])
def test_a_catalogue_that_is_not_there_is_told_before_anything_starts(
    found: dict[str, str], *, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it cannot be asked, the job starts."""
    monkeypatch.setattr(preflight, "topic_ids", lambda *_: found)
    config = JobConfig.model_validate({"kafka": {"topics": {"prefix": "shop."}}})
    if not refused:
        preflight.check_there(config)
        return
    with pytest.raises(PreflightError, match=r"topic shop\.catalog: .* scripts/topics makes it"):
        preflight.check_there(config)
