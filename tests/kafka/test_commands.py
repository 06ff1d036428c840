"""Commands about guests, items and the job, on a real broker and cluster."""

import json
import time
from collections import Counter
from typing import Any

import pytest
from confluent_kafka import Producer

from scripts.tools.commands import control
from tests.builders import event
from tests.kafka.running import RunningJob

pytestmark = pytest.mark.kafka

PEOPLE = range(20)
ITEMS = [f"item-{n}" for n in range(12)]


class Shop:
    """A job, whoever sends it commands, and what came of both."""

    def __init__(self, job: RunningJob) -> None:
        self.job, self.number = job, 0

    def views(self, people: list[str], items: list[str], *, spread: int = 0) -> None:
        """Everybody views some items; where they are spread, each begins elsewhere."""
        now, self.number = int(time.time() * 1000), self.number + 1
        self.job.send(
            event(name, items[(n + spread * at) % len(items)], at=now - 1_000 + n,
                  event_id=f"{name}-{self.number}-{n}")
            for at, name in enumerate(people)
            for n in range(3)
        )  # fmt: skip

    def newest(self) -> dict[str, dict[str, Any] | None]:
        return {
            one.key().decode(): json.loads(one.value()) if one.value() else None
            for one in self.job.read("recommendations")
        }

    def listed(self, people: list[str]) -> Counter[str]:
        found = self.newest()
        lists = [found[name] for name in people]
        return Counter(item["item_id"] for one in lists if one for item in one["items"])

    def answers(self) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {}
        for one in self.job.read("control_results"):
            found.setdefault(one.key().decode(), []).append(json.loads(one.value()))
        return found

    def order(self, command: str, **fields: Any) -> dict[str, Any]:
        answer = control.ask_new_job(self.job.address, self.job.config, command, **fields)
        assert answer["ok"], answer
        return answer


def describe(job: RunningJob) -> None:
    producer = Producer(job.address.client({}))
    for n, item in enumerate(ITEMS):
        value = json.dumps({"categories": ["odd" if n % 2 else "even"]})
        producer.produce(job.config.kafka.topics.catalog, key=item, value=value)
    assert producer.flush(30) == 0


def test_guests_become_users_once_through_a_failure_and_a_rescale(job: RunningJob) -> None:
    job.settings = ("deep.enabled=false", "flink.checkpoint_interval=2s")
    job.start()
    shop = Shop(job)
    guests, users = [f"guest-{n}" for n in PEOPLE], [f"user-{n}" for n in PEOPLE]
    shop.views(guests, ITEMS[:6])
    shop.views(users, ITEMS[6:9])
    job.settle()
    shop.views(guests, ITEMS[:6], spread=1)  # these may be learnt after the command is read
    for n in PEOPLE:
        control.send(job.address, job.config, "merge_user", f"m-{n}",
                     **{"from": guests[n], "to": users[n]})  # fmt: skip
    time.sleep(3)
    for worker in job.workers():
        worker.kill()
    job.wait(lambda: len(shop.answers()) == len(PEOPLE), lambda: f"answers: {shop.answers()}")
    assert all(len(found) == 1 and found[0]["ok"] for found in shop.answers().values())
    job.wait(
        lambda: all(shop.newest().get(name, {}) is None for name in guests),
        "no list of any guest",
    )
    saved = job.stop()
    job.start(state=saved, parallelism=2)
    shop.views(users, ITEMS[9:])
    job.settle()
    found = shop.newest()
    for name in users:
        one = found[name]
        assert one is not None
        assert one["session"]["events"] == 3 + 3 + 3 + 3, one
        # nothing that either has seen is recommended again
        assert not {item["item_id"] for item in one["items"]} & set(ITEMS[:3])
    assert len(shop.answers()) == len(PEOPLE)


def test_all_workers_obey_what_operators_say_also_after_a_restart(job: RunningJob) -> None:
    job.settings = ("deep.enabled=false", "kafka.delivery=at-least-once", "recommend.k=5")
    job.start(parallelism=2)
    shop = Shop(job)
    shop.views([f"known-{n}" for n in range(40)], ITEMS, spread=1)
    job.settle()

    def someone() -> Counter[str]:
        people = [f"visitor-{shop.number}-{n}" for n in range(12)]
        shop.views(people, ITEMS[:3])
        job.wait(lambda: set(people) <= shop.newest().keys(), "lists")
        return shop.listed(people)

    blocked = max(someone())
    shop.order("block_item", item=blocked)
    job.wait(lambda: blocked not in someone(), "a list without the item")
    describe(job)
    odd = set(ITEMS[1::2])
    shop.order("set", key="recommend.rules.hide", value=["category=odd"])
    job.wait(lambda: not odd & someone().keys(), "lists of even items")
    saved = job.stop()
    job.start(state=saved)
    assert not (odd | {blocked}) & someone().keys()
    shop.order("set", key="recommend.rules.hide")
    job.wait(lambda: bool(odd & someone().keys()), "odd items again")
    shop.order("unblock_item", item=blocked)
    job.wait(lambda: blocked in someone(), "the item again")
    refused = control.ask_new_job(job.address, job.config, "set", key="recommend.k", value=3)
    assert not refused["ok"]
