"""Which generation of transactional ids a submission begins with, and when it must be the last."""

from types import SimpleNamespace
from typing import Any

import pytest

from conf import epochs
from conf.loader import load
from jobs import tables, transactions
from scripts.tools.cluster.paths import LOCAL_CONFIG
from scripts.tools.commands import status

CONFIG = load(LOCAL_CONFIG, ["kafka.delivery=exactly-once"])
PREFIX = tables.transactions(CONFIG)[0]


class Answer:
    """What the admin client's futures look like."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def all(self) -> "Answer":
        return self

    def get(self) -> Any:
        return self._value


class Admin:
    """An admin client of a broker that has some ids."""

    def __init__(self, known: dict[str, int]) -> None:
        self.known, self.closed = known, False

    def create(self, _: object) -> "Admin":
        return self

    def listTransactions(self) -> Answer:  # noqa: N802  # Kafka's name
        return Answer([SimpleNamespace(transactionalId=lambda n=name: n) for name in self.known])

    def describeTransactions(self, names: list[str]) -> Answer:  # noqa: N802
        return Answer({n: SimpleNamespace(producerEpoch=lambda n=n: self.known[n]) for n in names})

    def close(self) -> None:
        self.closed = True


class JavaList(list):  # type: ignore[type-arg]
    add = list.append


def chosen(monkeypatch: pytest.MonkeyPatch, known: dict[str, int]) -> int:
    admin = Admin(known)
    java = SimpleNamespace(util=SimpleNamespace(ArrayList=JavaList))
    gateway = SimpleNamespace(jvm=SimpleNamespace(java=java))
    kafka = SimpleNamespace(clients=SimpleNamespace(admin=SimpleNamespace(AdminClient=admin)))
    monkeypatch.setattr(transactions, "get_gateway", lambda: gateway)
    monkeypatch.setattr(transactions, "kafka_classes", lambda: kafka)
    monkeypatch.setattr(transactions, "client_properties", lambda _: None)
    found = transactions.generation(CONFIG)
    assert admin.closed
    return found


NEW, OLD = epochs.USED - 1, epochs.USED


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({}, 0),
        ({"somebody-0-0": 30_000}, 0),
        ({f"{PREFIX}-0-0": NEW}, 0),
        ({f"{PREFIX}-0-0": 5, f"{PREFIX}-1-2": OLD}, 1),
        ({f"{PREFIX}-0-0": OLD, f"{PREFIX}-g1-0-0": NEW}, 1),
        ({f"{PREFIX}-0-0": OLD, f"{PREFIX}-g1-0-0": 32_766, f"{PREFIX}-g3-0-0": 9}, 2),
        # the broker forgets ids after a week: what is not there is as good as new
        ({f"{PREFIX}-g4-0-0": 20_000}, 0),
        ({tables.transactions(CONFIG)[-1] + "-0-0": OLD}, 1),
    ],
)
def test_no_submission_begins_with_ids_that_were_used_often(
    monkeypatch: pytest.MonkeyPatch, known: dict[str, int], expected: int
) -> None:
    assert chosen(monkeypatch, known) == expected


def test_a_broker_that_does_not_say_is_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        message = "'JavaPackage' object is not callable"
        raise TypeError(message)

    monkeypatch.setattr(transactions, "kafka_classes", refuse)
    monkeypatch.setattr(transactions, "get_gateway", lambda: SimpleNamespace(jvm=None))
    assert transactions.generation(CONFIG) == 0


def test_without_transactions_nobody_is_asked() -> None:
    assert transactions.generation(load(LOCAL_CONFIG, ["kafka.delivery=at-least-once"])) == 0


def test_every_sink_is_known_by_its_prefix() -> None:
    topics = CONFIG.kafka.topics
    for name, topic in (
        ("recommendations", topics.recommendations),
        ("dead_letter", topics.dead_letter),
        ("recommendation_metrics", topics.recommendation_metrics),
        ("tuned_metrics", topics.recommendation_metrics),
        ("control_results", topics.control_results),
    ):
        text = tables.output_sink(CONFIG, name, topic)
        (prefix,) = [p for p in tables.transactions(CONFIG) if f"'{p}'" in text]
        assert f"'{prefix}-g7'" in tables.output_sink(CONFIG, name, topic, generation=7)


@pytest.mark.parametrize(("taken", "told"), [(0, False), (9_000, False), (13_000, True)])
def test_status_says_when_the_epochs_come_to_their_end(taken: int, told: bool) -> None:  # noqa: FBT001
    flink = SimpleNamespace(get=lambda _: {"counts": {"completed": taken}})
    said = status.transactions_end(flink, [{"jid": "1"}])  # type: ignore[arg-type]
    assert bool(said) == told
    assert not told or "13,000 checkpoints since" in said
