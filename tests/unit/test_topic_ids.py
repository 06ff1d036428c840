"""Which topics these are is asked when a job is submitted; who cannot be asked is not known."""

import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from py4j.protocol import Py4JError

from conf.schema import JobConfig
from jobs import preflight
from state.keyed.lineage import ABSENT

NONE = "AAAAAAAAAAAAAAAAAAAAAA"


class _Listed(list[Any]):
    def add(self, one: Any) -> None:
        self.append(one)


def _text(text: str) -> Any:
    return SimpleNamespace(toString=lambda: text)


class Admin:
    """Kafka's, of a broker that knows some topics."""

    def __init__(self, ids: dict[str, str]) -> None:
        self.ids, self.closed = ids, False

    def describeTopics(self, names: list[str]) -> Any:  # noqa: N802
        def answer(name: str) -> Any:
            if name not in self.ids:
                raise Py4JError(
                    "TopicAuthorizationException"
                    if name == "secret"
                    else "UnknownTopicOrPartitionException"
                )
            return SimpleNamespace(topicId=lambda: _text(self.ids[name]))

        found = {name: SimpleNamespace(get=lambda name=name: answer(name)) for name in names}
        return SimpleNamespace(topicNameValues=lambda: found)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def admin(monkeypatch: pytest.MonkeyPatch) -> Iterator[Admin]:
    """A broker in place of Kafka."""
    found = Admin({"a": "J7gGrQ_xTyqBTPgFJw8Fjw", "old": NONE})
    java = SimpleNamespace(util=SimpleNamespace(ArrayList=_Listed))
    kafka = SimpleNamespace(
        common=SimpleNamespace(Uuid=SimpleNamespace(ZERO_UUID=_text(NONE))),
        clients=SimpleNamespace(
            admin=SimpleNamespace(AdminClient=SimpleNamespace(create=lambda _: found))
        ),
    )
    gateway = SimpleNamespace(jvm=SimpleNamespace(java=java))
    monkeypatch.setattr(preflight, "get_gateway", lambda: gateway)
    monkeypatch.setattr(preflight, "kafka_classes", lambda: kafka)
    monkeypatch.setattr(preflight, "client_properties", lambda _: None)
    yield found
    assert found.closed


def test_topics_are_told_by_the_ids_of_the_broker(
    admin: Admin, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        found = preflight.topic_ids(JobConfig(), ["a", "gone", "secret", "old"])
    assert found == {"a": admin.ids["a"], "gone": ABSENT}
    assert "which id topic secret has is not known" in caplog.text
    assert "gone" not in caplog.text


def test_a_job_starts_where_nobody_can_be_asked(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse() -> None:
        message = "'JavaPackage' object is not callable"
        raise TypeError(message)

    monkeypatch.setattr(preflight, "get_gateway", lambda: SimpleNamespace(jvm=None))
    monkeypatch.setattr(preflight, "kafka_classes", refuse)
    with caplog.at_level(logging.WARNING):
        assert preflight.topic_ids(JobConfig(), ["a"]) == {}
    assert "which ids the topics have is not known" in caplog.text
