"""Of two jobs on the same output topics the one that was submitted last writes."""

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from py4j.protocol import Py4JError

from conf.loader import load
from conf.schema import JobConfig
from jobs import lease as writer
from jobs.preflight import WAITS, PreflightError
from scripts.tools.cluster.paths import LOCAL_CONFIG
from state.codec.sealed import StateError
from state.topics import lease
from state.topics.lease import Lease

LEASES = st.builds(
    Lease,
    run=st.sampled_from("abc"),
    job=st.just("job"),
    epoch=st.integers(0, 3),
    at=st.integers(0, 9),
)


@given(one=LEASES, other=LEASES)
def test_of_two_runs_exactly_one_yields(one: Lease, other: Lease) -> None:
    yields = (one.yields_to(other), other.yields_to(one))
    assert sorted(yields) == ([False, False] if one.run == other.run else [False, True])


def test_a_later_submission_holds() -> None:
    first = Lease(run="z", job="a", epoch=1, at=9)
    second = Lease(run="b", job="b", epoch=2, at=3)
    assert first.yields_to(second)
    assert lease.decode(lease.encode(first)) == first


@pytest.mark.parametrize("value", [b"", b"{", b"{}", b"\xff", b'{"version": 2, "run": "a"}'])
def test_what_is_no_lease_is_refused(value: bytes) -> None:
    with pytest.raises(StateError, match=r"lease: expected .*; skip the record"):
        lease.decode(value)


def test_another_version_is_refused() -> None:
    value = lease.encode(Lease(version=2, run="a", job="a", epoch=1, at=1))
    with pytest.raises(StateError, match="expected version 1, got 2"):
        lease.decode(value)


TOPIC = JobConfig().kafka.topics.model_updates
QUICK = JobConfig.model_validate({"flink": {"checkpoint_interval": "1s", "restart_time": "20s"}})
HOUR_MS = 3_600_000
NOW_MS = 1_000 * HOUR_MS


class Part(NamedTuple):
    """Kafka's `TopicPartition`."""

    number: int

    def partition(self) -> int:
        return self.number


class Listed(list[Any]):
    """Java's `ArrayList`."""

    def add(self, one: Any) -> None:
        self.append(one)


class Item(NamedTuple):
    """Kafka's `ConsumerRecord`."""

    at: tuple[int, int]
    named: bytes
    content: bytes | None

    def partition(self) -> int:
        return self.at[0]

    def offset(self) -> int:
        return self.at[1]

    def key(self) -> bytes:
        return self.named

    def value(self) -> bytes | None:
        return self.content


@dataclass
class Broker:
    """A topic, a clock that only waiting moves, and what is written while one waits."""

    log: list[list[tuple[bytes, bytes | None]]]
    at: float = 0.0
    due: list[tuple[float, int, Lease]] = field(default_factory=list)
    """(seconds, partition, lease) that will be written."""
    first: int = 0
    """First offset of each partition."""
    handed: int = 0
    """Records that consumers were given."""
    closed: bool = False
    assigned: list[Part] = field(default_factory=list)
    paused: set[int] = field(default_factory=set)
    positions: dict[int, int] = field(default_factory=dict)

    def listTopics(self) -> list[str]:  # noqa: N802
        return [TOPIC]

    def partitionsFor(self, topic: str) -> list[Part]:  # noqa: N802
        assert topic == TOPIC
        return [Part(number) for number in range(len(self.log))]

    def beginningOffsets(self, parts: Listed) -> dict[Part, int]:  # noqa: N802
        return dict.fromkeys(parts, self.first)

    def endOffsets(self, parts: Listed) -> dict[Part, int]:  # noqa: N802
        return {part: self.first + len(self.log[part.number]) for part in parts}

    def assign(self, parts: Listed) -> None:
        kept = set(self.assigned) & set(parts)  # Kafka remembers what was paused
        self.assigned, self.paused = list(parts), self.paused & {part.number for part in kept}

    def seek(self, part: Part, offset: int) -> None:
        assert part in self.assigned
        self.positions[part.number] = offset

    def position(self, part: Part) -> int:
        return self.positions[part.number]

    def pause(self, parts: Listed) -> None:
        self.paused |= {part.number for part in parts}

    def resume(self, parts: Listed) -> None:
        self.paused -= {part.number for part in parts}

    def poll(self, wait: float) -> Any:
        self.at += wait
        for seconds, number, one in self.due:
            if seconds <= self.at:
                self.log[number].append((lease.KEY, lease.encode(one)))
        self.due = [one for one in self.due if one[0] > self.at]
        found = []
        for part in self.assigned:
            number, here = part.number, self.positions[part.number] - self.first
            if number not in self.paused:
                some = self.log[number][here : here + 500]
                found += [Item((number, self.first + here + n), *one) for n, one in enumerate(some)]
                self.positions[number] += len(some)
        self.handed += len(found)
        return SimpleNamespace(iterator=lambda: iter(found))

    def close(self) -> None:
        self.closed = True

    def monotonic(self) -> float:
        return self.at

    def time_ns(self) -> int:
        return NOW_MS * 1_000_000


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    """A broker whose topic is empty, with two partitions, in place of Kafka and of time."""
    found = Broker([[], []])
    java = SimpleNamespace(
        util=SimpleNamespace(ArrayList=Listed),
        time=SimpleNamespace(
            Duration=SimpleNamespace(ofMillis=lambda milliseconds: milliseconds / 1000)
        ),
    )
    kafka = SimpleNamespace(
        common=SimpleNamespace(TopicPartition=lambda _, number: Part(number)),
        clients=SimpleNamespace(consumer=SimpleNamespace(KafkaConsumer=lambda _: found)),
    )
    silent = SimpleNamespace(setProperty=lambda *_: None)
    monkeypatch.setattr(
        writer, "get_gateway", lambda: SimpleNamespace(jvm=SimpleNamespace(java=java))
    )
    monkeypatch.setattr(writer, "kafka_classes", lambda: kafka)
    monkeypatch.setattr(writer, "client_properties", lambda _: silent)
    monkeypatch.setattr(writer, "time", found)
    yield found
    assert found.closed


