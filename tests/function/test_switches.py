"""Commands about items and the whole job: all workers obey them, also after a restart."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from conf.sections.serving import ArmRules, ListRules, Recommend
from jobs.settings import SETTABLE, Settings
from state.codec.sealed import StateError
from state.topics import availability, switches
from state.topics.switches import Switch
from tests.builders import (
    DAY,
    NOW,
    Record,
    behaviour,
    cut,
    event,
    learn_items,
    learn_users,
    learning,
)
from tests.harness import Clock, ItemsSubtask, Learned, Savepoint, UsersSubtask

LOG = behaviour(1_200, users=60, items=60)


class Shop:
    """Two workers of one job and learn-items, and the loop between them."""

    def __init__(self, *states: Savepoint) -> None:
        full = learning(objective="full")
        params = learn_users(learning=full, deep=False, slate_of=Settings(Recommend(k=5), 0.0))
        restored = states or (None, None)
        self.workers = [UsersSubtask(params, Clock(NOW + DAY), state) for state in restored]
        self.items = ItemsSubtask(learn_items(learning=full), Clock(NOW + DAY))
        self.offset, self.number, self.now_ms = 10_000 * len(states), 0, NOW

    def restarted(self) -> "Shop":
        again = Shop(*(worker.savepoint() for worker in self.workers))
        again.number, again.now_ms = self.number, self.now_ms
        for records in cut(LOG, [300] * 4):  # what its replicas would receive
            others = [replace(r, value=(r.value or b"").replace(b"user-", b"x-"), key=None)
                      for r in records]  # fmt: skip
            again.send(*others)
        return again

    def send(self, *records: Record, worker: int = 0) -> Learned:
        placed = [replace(one, offset=self.offset + n) for n, one in enumerate(records)]
        self.offset += len(records)
        return self._learned(placed, worker)

    def order(self, command: str, name: str = "", **fields: Any) -> dict[str, Any]:
        value = json.dumps({"command": command, **fields}).encode()
        self.number, self.now_ms = self.number + 1, self.now_ms + 1
        key = (name or f"id-{self.number}").encode()
        record = Record(key, value, offset=-1 - self.number, published=self.now_ms)
        answers = self._learned([record], 0).row.answers
        found: dict[str, Any] = json.loads(answers[0].v) if answers else {}
        return found

    def shown(self, worker: int = 1) -> set[str]:
        self.now_ms += 1
        views = [event(f"v{self.now_ms}-{n}", f"item-{n % 7}", at=self.now_ms) for n in range(60)]
        found = self.send(*views, worker=worker).recommendations.values()
        return {item["item_id"] for one in found for item in one["items"]}

    def _learned(self, records: list[Record], worker: int) -> Learned:
        learned = self.workers[worker].take(records)
        for one in self.workers:
            one.receive(*(m for m in learned.messages if m[:2] != b"SW"))
            for message in learned.messages:
                if message[:2] == b"SW":
                    one.hear_as("accepted_events", b"", message)
        if learned.messages:
            self.items.take(*learned.messages)
        return learned


def shop() -> Shop:
    found = Shop()
    for records in cut(LOG, [300] * 4):
        found.send(*records)
    return found


def test_a_blocked_item_leaves_the_lists_of_all_workers() -> None:
    one = shop()
    item = sorted(one.shown(0) & one.shown(1))[0]
    assert one.order("block_item", item=item)["ok"]
    again = one.restarted()
    for job in (one, again):
        assert item not in job.shown(0) | job.shown(1)
    assert one.order("unblock_item", item=item)["ok"]
    assert item in one.shown(0) | one.shown(1)


def test_the_catalogue_and_a_block_are_two_reasons() -> None:
    one = shop()
    item = sorted(one.shown(0) & one.shown(1))[0]
    one.order("block_item", item=item)
    for value in (b'{"available": false}', b'{"available": true}'):
        for worker in one.workers:
            worker.hear_as("model_updates", availability.key_of(item), value)
        assert item not in one.shown(0)
    for worker in one.workers:
        worker.hear_as("model_updates", availability.key_of(item), availability.GONE)
    one.order("unblock_item", item=item)
    assert item not in one.shown(0)


def test_while_learning_is_paused_events_are_taken_and_teach_nobody() -> None:
    one = shop()
    assert one.order("pause_learning")["ok"]
    one = one.restarted()  # what is sent there teaches nobody either

    def learnt(worker: int) -> bytes:
        items = one.workers[worker].function._pipeline.items
        order = np.argsort(items.keys)
        return items.arrays.factors[: items.size][order].tobytes() + items.count[order].tobytes()

    before = [learnt(0), learnt(1)]
    for worker in (0, 1):
        now = one.now_ms
        views = [event(f"p{worker}-{n}", f"item-{n % 9}", at=now + n) for n in range(50)]
        learned = one.send(*views, worker=worker)
        assert learned.codes == []
        assert len(learned.recommendations) == 50
    assert [learnt(0), learnt(1)] == before
    gauges = json.loads(one.workers[0].function._pipeline.gauges(0, {}, _serving(one))[1])
    assert gauges["paused"] is True
    assert one.order("resume")["ok"]
    one.send(*(event(f"q{n}", f"item-{n % 9}", at=one.now_ms) for n in range(50)))
    assert learnt(0) != before[0]
    assert learnt(1) != before[1]


def _serving(one: Shop) -> Any:
    return one.workers[0].function._receiver.serving()


def test_what_is_set_holds_in_all_workers_and_after_a_restart() -> None:
    one = shop()
    for worker in one.workers:
        for n in range(0, 60, 2):
            description = json.dumps({"categories": ["even"]}).encode()
            worker.hear_as("model_updates", availability.key_of(f"item-{n}"), description)
    even = {f"item-{n}" for n in range(0, 60, 2)}
    assert one.shown(0) & even
    assert one.order("set", key="recommend.rules.hide", value=["category=even"])["ok"]
    again = one.restarted()
    for job in (one, again):
        assert job.shown(0)
        assert not (job.shown(0) | job.shown(1)) & even
        assert job.order("set", key="recommend.rules.hide")["ok"]  # as in the file again
        assert job.shown(0) & even
        assert job.shown(1) & even


def test_an_arm_can_be_added_while_the_job_runs() -> None:
    one = shop()
    answer = one.order("set", key="recommend.arms", value={"a": {}, "b": {"source": "popular"}})
    assert answer["ok"], answer
    now = one.now_ms
    found = one.send(*(event(f"arm-{n}", "item-1", at=now + 1) for n in range(40)), worker=1)
    assert {one["arm"] for one in found.recommendations.values()} == {"a", "b"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("recommend.k", 20),
        ("", 1),
        ("recommend.exploration", 0.7),
        ("recommend.exploration", "much"),
        ("recommend.rules.hide", ["category"]),
        ("recommend.rules.hide", "category=a"),
        ("recommend.rules.most_per_category", 0),
        ("recommend.arms", {"a b": {}}),
        ("recommend.arms", {"a": {"sources": "popular"}}),
        ("recommend.rules", {"only": [5]}),
        ("recommend.rules.boosts", {"category=a": 1e9}),
        ("feedback.enabled", True),
    ],
)
def test_what_the_file_could_not_have_is_refused(key: str, value: Any) -> None:
    one = shop()
    before = one.shown(0)
    answer = one.order("set", key=key, value=value)
    assert not answer["ok"]
    assert "expected" in answer["message"] or "set: recommend" in answer["message"]
    assert before
    assert not one.workers[0].function._pipeline._switches.settings


@pytest.mark.parametrize(
    ("command", "fields"),
    [
        ("block_item", {}),
        ("block_item", {"item": ""}),
        ("block_item", {"item": 5}),
        ("block_item", {"item": "x" * 2_000}),
        ("set", {"key": ["a"]}),
        ("set", {"key": "x" * 300}),
    ],
)
def test_commands_without_what_they_need_are_refused(command: str, fields: dict[str, Any]) -> None:
    answer = shop().order(command, **fields)
    assert not answer["ok"]
    assert answer["command"] == command


def test_a_repeated_command_is_obeyed_once_and_an_older_one_not_at_all() -> None:
    one = shop()
    item = sorted(one.shown(0))[0]
    first = one.order("block_item", name="same", item=item)
    assert first["ok"]
    one.order("unblock_item", item=item)
    assert one.order("block_item", name="same", item=item) == {}
    assert item in one.shown(0) | one.shown(1)
    one.now_ms -= 100  # written before, read after
    one.order("block_item", item=item)
    one.now_ms += 100
    assert item in one.shown(0) | one.shown(1)


def test_a_clock_that_was_fast_locks_nothing() -> None:
    one = shop()
    one.now_ms += 2 * DAY  # the command is written by it
    assert one.order("pause_learning")["ok"]
    one.now_ms -= 2 * DAY
    for worker in one.workers:
        worker.clock.now_ms += 1_000
    one.now_ms = NOW + DAY + 500
    assert one.order("resume")["ok"]
    assert not one.workers[1].function._pipeline._switches.paused


def test_settings_together_stay_small() -> None:
    one = shop()
    hide = [f"category={n:03}{'x' * 450}" for n in range(100)]
    answer = one.order("set", key="recommend.rules.hide", value=hide)
    assert not answer["ok"]
    assert "bytes" in answer["message"]


def test_switches_of_another_job_and_damaged_ones_are_skipped() -> None:
    one = shop()
    item = sorted(one.shown(0))[0]
    switch = Switch(0, switches.BLOCKED + item, True, NOW, 1)
    value = bytearray(switches.encode(switch))
    value[-1] ^= 1
    one.workers[0].hear_as("accepted_events", b"", bytes(value))
    with pytest.raises(StateError):
        switches.decode(bytes(value))
    assert item in one.shown(0)
    assert one.workers[0].function._inbox.skipped["accepted_events"] == 1


@pytest.mark.parametrize("value", [[1], "x", 5, True])
def test_rules_that_are_no_rules_are_refused_beside_others_that_are_set(value: Any) -> None:
    one = shop()
    assert one.order("set", key="recommend.rules.hide", value=["category=a"])["ok"]
    assert not one.order("set", key="recommend.rules", value=value)["ok"]
    assert one.order("set", key="recommend.rules.hide", value=["category=b"])["ok"]


def test_what_is_set_stays_as_it_was_sent() -> None:
    one = shop()
    assert one.order("set", key="recommend.rules", value={"most_per_category": 2})["ok"]
    assert not one.order("set", key="recommend.rules.hide", value=["bogus"])["ok"]
    assert one.order("set", key="recommend.rules.hide", value=["a=b"])["ok"]
    assert one.order("set", key="recommend.rules.hide")["ok"]
    switches_of = one.workers[0].function._pipeline._switches
    assert switches_of.settings == {"recommend.rules": {"most_per_category": 2}}
    assert one.order("set", key="recommend.exploration", value=0.1)["ok"]


def test_values_of_any_depth_are_refused() -> None:
    one = shop()
    for depth in (200, 900, *range(970, 1_010), 2_000):
        text = '{"command": "set", "key": "recommend.arms", "value": %s}' % (
            "[" * depth + "]" * depth
        )
        one.number += 1
        record = Record(b"d%d" % depth, text.encode(), offset=-1 - one.number, published=NOW)
        (answer,) = one._learned([record], 0).row.answers
        assert not json.loads(answer.v)["ok"]


def test_settings_are_those_of_the_file_but_for_what_is_set() -> None:
    file = Recommend(
        exploration=0.1,
        rules=ListRules(hide=("category=a",), most_per_category=2),
        arms={
            "one": ArmRules(share=2, rules=ListRules(boosts={"brand=x": 1.0})),
            "two": ArmRules(),
        },
    )
    settings = Settings(file, 0.5)
    usual = settings({})
    assert [arm.name for arm in usual.arms] == ["one", "two"]
    assert usual.arms[0].rules.boosts == (("brand=x", 1.0),)
    assert usual.arms[1].rules.hide == ("category=a",)
    changed = settings({"recommend.rules.hide": ["category=b"], "recommend.exploration": 0.2})
    assert changed.arms[1].rules.hide == ("category=b",)
    assert changed.arms[1].rules.most_per_category == 2
    assert changed.arms[1].exploration == 0.2
    assert settings(dict.fromkeys(SETTABLE)) == usual
