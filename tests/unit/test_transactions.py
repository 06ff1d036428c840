"""Which generation of transactional ids a submission begins with, and when it must be the last."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from py4j.protocol import Py4JError

from conf import epochs
from conf.loader import load
from jobs import tables, transactions
from scripts.tools.cluster.paths import LOCAL_CONFIG
from scripts.tools.commands import status

CONFIG = load(LOCAL_CONFIG, ["kafka.delivery=exactly-once"])
PREFIX = tables.transactions(CONFIG)[0]


def of(generation: int) -> str:
    """Return the prefix of a generation, as the sink of recommendations has it."""
    topic = CONFIG.kafka.topics.recommendations
    text = tables.output_sink(CONFIG, "recommendations", topic, generation=generation)
    return text.split("'sink.transactional-id-prefix' = '")[1].split("'")[0]


class Answer:
    """What the admin client's futures look like."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def all(self) -> "Answer":
        return self

    def description(self, name: str) -> "Answer":
        return Answer(self._value[name])

    def get(self) -> Any:
        if isinstance(self._value, Exception):
            raise self._value
        return self._value


class Admin:
    """An admin client of a broker that has some ids."""

    def __init__(self, known: dict[str, int], **faults: Exception) -> None:
        self.known, self.faults, self.closed = known, faults, False
        self.fenced: list[str] = []

    def create(self, _: object) -> "Admin":
        return self

    def listTransactions(self) -> Answer:  # noqa: N802  # Kafka's name
        return Answer([SimpleNamespace(transactionalId=lambda n=name: n) for name in self.known])

    def describeTransactions(self, names: list[str]) -> Answer:  # noqa: N802
        return Answer(
            {
                n: self.faults.get(n, SimpleNamespace(producerEpoch=lambda n=n: self.known[n]))
                for n in names
            }
        )

    def fenceProducers(self, names: list[str]) -> Answer:  # noqa: N802
        self.fenced += names
        return Answer(self.faults.get("fence"))

    def close(self) -> None:
        self.closed = True


class JavaList(list):  # type: ignore[type-arg]
    add = list.append


@contextmanager
def asked(monkeypatch: pytest.MonkeyPatch, admin: Admin) -> Iterator[None]:
    java = SimpleNamespace(util=SimpleNamespace(ArrayList=JavaList))
    gateway = SimpleNamespace(jvm=SimpleNamespace(java=java))
    kafka = SimpleNamespace(clients=SimpleNamespace(admin=SimpleNamespace(AdminClient=admin)))
    monkeypatch.setattr(transactions, "get_gateway", lambda: gateway)
    monkeypatch.setattr(transactions, "kafka_classes", lambda: kafka)
    monkeypatch.setattr(transactions, "client_properties", lambda _: None)
    yield
    assert admin.closed


def chosen(
    monkeypatch: pytest.MonkeyPatch,
    known: dict[str, int],
    *,
    take_over: bool = False,
    **faults: Exception,
) -> int:
    with asked(monkeypatch, Admin(known, **faults)):
        return transactions.generation(CONFIG, take_over=take_over)


NEW, OLD = epochs.USED - 1, epochs.USED


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({}, 0),
        ({"somebody-0-0": 30_000}, 0),
        ({f"{PREFIX}-0-0": NEW}, 0),
        ({f"{PREFIX}-0-0": 5, f"{PREFIX}-1-2": OLD}, 1),
        ({f"{PREFIX}-0-0": OLD, f"{of(1)}-0-0": NEW}, 1),
        ({f"{PREFIX}-0-0": OLD, f"{of(1)}-0-0": 32_766, f"{of(3)}-0-0": 9}, 2),
        # the broker forgets ids after a week: what is not there is as good as new
        ({f"{of(4)}-0-0": 20_000}, 0),
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
    assert transactions.generation(CONFIG, take_over=False) == 0


def test_without_transactions_nobody_is_asked() -> None:
    config = load(LOCAL_CONFIG, ["kafka.delivery=at-least-once"])
    assert transactions.generation(config, take_over=True) == 0
    transactions.end_others(config, 0)


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
        text = tables.output_sink(CONFIG, name, topic, generation=7)
        assert f"'{prefix.replace('streamrec-', 'streamrec-g7-')}'" in text


def test_no_prefix_of_ids_begins_with_that_of_another_generation() -> None:
    """A sink that restarts aborts all open transactions whose ids begin with its own prefix."""
    names = [of(number) for number in range(12)]
    assert not [(a, b) for a in names for b in names if a != b and b.startswith(a)]
    listed = {f"{name}-0-0": OLD for name in names}
    assert transactions._listed(Admin(listed), CONFIG) == {n: i for i, n in enumerate(listed)}


@pytest.mark.parametrize(
    ("known", "expected"),
    [({}, 0), ({f"{PREFIX}-0-0": NEW}, 1), ({f"{PREFIX}-0-0": NEW, f"{of(4)}-0-0": OLD}, 5)],
)
def test_who_takes_over_has_ids_of_its_own(
    monkeypatch: pytest.MonkeyPatch, known: dict[str, int], expected: int
) -> None:
    assert chosen(monkeypatch, known, take_over=True) == expected


def test_where_the_epochs_are_not_told_no_id_is_used_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    known = {f"{PREFIX}-0-0": 5, f"{of(2)}-0-0": 5}
    refused = Py4JError("TransactionalIdAuthorizationException")
    assert chosen(monkeypatch, known, **{f"{PREFIX}-0-0": refused}) == 3
    assert "how many epochs the transactional ids have left is not known" in caplog.text


def test_an_id_that_expires_in_between_is_as_good_as_new(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = Py4JError("TransactionalIdNotFoundException")
    known = {f"{PREFIX}-0-0": OLD, f"{PREFIX}-0-1": 0, f"{of(1)}-0-0": NEW}
    assert chosen(monkeypatch, known, **{f"{PREFIX}-0-1": gone}) == 1


def test_without_state_what_other_generations_left_open_is_ended(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    known = dict.fromkeys((f"{PREFIX}-0-0", f"{of(1)}-0-0", f"{of(3)}-0-1", "somebody-0-0"), 9)
    admin = Admin(known, fence=Py4JError("TimeoutException"))
    with asked(monkeypatch, admin):
        transactions.end_others(CONFIG, 1)  # what fails is told, and the job starts
    assert admin.fenced == [f"{PREFIX}-0-0", f"{of(3)}-0-1"]
    assert "whether transactions of a job before are still open is not known" in caplog.text


@pytest.mark.parametrize(("taken", "told"), [(0, False), (9_000, False), (13_000, True)])
def test_status_says_when_the_epochs_come_to_their_end(taken: int, told: bool) -> None:  # noqa: FBT001
    flink = SimpleNamespace(get=lambda _: {"counts": {"completed": taken}})
    said = status.transactions_end(flink, [{"jid": "1", "state": "RUNNING"}])  # type: ignore[arg-type]
    assert bool(said) == told
    assert not told or "13,000 checkpoints since" in said
    ended = [{"jid": "1", "state": "FINISHED"}]
    assert not status.transactions_end(flink, ended)  # type: ignore[arg-type]
