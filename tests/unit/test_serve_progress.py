"""How far the job is in its input, by what a broker that is made up says."""

import asyncio
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from conf.schema import JobConfig
from jobs.serve.progress import Broker, Follower, Look, Progress, UnknownError
from tests.unit.test_serve import Service

GONE = KafkaException(KafkaError(KafkaError._TRANSPORT))


class Setting:
    """A broker and a clock that do as they are told."""

    def __init__(self) -> None:
        self.seconds, self.looks = 1_000.0, 0
        self.committed: dict[int, int] = {}
        self.error: Exception | None = None
        self.follower = Follower(JobConfig(), self.look, lambda: self.seconds)

    def look(self) -> Look:
        self.looks += 1
        if self.error is not None:
            raise self.error
        return Look({0: 10, 1: 5}, dict(self.committed))

    def now(self, after: float = 0.0, **committed: int) -> Progress:
        """Ask some seconds later."""
        self.seconds += after
        self.committed |= {int(name[1:]): offset for name, offset in committed.items()}
        return asyncio.run(self.follower.now())


@pytest.fixture
def setting() -> Setting:
    return Setting()


def test_the_lag_is_what_was_not_committed(setting: Setting) -> None:
    found = setting.now(p0=7, p1=5)
    assert (found.topic, found.group, found.lag) == ("user_behavior", "streamrec", 3)
    assert [(one.partition, one.end, one.committed, one.lag) for one in found.partitions] == [
        (0, 10, 7, 3), (1, 5, 5, 0),
    ]  # fmt: skip
    assert setting.now(3, p0=12).lag == 0  # committed after the ends were asked for


def test_what_was_never_committed_has_no_lag(setting: Setting) -> None:
    assert setting.now().lag is None
    found = setting.now(3, p1=4)
    assert (found.lag, [one.lag for one in found.partitions]) == (1, [None, 1])


def test_a_broker_is_asked_every_two_seconds_however_many_ask(setting: Setting) -> None:
    async def many() -> list[Progress]:
        return await asyncio.gather(*(setting.follower.now() for _ in range(20)))

    assert len(asyncio.run(many())) == 20
    setting.now(1.9)
    assert setting.looks == 1
    setting.now(0.1)
    assert setting.looks == 2
    setting.error = GONE
    for seconds in (2, 0.1, 0.1):
        with pytest.raises(UnknownError):
            setting.now(seconds)
    assert setting.looks == 3


def test_the_age_is_that_of_the_newest_move_that_was_seen(setting: Setting) -> None:
    assert setting.now(p0=7).checkpoint_age_ms is None
    assert setting.now(3).checkpoint_age_ms is None
    assert setting.now(3, p0=8).checkpoint_age_ms == 0
    assert setting.now(1).checkpoint_age_ms == 1_000
    assert setting.now(4).checkpoint_age_ms == 5_000
    # nobody asked for long: it may have moved at any time since
    assert setting.now(60, p0=9).checkpoint_age_ms is None
    assert setting.now(3, p0=10).checkpoint_age_ms == 0


@pytest.mark.parametrize(("error", "words"), [(GONE, "transport"), (TimeoutError(), "no answer")])
def test_a_broker_that_is_gone_is_told(
    monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    def look(_: Any) -> Look:
        raise error

    monkeypatch.setattr(Broker, "look", look)
    found = Service().ask("GET", "/v1/progress")
    assert found.status_code == 503
    assert found.json()["error"]["message"].startswith("kafka: expected the offsets")
    assert words in found.json()["error"]["message"].lower()


def test_it_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Broker, "look", lambda _: Look({0: 3, 1: 1}, {0: 2}))
    assert Service().get("/v1/progress") == {
        "topic": "user_behavior", "group": "streamrec", "lag": 1, "checkpoint_age_ms": None,
        "partitions": [
            {"partition": 0, "end": 3, "committed": 2, "lag": 1},
            {"partition": 1, "end": 1, "committed": None, "lag": None},
        ],
    }  # fmt: skip
