"""A guest becomes a user: what was kept goes over once, and nothing is left of the guest."""

import json
from typing import Any

import numpy as np
import pytest

from models.keys import bucket_of, key_of
from models.params.feedback import FeedbackParams
from models.users.merge import merge
from state.topics import control
from state.users.state import UserState
from tests.builders import (
    DAY,
    NOW,
    OBJECTIVES,
    Record,
    behaviour,
    cut,
    event,
    learning,
)
from tests.commanded import BUCKETS, ELSEWHERE, GUEST, OTHER, USER, Job, items_of, views


@pytest.mark.parametrize("user", [USER, OTHER, "carl", "dora"])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_what_was_kept_of_a_guest_is_the_users(name: str, user: str) -> None:
    job = Job(name)
    job.send(*views(user, "tea", "cup"), *views(GUEST, "pot", "cup", "mug", begin=10))
    job.merge(user=user)
    assert job.record(GUEST) is not None  # what came before may still be on its way
    job.idle()
    assert job.record(GUEST) is None
    assert job.lists[GUEST] is None
    merged = job.record(user)
    assert items_of(merged) == [key_of(item) for item in ("tea", "pot", "cup", "mug")]
    assert merged is not None
    assert merged.events[0] == 5
    assert merged.session_events[0] == 5
    (answer,) = job.answers
    assert (answer["id"], answer["command"], answer["ok"]) == ("m", "merge_user", True)
    assert job.gates(user).merged == {key_of(user): [key_of(GUEST)]}
    assert not job.gates(GUEST).merging
    # from now on both are who they are
    job.send(*views(user, "jug", begin=20), *views(GUEST, "tea", begin=20))
    assert items_of(job.record(GUEST)) == [key_of("tea")]
    assert items_of(job.record(user))[-1] == key_of("jug")


def test_a_user_who_was_not_known_is_the_guest() -> None:
    job = Job()
    job.send(*views(GUEST, "pot", "cup"))
    before = job.record(GUEST)
    job.merge()
    job.idle()
    assert items_of(job.record(USER)) == items_of(before)
    job.send(*views(USER, "tea", begin=9))
    found = job.lists[USER]
    assert found is not None
    assert not {"pot", "cup"} & {item["item_id"] for item in found["items"]}


def test_what_is_handed_over_in_another_job_is_not_taken() -> None:
    job = Job()
    job.send(*views(USER, "tea"))
    handed = control.HandOver(USER, GUEST, "x", None, [5], origin=77)
    job.control.append(control.encode_own(b"x/hand_over", handed))
    job.read()
    assert job.answers == []
    assert not job.gates(USER).merged


def test_a_repeated_command_and_what_is_read_again_change_nothing() -> None:
    job = Job()
    job.send(*views(USER, "tea"), *views(GUEST, "pot"))
    before = job.restarted()
    job.merge()
    job.idle()
    job.send(*views(GUEST, "cup", begin=10))
    job.merge()  # the same id
    job.idle()
    assert items_of(job.record(GUEST)) == [key_of("cup")]
    assert len(job.answers) == 1
    # the savepoint from before, with all of `control` read again, the job's own records too
    before.control = list(job.control)
    before.read()
    before.idle()
    before.idle()
    assert before.record(GUEST) is None
    assert items_of(before.record(USER)) == items_of(job.record(USER))
    merged = before.record(USER)
    assert merged is not None
    assert merged.events[0] == 2
    assert all(answer["ok"] for answer in before.answers)


def test_the_guest_waits_for_events_from_before_also_over_a_restart() -> None:
    job = Job()
    job.send(*views(USER, "tea"))
    job.merge()
    for n in range(4):  # a job that catches up
        job.idle(1_000)
        job.send(*views(GUEST, f"late-{n}", begin=n), late=60_000)
    job = job.restarted()
    for n in range(4, 6):
        job.idle(1_000)
        job.send(*views(GUEST, f"late-{n}", begin=n), late=60_000)
    assert job.record(GUEST) is not None
    job.idle(4_500)
    assert job.record(GUEST) is None
    assert items_of(job.record(USER)) == [key_of("tea"), *(key_of(f"late-{n}") for n in range(6))]