def written(at: int, *, epoch: int | None = None, job: str = "other") -> Lease:
    return Lease(run=job, job=job, epoch=at if epoch is None else epoch, at=at)


def chunks(count: int) -> list[tuple[bytes, bytes | None]]:
    return [(b"items/1", b"rows")] * count


def test_topics_that_no_job_wrote_are_not_watched(broker: Broker) -> None:
    mine = writer.claim(QUICK, take_over=False)
    assert (mine.epoch, mine.job) == (NOW_MS, "streamrec")
    assert broker.at < 1


@pytest.mark.parametrize("age_ms", [0, 10_000, 30 * 24 * HOUR_MS, -HOUR_MS])
@pytest.mark.parametrize("silence", [0.5, 10.0, 21.0])
def test_a_job_that_is_silent_for_a_while_is_heard(
    broker: Broker, age_ms: int, silence: float
) -> None:
    """It restarts: 10 s were measured. The time in its lease is of its machine's clock."""
    last = written(NOW_MS - age_ms)
    broker.log[1] += [(lease.KEY, lease.encode(last)), *chunks(3)]
    broker.due = [(silence, 1, last)]
    with pytest.raises(PreflightError, match=r"got job other at it; stop it .* --take-over"):
        writer.claim(QUICK, take_over=False)


def test_one_that_has_ended_is_waited_for_once_and_not_longer(
    broker: Broker, capsys: pytest.CaptureFixture[str]
) -> None:
    broker.log[0].append((lease.KEY, lease.encode(written(NOW_MS + HOUR_MS))))
    writer.claim(QUICK, take_over=False)
    seconds = writer.patience_ms(QUICK) / 1000
    assert seconds <= broker.at <= seconds + 2
    said = capsys.readouterr().err
    assert said.startswith(WAITS)
    assert f"topic {TOPIC}: job other wrote it; watching for {seconds:g} s" in said


class Silent(Broker):
    """One that answers no fetch for a while."""

    def poll(self, wait: float) -> Any:
        if self.at >= 65:
            return super().poll(wait)
        self.at += wait
        return SimpleNamespace(iterator=lambda: iter(()))


def test_a_search_that_ran_out_of_time_does_not_say_that_nobody_writes(
    broker: Broker, capsys: pytest.CaptureFixture[str]
) -> None:
    last = written(NOW_MS + HOUR_MS)
    broker.log[0] += [(lease.KEY, lease.encode(last)), *chunks(3)]
    broker.due = [(70.0, 0, last)]
    broker.__class__ = Silent
    with pytest.raises(PreflightError, match="got job other at it"):
        writer.claim(QUICK, take_over=False)
    assert "no lease found in time; watching for" in capsys.readouterr().err


def test_who_takes_over_unseen_begins_after_now(broker: Broker) -> None:
    broker.log[0] += chunks(3)
    broker.__class__ = Silent
    assert writer.claim(QUICK, take_over=True).epoch == NOW_MS + 1


