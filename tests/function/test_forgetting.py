"""Commands about users: forgotten ones leave nothing, blocked ones teach nobody."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.keys import key_of
from models.params.events import EventPolicy
from models.params.feedback import FeedbackParams
from operators.fine_tune.blocks import Blocks
from state.keyed.ring import Block
from state.keyed.tuner_state import TunerState
from state.topics import forgotten
from state.topics.forgotten import Forgotten
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
        self.now_ms = restored.now_ms if restored else NOW

    def send(self, *records: Record, orders: Sequence[tuple[str | None, Any]] = ()) -> Learned:
        placed = [
            replace(one, offset=self.offset + n, published=self._next_ms(one.published))
            for n, one in enumerate(records)
        ]
        self.offset += len(records)
        for name, value in orders:
            encoded = (
                value if isinstance(value, bytes) or value is None else json.dumps(value).encode()
            )
            key = None if name is None else name.encode()
            written = self._next_ms()
            placed.append(Record(key, encoded, offset=-1 - self.commands, published=written))
            self.commands += 1
        learned = self.users.take(placed)
        if learned.messages:
            self.items.take(*learned.messages)
        return learned

    def _next_ms(self, published: int = NOW) -> int:
        """When the next record is written: now, unless a test says otherwise."""
        self.now_ms += 1
        return self.now_ms if published == NOW else published

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
    one.users.hear_as(
        "accepted_events", b"\0\0\0\0", forgotten.encode(Forgotten(7, 1, [key_of(USER)]))
    )
    assert "sequence of the worker" not in traces(one, USER)


def test_no_nesting_of_a_command_stops_the_job() -> None:
    one = job()
    for value in (b'{"command":' + b"[" * 100_000, b'{"user":' * 100_000, b"[" * 1_000_000):
        (answer,) = one.send(orders=[(None, value)]).row.answers
        assert not json.loads(answer.v)["ok"]


def test_records_from_before_are_not_taken_after_the_user_was_readmitted() -> None:
    one = job()
    before = one.now_ms
    one.order("forget_user", USER)
    one.order("readmit_user", USER)
    late = replace(event(USER, "secret"), published=before)
    assert one.send(late).accounting["ignored"] == {"(forgotten)": 1}
    assert USER.encode() not in everything(one)
    again = Job(one)
    assert again.send(late).accounting["ignored"] == {"(forgotten)": 2}
    assert USER in again.send(event(USER, "tea", at=NOW + 1)).recommendations


def test_the_newest_command_holds_in_whatever_order_they_are_read() -> None:
    one = job()
    older = Record(b"r", b'{"command":"readmit_user","user":"ann"}', offset=-100, published=NOW)
    newer = Record(b"f", b'{"command":"forget_user","user":"ann"}', offset=-101, published=NOW + 9)
    for first, second, taken in ((newer, older, False), (older, newer, False)):
        each = Job(one)
        for record in (first, second):
            each.users.take([record])
        each.now_ms = NOW + 100
        assert ("ann" in each.send(event("ann", "tea")).recommendations) == taken
    each = Job(one)
    each.users.take([replace(newer, published=NOW)])
    each.users.take([replace(older, published=NOW + 9)])
    each.now_ms = NOW + 100
    assert "ann" in each.send(event("ann", "tea")).recommendations


def test_records_of_items_do_not_keep_what_a_sequence_has_overtaken() -> None:
    one = job()
    for part in range(6):
        one.send(*(event(USER, f"thing-{part}-{n}", at=NOW + part * 100 + n) for n in range(90)))
    assert "key" in traces(one, USER)
    one.order("forget_user", USER)
    assert traces(one, USER) == []


@pytest.mark.parametrize("buckets", [1, 4])
def test_who_is_forgotten_and_readmitted_at_once_is_learnt_alike_everywhere(buckets: int) -> None:
    one = job()
    full = replace(learning(objective="full"), item_buckets=buckets)
    one.items = ItemsSubtask(
        learn_items(learning=full, keys=tuple(range(buckets))), Clock(NOW + DAY)
    )
    for n in range(40):
        one.send(event(USER, f"old-{n}", at=NOW + n))
    orders = [("f", {"command": "forget_user", "user": USER}),
              ("r", {"command": "readmit_user", "user": USER})]  # fmt: skip
    first = replace(event(USER, "new-1", at=NOW + 100), published=NOW + 10_000)
    learned = one.send(first, orders=orders)
    for message in learned.messages:  # it comes back, more than once
        for _ in range(2):
            one.users.hear_as("accepted_events", b"\0\0\0\0", message)
    for n in range(2, 8):
        one.send(event(USER, f"new-{n}", at=NOW + 100 + n))
    for items in (one.users.function._pipeline.items, one.items.function._catalogue._items):
        arrays = items.neighbours.arrays
        slot = arrays.keys.tolist().index(key_of(USER))
        assert arrays.until[slot] - arrays.first[slot] == 7


@pytest.mark.parametrize("keyed", [True, False, "json"])
def test_refused_records_of_forgotten_users_are_no_dead_letters(keyed: Any) -> None:
    policy = EventPolicy(buckets=1, max_bytes=2_000, keyed=keyed)
    users = UsersSubtask(learn_users(policy=policy, deep=False), Clock(NOW + DAY))
    forget = {"command": "forget_user", "user": USER}
    users.take([Record(b"f", json.dumps(forget).encode(), offset=-1)])
    bad = [replace(event(USER, "tea", at=-5), offset=n, published=NOW + 5) for n in range(2)]
    learned = users.take([bad[0] if keyed is True else replace(bad[0], key=None),
                          replace(bad[1], key=None)])  # fmt: skip
    assert learned.dead_letters == []
    assert learned.accounting["ignored"] == {"(forgotten)": 2}


def test_a_blocked_user_moves_no_weight_of_scores() -> None:
    one = job()
    one.order("block_user", "bot")
    learned = one.send(*(event("bot", f"item-{n}", at=NOW + n) for n in range(30)))
    assert learned.metrics["scored"] == 0
    assert learned.metrics["recommended"] == 1


def test_new_events_of_the_ring_are_counted_without_those_forgotten() -> None:
    memory: dict[str, bytes] = {}

    class Memory:
        get, remove = memory.get, memory.pop

        def put(self, key: str, value: bytes) -> None:
            memory[key] = value

    state = TunerState()
    blocks = Blocks(state, Memory(), 100_000)
    users = np.repeat(np.array([1, 2], np.uint64), 300)
    blocks.append(Block(users, np.arange(600, dtype=np.uint64), np.arange(600)))
    state.new_events = 200
    assert blocks.forget(2) == 300
    assert state.new_events == 0
    state.new_events = 100
    assert blocks.forget(1) == 300
    assert (blocks.events, state.new_events) == (0, 0)


def test_no_answer_is_longer_than_a_record_and_no_message_to_forget() -> None:
    one = job()
    value = {"command": "x" * 900_000, "user": USER}
    (answer,) = one.send(orders=[("k" * 5_000, value)]).row.answers
    assert len(answer.k) + len(answer.v) < 4_096
    users = UsersSubtask(learn_users(deep=False, max_record_bytes=64 << 10), Clock(NOW + DAY))
    orders = [json.dumps({"command": "forget_user", "user": f"u{n}"}) for n in range(20_000)]
    learned = users.take(
        [Record(b"%d" % n, order.encode(), offset=-1 - n) for n, order in enumerate(orders)]
    )
    assert max(map(len, learned.messages)) < 64 << 10
    told = [user for message in learned.messages for user in forgotten.decode(message).users]
    assert told == [key_of(f"u{n}") for n in range(20_000)]
    assert len({forgotten.decode(message).name for message in learned.messages}) > 1