def test_guests_that_come_all_the_time_hold_up_nobody() -> None:
    job = Job()
    guests = [f"n{n}" for n in range(12)]
    for guest in guests:
        job.send(*views(guest, "pot"))
        job.merge(guest, USER, f"m-{guest}")
        job.idle(1_000)
    assert [guest for guest in guests if job.record(guest) is None][:6] == guests[:6]
    job.idle()
    merged = job.record(USER)
    assert merged is not None
    assert merged.events[0] == 12


def test_a_slow_clock_does_not_hold_up_a_merge_for_ever() -> None:
    job = Job()
    job.send(*views(GUEST, "pot"))
    job.merge()
    for n in range(25):
        job.idle(60_000)
        for user in (GUEST, USER):
            job.send(*views(user, f"item-{n}", begin=n), late=10 * DAY)
        job.users.clock.now_ms += 20_000
    assert job.answers
    assert job.answers[0]["ok"]


def test_merges_in_a_circle_and_along_a_chain_lose_nothing() -> None:
    job = Job()
    job.send(*views("a", "one"), *views("b", "two"), *views("c", "three"))
    job.merge("a", "b", "1")
    job.idle()
    job.merge("b", "c", "2")
    job.idle()
    assert set(items_of(job.record("c"))) == {key_of(item) for item in ("one", "two", "three")}
    job.merge("c", "a", "3")
    job.idle()
    assert len(items_of(job.record("a"))) == 3
    assert [job.record(user) for user in "bc"] == [None, None]
    assert set(job.gates("a").merged[key_of("a")]) == {key_of(user) for user in "bc"}
    assert all(answer["ok"] for answer in job.answers)


def test_who_is_forgotten_is_forgotten_with_all_guests() -> None:
    job = Job(deep=True)
    job.send(*views(USER, "tea"), *views(GUEST, "pot"), *views("second", "cup"))
    job.merge(name="1")
    job.merge("second", USER, "2")
    job.idle()
    job.order("f", {"command": "forget_user", "user": USER})
    job.idle()
    assert job.record(USER) is None
    told = [message for message in job.messages if message[:2] == b"FU"]
    from state.topics import forgotten

    keys = {user for message in told for user in forgotten.decode(message).users}
    assert keys == {key_of(user) for user in (USER, GUEST, "second")}
    (order,) = [value for _, value in job.control if b"forget_keys" in value]
    assert set(control.keys_of(order)) == {key_of(GUEST), key_of("second")}
    assert key_of(USER) not in job.gates(USER).merged


def test_guests_of_one_command_id_are_all_merged() -> None:
    job = Job()
    guests = [f"g{n}" for n in range(8)]
    for guest in guests:
        job.send(*views(guest, f"item-of-{guest}"))
    for guest in guests:
        job.merge(guest, USER, "same")
    job.idle()
    merged = [guest for guest in guests if job.record(guest) is None]
    # of one bucket the second command of an id is refused; what is merged is all there
    assert {key_of(f"item-of-{guest}") for guest in merged} == set(items_of(job.record(USER)))
    assert len({bucket_of(guest, BUCKETS) for guest in merged}) > 1
    refused = [answer for answer in job.answers if not answer["ok"]]
    assert len(refused) == len(guests) - len(merged)


def test_a_merge_without_an_id_is_refused() -> None:
    job = Job()
    job.send(*views(GUEST, "pot"))
    value = json.dumps({"command": "merge_user", "from": GUEST, "to": USER}).encode()
    for key in (None, b""):
        record = Record(key, value, offset=-90, published=NOW)
        job.note(job.users.take([record], bucket=bucket_of(GUEST, BUCKETS)))
    job.idle()
    assert job.record(GUEST) is not None
    assert [answer["ok"] for answer in job.answers] == [False, False]


@pytest.mark.parametrize("number", [-1, 2**64, 10**25])
def test_keys_beyond_64_bits_are_refused(number: int) -> None:
    job = Job()
    origin = job.params.learning.origin
    handed = control.encode_own(
        b"x/hand_over", control.HandOver(USER, GUEST, "x", None, [], origin)
    )[1].replace(b'"merged":[]', b'"merged":[%d]' % number)
    assert str(number).encode() in handed
    job.order("f", {"command": "forget_user", "user": USER})
    job.order("x/hand_over", handed)
    assert not job.gates(USER).merged
    assert control.keys_of(b'{"command": "forget_keys", "keys": [%d]}' % number) == []


