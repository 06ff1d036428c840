"""The catalogue beside a running job: unavailable items leave all new lists, soon and for good."""

import json
import time

import pytest
from confluent_kafka import Producer

from state.topics.catalog import Description
from tests.builders import Record, event
from tests.kafka.running import RunningJob

pytestmark = pytest.mark.kafka

ITEMS = ("tea", "cup", "pot", "mug", "jug")
GONE, HERE = Description(available=False), Description(title="Here")
_MOST_SECONDS = 2.0


class Shop:
    """A job, and those who look at what it recommends."""

    def __init__(self, job: RunningJob) -> None:
        self.job = job
        self.number = 0
        self.sent = 0

    def describe(self, item: str, description: Description | None) -> None:
        self.write([(item, None if description is None else _json(description))])

    def write(self, records: list[tuple[str, bytes | None]]) -> None:
        producer = Producer({"bootstrap.servers": self.job.local.brokers, "linger.ms": 5,
                             "queue.buffering.max.messages": 1_000_000})  # fmt: skip
        faults: list[object] = []
        for item, value in records:
            producer.produce(f"{self.job.prefix}.catalog", key=item.encode(), value=value,
                             on_delivery=lambda error, _: faults.append(error))  # fmt: skip
        assert producer.flush(60) == 0
        assert set(faults) == {None}

    def views(self, *users: str) -> list[Record]:
        now = int(time.time() * 1000)
        self.number += 1
        return [
            event(user, item, at=now - 5_000 + n, event_id=f"{user}-{item}-{self.number}")
            for user in users
            for n, item in enumerate(("tea", "cup"))
        ]

    def shown(self) -> set[str]:
        """The list of somebody who has just begun."""
        user = f"visitor-{self.number}"
        records = self.views(user)
        self.job.send(records)
        self.sent += len(records)
        self.job.wait(lambda: user in self.lists(), lambda: f"a list for {user}")
        return self.lists()[user]

    def lists(self) -> dict[str, set[str]]:
        return {
            one["user_id"]: {item["item_id"] for item in one["items"]}
            for one in self.job.recommendations()
        }

    def until(self, item: str, *, listed: bool) -> float:
        begin = time.monotonic()
        self.job.wait(lambda: (item in self.shown()) == listed, lambda: f"{item}: {listed}")
        return time.monotonic() - begin

    def obeyed(self, item: str) -> float:
        """Take an item away while lists are made; return seconds until none has it any more."""
        self.describe(item, HERE)
        self.until(item, listed=True)
        begin = int(time.time() * 1000)
        self.describe(item, GONE)
        for _ in range(25):
            records = self.views(f"visitor-{self.number}")
            self.job.send(records)
            self.sent += len(records)
            time.sleep(0.1)
        self.until(item, listed=False)
        made = [
            one["generated_at"]
            for one in self.job.recommendations()
            if one["generated_at"] > begin and item in [i["item_id"] for i in one["items"]]
        ]
        return (max(made, default=begin) - begin) / 1000


def _json(description: Description) -> bytes:
    return json.dumps({"available": description.available, "title": description.title}).encode()


def test_unavailable_items_leave_all_new_lists_and_come_back(job: RunningJob) -> None:
    job.settings = ("deep.enabled=false", "kafka.delivery=at-least-once")
    shop = Shop(job)
    job.make_topic("catalog", **{"cleanup.policy": "compact"})
    shop.write([("jug", _json(GONE)), ("x" * 600, b"{}"), ("pot", b"\xff"), ("mug", b"[1]")])
    job.start()
    now = int(time.time() * 1000)
    known = [
        event(f"u{user}", item, at=now - 60_000 + 5_000 * n)
        for user in range(8)
        for n, item in enumerate(ITEMS)
    ]
    job.send(known)
    job.settle()
    # what was said before the job began holds, and what cannot be read says nothing
    assert shop.until("jug", listed=False) < 30
    assert {"pot", "mug"} <= shop.shown()

    shop.describe("pot", GONE)
    shop.until("pot", listed=False)
    shop.describe("mug", None)
    shop.until("mug", listed=False)

    saved = job.stop()
    shop.describe("jug", HERE)
    job.start(state=saved)
    shop.until("jug", listed=True)
    assert shop.shown() & {"pot", "mug"} == set()
    shop.describe("mug", HERE)
    shop.until("mug", listed=True)
    assert "pot" not in shop.shown()
    assert job.settle().accepted == len(known) + shop.sent


def test_a_change_is_obeyed_soon_among_a_hundred_thousand_items(job: RunningJob) -> None:
    job.settings = ("deep.enabled=false", "kafka.delivery=at-least-once")
    job.start()
    now = int(time.time() * 1000)
    job.send([event(f"u{user}", item, at=now - 60_000 + 5_000 * n)
              for user in range(8) for n, item in enumerate(ITEMS)])  # fmt: skip
    job.settle()
    shop = Shop(job)
    begin = time.monotonic()
    gone = [(f"item-{n}", _json(GONE if n % 10 == 0 else HERE)) for n in range(100_000)]
    shop.write([*gone, ("pot", _json(GONE))])
    shop.until("pot", listed=False)
    burst = time.monotonic() - begin
    took = [shop.obeyed("pot") for _ in range(12)]
    print(f"a burst of 100,001: {burst:.1f} s; one change: {sorted(took)}")
    assert burst < 60
    assert max(took) < _MOST_SECONDS
