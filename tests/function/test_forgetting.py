"""Commands about users: forgotten ones leave nothing, blocked ones teach nobody."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.keys import key_of
from models.params.feedback import FeedbackParams
from operators.fine_tune.blocks import Blocks
from state.keyed.ring import Block
from state.keyed.tuner_state import TunerState
from state.topics import forgotten
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

USER = "grace-hopper"
LOG = [
    *behaviour(1_200, users=60, items=60),
    *(event(USER, f"item-{n}", at=NOW - n) for n in range(9, 1, -1)),
]
FEEDBACK = FeedbackParams(rewards={"view": 1.0})


class Job:
    """A worker of the full model, learn-items, and the loop between them."""

    def __init__(self, restored: "Job | None" = None, *, state: Savepoint | None = None) -> None:
        full = learning(objective="full")
        state = restored.users.savepoint() if restored else state
        params = learn_users(learning=full, feedback=FEEDBACK, deep=False)
        self.users = UsersSubtask(params, Clock(NOW + DAY), state)
        self.items = ItemsSubtask(
            learn_items(learning=full),
            Clock(NOW + DAY),
            restored.items.savepoint() if restored else None,
        )
        self.offset = restored.offset if restored else 0
        self.commands = restored.commands if restored else 0

    def send(self, *records: Record, orders: Sequence[tuple[str | None, Any]] = ()) -> Learned:
        placed = [replace(one, offset=self.offset + n) for n, one in enumerate(records)]
        self.offset += len(records)
        for name, value in orders:
            encoded = (
                value if isinstance(value, bytes) or value is None else json.dumps(value).encode()
            )
            key = None if name is None else name.encode()
            placed.append(Record(key, encoded, offset=-1 - self.commands))
            self.commands += 1
        learned = self.users.take(placed)
        if learned.messages:
            self.items.take(*learned.messages)
        return learned

    def order(self, command: str, user: str, name: str = "") -> dict[str, Any]:
        name = name or f"{command}-{self.commands}"
        learned = self.send(orders=[(name, {"command": command, "user": user})])
        (answer,) = learned.row.answers
        assert answer.k.decode() == name
        found: dict[str, Any] = json.loads(answer.v)
        return found


def job() -> Job:
    found = Job()
    for records in cut(LOG, [302] * 4):
        found.send(*records)
    return found


def everything(one: Job) -> bytes:
    """All that a savepoint of the job holds."""
    found = []
    for subtask in (one.users, one.items):
        state = subtask.savepoint()
        for maps in state.maps.values():
            for entries in maps.values():
                found += [part for pair in entries.items() for part in pair]
        for entries in state.broadcast.values():
            found += [
                part.encode() if isinstance(part, str) else part
                for p in entries.items()
                for part in p
            ]
    return b"\n".join(found)


def traces(one: Job, user: str) -> list[str]:
    held, key = everything(one), key_of(user)
    little, big = key.to_bytes(8, "little"), key.to_bytes(8, "big")
    replica, authority = one.users.function._pipeline.items, one.items.function._catalogue._items
    found = {
        "id": user.encode() in held,
        # the list of forgotten users holds the key: MessagePack, highest byte first
        "key": little in held or held.count(big) > 1,
        "sequence of the worker": key in replica.neighbours.arrays.keys.tolist(),
        "sequence of learn-items": key in authority.neighbours.arrays.keys.tolist(),
    }
    return [name for name, there in found.items() if there]


def test_a_forgotten_user_leaves_nothing_in_state_and_copies() -> None:
    one = job()
    rec = one.send(event(USER, "item-1")).recommendations[USER]
    shown = rec["items"][0]["item_id"]
    one.send(event(USER, shown, "impression", rec_id=rec["rec_id"]))
    assert traces(one, USER) == ["id", "key", "sequence of the worker", "sequence of learn-items"]
    learned = one.send(orders=[("f-1", {"command": "forget_user", "user": USER})])
    assert [(r.k, r.v) for r in learned.row.recommendations] == [(USER.encode(), None)]
    answer = json.loads(learned.row.answers[0].v)
    assert answer["ok"]
    assert answer["details"]["removed"]["profile"] > 100
    assert answer["details"]["removed"]["waiting_impressions"] == 1
    (message,) = learned.messages
    other = Job()
    for records in cut(LOG, [302] * 4):
        other.send(*records)
    assert "sequence of the worker" in traces(other, USER)
    other.users.hear_as("accepted_events", b"\0\0\0\0", message)
    one.users.hear_as("accepted_events", b"\0\0\0\0", message)
    assert "sequence of the worker" not in traces(other, USER)
    assert traces(one, USER) == []
    assert USER.encode() not in learned.row.answers[0].v


def test_later_events_are_counted_and_not_taken_until_the_user_is_readmitted() -> None:
    one = job()
    before = one.send(event("ben", "tea")).accounting
    one.order("forget_user", USER)
    again = Job(one)
    for each in (one, again):
        learned = each.send(
            event(USER, "tea", at=NOW + 1),
            event("ben", "cup", at=NOW + 2),
            replace(event(USER, "tea", at=NOW + 3), value=b"not json"),
            event(USER, "", at=NOW + 4),
        )
        assert learned.recommendations.keys() == {"ben"}
        assert learned.dead_letters == []
        counted = learned.accounting
        assert counted["ignored"] == {"(forgotten)": 3}
        (part,) = counted["partitions"].values()
        assert part["consumed"] == before["partitions"]["0"]["consumed"] + 4
        assert part["accepted"] == before["partitions"]["0"]["accepted"] + 1
        assert USER.encode() not in everything(each)
    assert again.order("readmit_user", USER)["details"] == {"changed": True}
    assert USER in again.send(event(USER, "tea", at=NOW + 5)).recommendations


def test_an_older_savepoint_brings_nobody_back() -> None:
    one = job()
    old = one.users.savepoint()
    order = ("f-1", {"command": "forget_user", "user": USER})
    one.send(event(USER, "tea"), orders=[order])
    again = Job(state=old)
    again.offset = one.offset - 1
    again.send(event(USER, "tea"), orders=[order])  # read once more, as the offsets are older
    assert USER.encode() not in everything(again)


def test_a_blocked_user_is_served_and_teaches_nobody() -> None:
    one = job()
    assert one.order("block_user", "bot")["ok"]
    learned = one.send(*(event("bot", f"spam-{n}", at=NOW + n) for n in range(20)))
    assert "bot" in learned.recommendations
    assert learned.row.trending == []
    items = Job(one)
    others = one.send(event("ben", "spam-1", at=NOW + 30)).recommendations["ben"]["items"]
    assert not any(item["item_id"].startswith("spam") for item in others)
    assert items.order("unblock_user", "bot")["details"] == {"changed": True}
    assert items.send(event("bot", "ham", at=NOW + 40)).row.trending == ["ham"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"\xff", "JSON"),
        (None, "JSON"),
        (b"[]", "JSON"),
        ({"command": "forget_user"}, "user"),
        ({"command": "forget_user", "user": ""}, "user"),
        ({"command": "forget_user", "user": 7}, "user"),
        ({"command": "make_coffee", "user": "a"}, "command"),
        ({"command": "fine_tune_now"}, "command"),
    ],
    ids=str,
)
def test_what_is_no_command_is_answered_and_changes_nothing(value: Any, expected: str) -> None:
    one = job()
    learned = one.send(event("ben", "tea"), orders=[("x", value)])
    (answer,) = (json.loads(one.v) for one in learned.row.answers)
    assert not answer["ok"]
    assert expected in answer["message"]
    assert learned.accounting["partitions"]["0"]["consumed"] == len(LOG) + 1


def test_commands_are_carried_out_once_and_an_id_means_one_command() -> None:
    one = job()
    order = ("same", {"command": "forget_user", "user": "nobody"})
    assert len(one.send(orders=[order]).row.answers) == 1
    assert len(one.send(orders=[order, order]).row.answers) == 0
    again = Job(one)
    assert len(again.send(orders=[order]).row.answers) == 0
    (reused,) = again.send(orders=[("same", {"command": "block_user", "user": "ben"})]).row.answers
    assert "an id of its own" in json.loads(reused.v)["message"]
    many = [(f"m-{n}", {"command": "block_user", "user": f"u-{n}"}) for n in range(2_000)]
    assert len(again.send(orders=many).row.answers) == 2_000


def test_the_training_ring_forgets_a_user() -> None:
    memory: dict[str, bytes] = {}

    class Memory:
        get, remove = memory.get, memory.pop

        def put(self, key: str, value: bytes) -> None:
            memory[key] = value

    blocks = Blocks(TunerState(), Memory(), 100_000)
    users = np.array([key_of(f"u{n % 5}") for n in range(40_000)], np.uint64)
    blocks.append(Block(users, users, np.arange(40_000)))
    assert blocks.forget(key_of("u1")) == 8_000
    assert blocks.events == 32_000
    assert key_of("u1").to_bytes(8, "little") not in b"".join(memory.values())
    assert blocks.forget(key_of("u1")) == 0


def test_a_message_of_another_job_forgets_nobody() -> None:
    one = job()
    one.users.hear_as("accepted_events", b"\0\0\0\0", forgotten.encode(0, [key_of(USER)]))
    assert "sequence of the worker" not in traces(one, USER)


def test_no_nesting_of_a_command_stops_the_job() -> None:
    one = job()
    for value in (b'{"command":' + b"[" * 100_000, b'{"user":' * 100_000, b"[" * 1_000_000):
        (answer,) = one.send(orders=[(None, value)]).row.answers
        assert not json.loads(answer.v)["ok"]
