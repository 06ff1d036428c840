"""The loop: what subtasks learnt comes back, more than once, in any order, perhaps damaged."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from models.columns.items import ItemRows
from models.keys import bucket_of
from models.params.events import EventPolicy
from models.params.ranking import RankingParams
from state.topics import accepted, chunks, lease
from state.topics.lease import Lease, TakenOverError
from tests.builders import (
    OBJECTIVES,
    Record,
    behaviour,
    cut,
    event,
    in_order,
    learn_users,
    learning,
)
from tests.harness import Clock, UsersSubtask

LOG = behaviour(400)


def subtask(**changes: Any) -> UsersSubtask:
    return UsersSubtask(learn_users(**changes), Clock())


def known(users: UsersSubtask) -> dict[int, dict[str, Any]]:
    """All that a replica knows of items that were learnt, by key; successors without order."""
    items = users.function._pipeline._learn.items
    rows = items.export(np.arange(items.size, dtype=np.int32))
    return {int(key): _item(rows, n) for n, key in enumerate(rows.keys) if rows.count[n]}


def _item(rows: ItemRows, n: int) -> dict[str, Any]:
    bounds = slice(rows.successor_start[n], rows.successor_start[n + 1])
    followed = zip(rows.successors[bounds].tolist(), rows.weights[bounds].tolist(), strict=True)
    return {
        "id": rows.ids[n],
        "count": int(rows.count[n]),
        "last_time": int(rows.last_time[n]),
        "factors": rows.factors[n].tolist(),
        "bias": float(rows.bias[n]),
        "successors": dict(followed),
    }


def messages(users: UsersSubtask, log: list[Record], **where: int) -> list[bytes]:
    """What a subtask sends to the loop for a log, cut into micro-batches."""
    sent = [users.take(records, **where).accepted for records in cut(log, [13] * 100)]
    return [message for message in sent if message is not None]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_own_events_that_come_back_change_nothing(objective: str) -> None:
    users = subtask(learning=learning(objective=objective))
    sent = messages(users, LOG)
    before = known(users)
    users.receive(*sent, *sent[5:], *sent[:5])
    assert known(users) == before


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_message_received_twice_counts_once(objective: str) -> None:
    params = learning(objective=objective)
    sent = messages(subtask(learning=params), LOG)
    once, often = subtask(learning=params), subtask(learning=params)
    once.receive(*sent)
    for n in range(0, len(sent), 3):
        often.receive(*sent[max(0, n - 4) : n + 3])
    assert known(often) == known(once)


def test_a_message_of_which_a_part_is_known_teaches_the_rest() -> None:
    """After a restart the same events come back cut into other micro-batches."""
    before, after, listener = subtask(), subtask(), subtask()
    listener.receive(*messages(before, LOG[:200]))
    listener.receive(*(m for r in cut(LOG, [50] * 8) if (m := after.take(r).accepted)))
    fresh = subtask()
    fresh.receive(*messages(subtask(), LOG))
    assert {k: v["count"] for k, v in known(listener).items()} == {
        k: v["count"] for k, v in known(fresh).items()
    }


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_listener_learns_what_the_sender_learnt(objective: str) -> None:
    params = learning(objective=objective)
    sender, listener = subtask(learning=params), subtask(learning=params)
    for records in cut(LOG, [1] * len(LOG)):
        if message := sender.take(records).accepted:
            listener.receive(message)
    _assert_alike(known(listener), known(sender))
    # differences travel in half precision
    tolerance = 1e-3 if objective in ("full", "rating") else 1e-5
    for key, item in known(sender).items():
        assert known(listener)[key]["factors"] == pytest.approx(item["factors"], abs=tolerance)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_two_subtasks_that_exchange_their_messages_count_the_same(objective: str) -> None:
    params = {
        "policy": EventPolicy(buckets=2),
        "learning": learning(objective=objective),
    }
    parts = [[], []]
    for record in LOG:
        parts[bucket_of((record.key or b"").decode(), 2)].append(record)
    assert all(len(part) > 50 for part in parts)
    left, right = subtask(**params), subtask(**params)
    from_left = messages(left, parts[0], bucket=0)
    from_right = messages(right, parts[1], bucket=1)
    left.receive(*from_right, *from_left)
    right.receive(*from_left, *from_right)
    _assert_alike(known(left), known(right))
    everything = subtask(**params)
    everything.receive(*from_left, *from_right)
    _assert_alike(known(everything), known(left))


def _assert_alike(found: dict[int, dict[str, Any]], expected: dict[int, dict[str, Any]]) -> None:
    """The same counts and, up to rounding, the same transitions."""
    assert found.keys() == expected.keys()
    for key, item in expected.items():
        assert found[key]["count"] == item["count"]
        assert found[key]["successors"] == pytest.approx(item["successors"], rel=1e-4)


def test_items_learnt_from_the_loop_are_recommended() -> None:
    sender, listener = subtask(), subtask()
    listener.receive(*messages(sender, in_order([event("ben", i) for i in ("tea", "mate")])))
    learned = listener.take([Record(b"anna", event("anna", "tea").value, partition=1)])
    (item,) = learned.recommendations["anna"]["items"]
    assert (item["item_id"], item["reason"], item["from"]) == ("mate", "transition", "tea")


@given(damage=st.binary(max_size=80))
def test_bytes_that_nobody_sent_are_skipped(damage: bytes) -> None:
    _assert_unmoved(damage)


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"{",
        b"{}",
        b"[1]",
        b'{"trending": 5}',
        b'{"window_end": 1800000000000, "seen": 5}',
        b'{"window_end": 1800000000000, "seen": null}',
        b'{"window_end": 1800000000000, "seen": {"tea": "many"}}',
        b'{"window_end": 1800000000000, "seen": {"tea": -1}}',
        b'{"window_end": 1800000000000, "seen": {"tea": 5}, "version": 2}',
        b'{"window_end": 1800000000000, "seen": {"tea": 99999999999999999999999}}',
        b"\xff\xfe",
        b"AC",
        b"ARROW1\0\0",
    ],
)
def test_a_record_that_makes_no_sense_is_skipped(record: bytes) -> None:
    _assert_unmoved(record)


@settings(max_examples=40)
@given(position=st.integers(0, 10_000), bit=st.integers(0, 7), length=st.integers(0, 10_000))
def test_a_damaged_message_is_skipped(position: int, bit: int, length: int) -> None:
    message, _ = _message_and_chunk()
    flipped = bytearray(message)
    flipped[position % len(message)] ^= 1 << bit
    _assert_unmoved(bytes(flipped))
    _assert_unmoved(message[: length % len(message)])


@settings(max_examples=40)
@given(length=st.integers(0, 10_000))
def test_a_chunk_cut_short_is_skipped(length: int) -> None:
    _, chunk = _message_and_chunk()
    _assert_unmoved(chunk[: length % (len(chunk) - 8)])


@pytest.mark.parametrize("factors", [4, 16])
def test_records_of_a_model_of_another_size_are_skipped(factors: int) -> None:
    """Two jobs may share a loop while one replaces the other."""
    message, chunk = _message_and_chunk(
        learning=learning(ranking=RankingParams(factors=factors, negatives=factors // 2))
    )
    _assert_unmoved(message)
    _assert_unmoved(chunk)


def test_a_message_with_other_negatives_is_understood() -> None:
    params = learning(ranking=RankingParams(factors=8, negatives=1))
    message, _ = _message_and_chunk(learning=params)
    assert accepted.decode(message).negatives.shape[1] == 1
    users = subtask()
    users.receive(message)
    assert sorted(item["count"] for item in known(users).values()) == [1, 1]


def _message_and_chunk(**changes: Any) -> tuple[bytes, bytes]:
    """What a subtask tells others after two events of partition 5."""
    users = subtask(**changes)
    log = in_order([event("carl", i) for i in ("tea", "mate")], partition=5)
    (message,) = messages(users, log)
    items = users.function._pipeline._learn.items
    return message, chunks.encode(items.export(np.arange(items.size, dtype=np.int32)))


def _assert_unmoved(record: bytes) -> None:
    """A subtask that receives the record goes on as if it had not."""
    users = subtask()
    users.take(in_order([event("ben", "tea"), event("ben", "cocoa")]))
    before = known(users)
    users.receive(record)
    assert known(users) == before
    learned = users.take(in_order([event("anna", "tea")], first=2))
    assert [i["item_id"] for i in learned.recommendations["anna"]["items"]] == ["cocoa"]


def test_a_job_ends_where_a_later_one_has_taken_over() -> None:
    mine = Lease(run="a", job="mine", epoch=5, at=5)
    users = subtask(lease=mine)
    users.hear_as("model_updates", lease.KEY, lease.encode(mine))
    users.hear_as("model_updates", lease.KEY, lease.encode(replace(mine, run="b", epoch=4)))
    users.hear_as("model_updates", lease.KEY, b"{}")
    assert users.function._inbox.skipped == {"model_updates": 1}
    with pytest.raises(TakenOverError, match=r"job other .* cancel"):
        users.hear_as(
            "model_updates",
            lease.KEY,
            lease.encode(replace(mine, run="c", epoch=6, job="other")),
        )