@pytest.mark.parametrize(("answered", "above"), [(0, 0), (20, HOUR_MS + 1)])
def test_a_broker_that_fails_in_between_is_no_obstacle(
    broker: Broker, caplog: pytest.LogCaptureFixture, answered: int, above: int
) -> None:
    class Failing(Broker):
        def poll(self, wait: float) -> Any:
            if self.at > answered:
                raise Py4JError("TopicAuthorizationException")  # noqa: EM101
            return super().poll(wait)

    broker.log[0].append((lease.KEY, lease.encode(written(NOW_MS + HOUR_MS))))
    broker.at, broker.__class__ = 0.1, Failing
    with caplog.at_level(logging.WARNING):
        assert writer.claim(QUICK, take_over=False).epoch == NOW_MS + above
    assert "whether another job writes the topics is not known" in caplog.text


@pytest.mark.parametrize("take_over", [True, False])
def test_a_clock_that_is_behind_does_not_make_a_job_yield_for_ever(
    broker: Broker, *, take_over: bool
) -> None:
    ahead = written(NOW_MS + HOUR_MS)
    broker.log[0] += [(lease.KEY, lease.encode(one)) for one in (ahead, written(NOW_MS))]
    mine = writer.claim(QUICK, take_over=take_over)
    assert not mine.yields_to(ahead)
    assert ahead.yields_to(mine)


def test_who_takes_over_does_not_wait(broker: Broker) -> None:
    broker.log[0].append((lease.KEY, lease.encode(written(NOW_MS))))
    assert writer.claim(QUICK, take_over=True).epoch == NOW_MS + 1
    assert broker.at < 1


@pytest.mark.parametrize("behind", [0, 255, 256, 5_000])
@pytest.mark.parametrize("first", [0, 7])
def test_the_last_lease_is_found_however_much_lies_behind_it(
    broker: Broker, behind: int, first: int
) -> None:
    broker.first = first
    broker.log = [
        [*chunks(3_000), (lease.KEY, lease.encode(written(NOW_MS + 5))), *chunks(behind)],
        chunks(2_000),
    ]
    assert writer.claim(QUICK, take_over=True).epoch == NOW_MS + 6


def test_what_lies_far_before_the_last_lease_is_not_read(broker: Broker) -> None:
    broker.log[0] = [*chunks(100_000), (lease.KEY, lease.encode(written(NOW_MS)))]
    writer.claim(QUICK, take_over=True)
    assert broker.handed < 1_000


def test_a_topic_without_a_lease_is_searched_for_a_bounded_time(broker: Broker) -> None:
    broker.log[0] = chunks(1_000_000)
    writer.claim(QUICK, take_over=False)
    assert broker.at <= 61 + writer.patience_ms(QUICK) / 1000 + 1


@pytest.mark.parametrize("content", [None, b"", b"{"])
def test_what_is_no_lease_is_passed_over(broker: Broker, content: bytes | None) -> None:
    broker.log[0] += [(lease.KEY, lease.encode(written(NOW_MS))), (lease.KEY, content)]
    assert writer.claim(QUICK, take_over=True).epoch == NOW_MS + 1


def test_a_job_starts_where_nobody_can_be_asked(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse() -> Callable[[], None]:
        msg = "'JavaPackage' object is not callable"
        raise TypeError(msg)

    monkeypatch.setattr(writer, "get_gateway", lambda: SimpleNamespace(jvm=None))
    monkeypatch.setattr(writer, "kafka_classes", refuse)
    with caplog.at_level(logging.WARNING):
        assert writer.claim(QUICK, take_over=False).job == "streamrec"
    assert "whether another job writes the topics is not known" in caplog.text


def test_a_job_is_waited_for_as_long_as_it_may_be_silent() -> None:
    """Two renewals, the longest back-off and the start of its workers."""
    flink = JobConfig().flink
    assert flink.restart_time >= 30_000 + 10_000
    assert writer.patience_ms(JobConfig()) > 2 * flink.checkpoint_interval + flink.restart_time


START_MS = 8_000
"""From the end of a back-off until a worker on one machine renews the lease."""


def test_the_local_cluster_restarts_a_job_within_its_restart_time() -> None:
    settings = (LOCAL_CONFIG.parent / "flink" / "config.yaml").read_text()
    longest = re.search(r"^restart-strategy\.\S*\.max-backoff: (\d+) s$", settings, re.MULTILINE)
    assert longest
    restart_ms = load(LOCAL_CONFIG, []).flink.restart_time
    assert int(longest[1]) * 1_000 + START_MS <= restart_ms