def test_a_guest_of_a_forgotten_user_is_forgotten_too() -> None:
    job = Job()
    job.order("f", {"command": "forget_user", "user": USER})
    job.send(*views(GUEST, "pot"))
    job.merge()
    job.idle()
    assert job.record(GUEST) is None
    assert job.record(USER) is None
    answer = job.answers[-1]
    assert answer["ok"]
    assert answer["details"] == {"changed": False, "forgotten": True}


def test_a_forget_while_the_guest_waits_wins() -> None:
    job = Job()
    job.send(*views(GUEST, "pot"))
    job.merge()
    job.order("f", {"command": "forget_user", "user": GUEST})
    job.idle()
    assert job.record(GUEST) is None
    assert job.record(USER) is None
    assert {answer["id"]: answer["ok"] for answer in job.answers} == {"m": False, "f": True}


@pytest.mark.parametrize(
    "fields",
    [
        {"from": GUEST, "to": GUEST},
        {"from": GUEST},
        {"to": USER},
        {"from": "", "to": USER},
        {"from": GUEST, "to": 5},
        {"from": GUEST, "to": USER, "user": ELSEWHERE},
    ],
)
def test_commands_that_cannot_be_carried_out_are_refused(fields: dict[str, Any]) -> None:
    job = Job()
    job.send(*views(GUEST, "pot"))
    job.order("m", {"command": "merge_user", **fields})
    job.idle()
    (answer,) = job.answers
    assert not answer["ok"]
    assert "expected" in answer["message"]
    assert job.record(GUEST) is not None


def test_nothing_known_of_a_guest_is_no_fault() -> None:
    job = Job()
    job.send(*views(USER, "tea"))
    job.merge()
    job.idle()
    (answer,) = job.answers
    assert answer["ok"]
    assert answer["details"] == {"changed": False}
    assert items_of(job.record(USER)) == [key_of("tea")]


def test_impressions_of_the_guest_are_decided_once() -> None:
    job = Job(feedback=FeedbackParams(rewards={"view": 1.0}))
    for records in cut(behaviour(300, users=20, items=30), [300]):
        job.send(*records)
    job.send(*views(GUEST, "item-1"))
    shown = job.lists[GUEST]
    assert shown is not None
    job.send(
        *(
            event(GUEST, item["item_id"], "impression", NOW + 5 + n, rec_id=shown["rec_id"])
            for n, item in enumerate(shown["items"])
        )
    )
    waited = len(shown["items"])
    job.merge()
    job.idle()
    mine = [one for one in job.feedback if one["rec_id"] == shown["rec_id"]]
    assert len(mine) == waited
    assert not [e for e in job.users.remembered(bucket=bucket_of(GUEST, BUCKETS)) if GUEST in e]
    job.idle(10_000)
    assert len([one for one in job.feedback if one["rec_id"] == shown["rec_id"]]) == waited


def test_full_lists_lose_their_oldest_and_what_is_lost_is_late() -> None:
    params = learning(objective="full").users
    state = UserState(params, 8, 1)
    pair = state.decode([None, None], ["u", "g"])
    most = params.recent_events
    for u, begin in ((0, 0), (1, most)):
        pair.recent_length[u] = most
        pair.recent[u, :most] = np.arange(begin, begin + most) + 1
        pair.recent_time[u, :most] = 1_000 + 2 * np.arange(most) + u
        pair.history_length[u] = params.history
        pair.history[u] = np.arange(begin, begin + params.history) + 1
        pair.session_last[u] = 5 + u
        pair.positives[u] = pair.events[u] = 1 + u
    both = merge(pair, session_gap_ms=10, recompute=True)
    assert both.recent_length[0] == most
    assert (np.diff(both.recent_time[0, :most].astype(int)) >= 0).all()
    lost = 1_000 + most - 1
    assert both.floor[0] == both.idle_floor[0] == (lost + 1) * 1_000
    assert both.history[0].tolist() == pair.history[1].tolist()
    assert state.decode(state.encode(both), ["u"]).events[0] == 3
    assert np.allclose(both.factors[0], (pair.factors[0] + 2 * pair.factors[1]) / 3)


def test_fine_tune_forgets_guests_by_their_keys() -> None:
    value = control.encode_own(b"x", control.ForgetKeys([5, 2**64 - 1]))[1]
    assert control.keys_of(value) == [5, 2**64 - 1]
    assert control.keys_of(b'{"command": "forget_keys", "keys": "all"}') == []
    assert control.keys_of(b'{"command": "forget_user", "user": "x"}') == []
