"""Users who are called by pseudonyms: their ids are in nothing that the job keeps or tells."""

import json
from dataclasses import replace
from typing import Any

import pytest

from models.keys import bucket_of, key_of
from models.params.events import EventPolicy
from models.params.feedback import FeedbackParams
from models.params.names import NameParams
from operators.learn_users.control.merging import _LEFT_MS
from state.keyed import gates
from state.keyed.descriptors import name_entry
from state.topics import forgotten
from state.users.names import Names
from tests.builders import DAY, NOW, behaviour, event, learn_users, learning
from tests.commanded import BUCKETS, GUEST, USER, Job, items_of, views
from tests.harness import Clock, UsersSubtask

FEEDBACK = FeedbackParams(rewards={"view": 1.0})
FIRST, SECOND = b"1" * 32, b"2" * 32
ON = NameParams(key=FIRST, formerly_ids=True)
TURNED = NameParams(key=SECOND, former_key=FIRST, formerly_ids=True)
OUTSIDE = replace(ON, outside=True)


def called(user: str, params: NameParams = ON) -> str:
    return Names(params).of(user)


def kept(job: Job) -> bytes:
    """Return all that the state of users holds."""
    state = job.users.savepoint()
    return repr([state.maps, state.broadcast]).encode()


def told(job: Job) -> bytes:
    """Return all that left the job, but recommendations and what was sent to it."""
    own = [(key, value) for key, value in job.control if b"/hand_over/" in key]
    return repr([own, job.answers, job.feedback, job.messages]).encode()


def show(job: Job, user: str) -> None:
    """Show a user the newest list."""
    shown = job.lists[user]
    assert shown is not None
    job.send(
        *(
            event(user, item["item_id"], "impression", NOW + 5 + n, rec_id=shown["rec_id"])
            for n, item in enumerate(shown["items"])
        )
    )


def test_an_id_is_in_nothing_that_is_kept_or_told() -> None:
    job = Job(names=ON, feedback=FEEDBACK, deep=True)
    job.send(*behaviour(200, users=20, items=30))
    job.send(*views(USER, "tea", "cup"), *views(GUEST, "pot"))
    show(job, USER)
    listed = job.lists[USER]
    assert listed is not None
    shown = listed["items"][0]["item_id"]
    job.send(*views(USER, shown, "pot", begin=1_050))
    job.merge()
    job.order("b", {"command": "block_user", "user": "user-3"})
    job.idle()
    job.order("f", {"command": "forget_user", "user": "user-4"})
    job.idle(10_000)
    assert len(job.answers) == 3
    assert job.feedback
    for user in (USER, GUEST, "user-3", "user-4", "user-5"):
        assert user.encode() not in kept(job)
        assert user.encode() not in told(job)
    assert called(USER).encode() in kept(job)
    assert items_of(job.record(USER, called(USER))) == [
        key_of(one) for one in ("tea", "cup", shown, "pot")
    ]
    found = job.lists[USER]
    assert found is not None
    assert found["user_id"] == USER
    assert f"{key_of(called(USER)):016x}" == found["rec_id"][:16]
    assert job.lists[GUEST] is None


def test_recommendations_may_name_pseudonyms() -> None:
    job = Job(names=OUTSIDE)
    job.send(*views(USER, "tea"), *views(GUEST, "pot"))
    assert set(job.lists) == {called(USER), called(GUEST)}
    found = job.lists[called(USER)]
    assert found is not None
    assert found["user_id"] == called(USER)
    job.merge()
    job.idle()
    assert job.lists[called(GUEST)] is None
    for user in (USER, GUEST):
        assert user.encode() not in kept(job)
    assert name_entry(called(USER)) not in job.users.remembered(bucket=bucket_of(USER, BUCKETS))


def test_who_is_called_by_a_pseudonym_from_now_on_goes_on() -> None:
    job = Job(feedback=FEEDBACK)
    job.send(*behaviour(200, users=20, items=30))
    job.send(*views(USER, "tea", "cup"), *views("carl", "tea"))
    job.order("b", {"command": "block_user", "user": USER})
    job.order("f", {"command": "forget_user", "user": "carl"})
    show(job, USER)
    waiting = list(job.feedback)
    job = job.restarted(names=ON)
    job.send(*views(USER, "pot", begin=60), *views("carl", "pot", begin=60))
    name = called(USER)
    record = job.record(USER, name)
    assert record is not None
    assert record.events[0] == 3
    assert items_of(record)[-1] == key_of("pot")
    assert job.record(USER) is None
    assert USER.encode() not in kept(job)
    assert job.gates(USER).blocked.keys() == {key_of(name), key_of(USER)}
    assert job.gates(USER).merged == {key_of(name): [key_of(USER)]}
    # what waited is decided, by the id of the list that was shown
    assert {one["rec_id"][:16] for one in job.feedback} == {f"{key_of(USER):016x}"}
    assert not waiting
    # who was forgotten still is
    assert key_of(called("carl")) in job.gates("carl").forgotten
    assert job.record("carl", called("carl")) is None


@pytest.mark.parametrize("by", ["event", "forget", "merge"])
def test_the_key_may_be_another_one(by: str) -> None:
    job = Job(names=ON)
    job.send(*views(USER, "tea"), *views(GUEST, "cup"))
    before, name = called(USER), called(USER, TURNED)
    assert before != name
    job = job.restarted(names=TURNED)
    assert job.record(USER, before) is not None
    if by == "event":
        job.send(*views(USER, "pot", begin=9))
        assert items_of(job.record(USER, name)) == [key_of("tea"), key_of("pot")]
        found = job.lists[USER]
        assert found is not None
        assert found["user_id"] == USER
    elif by == "forget":
        job.order("f", {"command": "forget_user", "user": USER})
        assert job.record(USER, name) is None
        assert set(Names(TURNED).keys(USER)) == job.gates(USER).forgotten.keys()
        assert job.lists[USER] is None
        job.send(*views(USER, "pot", begin=9))
        assert job.record(USER, name) is None
    else:
        job.merge()
        job.idle()
        assert job.lists[GUEST] is None
        assert items_of(job.record(USER, name)) == [key_of("cup")]
        job.send(*views(USER, "pot", begin=9))  # it comes with what was kept before
        assert set(items_of(job.record(USER, name))) == {
            key_of(item) for item in ("tea", "cup", "pot")
        }
    assert job.record(USER, before) is None
    assert name_entry(before) not in job.users.remembered(bucket=bucket_of(USER, BUCKETS))


def test_a_guest_of_somebody_who_was_forgotten_by_the_former_name_is_forgotten() -> None:
    job = Job(names=ON)
    job.send(*views(GUEST, "cup"))
    job.order("f", {"command": "forget_user", "user": USER})
    job = job.restarted(names=TURNED)
    job.merge()
    job.idle()
    assert job.record(USER, called(USER, TURNED)) is None
    assert job.answers[-1]["details"] == {"changed": False, "forgotten": True}


def test_nobody_becomes_who_has_the_pseudonym_that_is_their_id() -> None:
    job = Job(names=ON)
    job.send(*views(USER, "tea", "cup"))
    thief = called(USER)
    bucket = bucket_of(USER, BUCKETS)
    for one in views(thief, "pot", begin=9):
        job.note(job.users.take([replace(one, offset=99)], bucket=bucket))
    job.send(*views(thief, "mug", begin=10))
    assert items_of(job.record(USER, thief)) == [key_of("tea"), key_of("cup")]


def test_lists_by_ids_are_taken_back_once_pseudonyms_are_named() -> None:
    job = Job(names=ON)
    job.send(*views(USER, "tea"))
    assert job.lists[USER] is not None
    job = job.restarted(names=OUTSIDE)
    job.send(*views(USER, "cup", begin=9))
    assert job.lists[USER] is None
    assert job.lists[called(USER)] is not None
    assert name_entry(called(USER)) not in job.users.remembered(bucket=bucket_of(USER, BUCKETS))


@pytest.mark.parametrize("outside", [False, True])
def test_who_is_evicted_is_taken_back_by_the_right_name(*, outside: bool) -> None:
    params = learn_users(
        learning=learning(), policy=EventPolicy(), names=replace(ON, outside=outside),
        user_ttl_ms=DAY, feedback=FEEDBACK,
    )  # fmt: skip
    subtask = UsersSubtask(params, Clock(NOW))
    subtask.take(views(USER, "tea"))
    rows = [row for learned in subtask.idle(3 * DAY) for row in learned.row.recommendations]
    assert [(row.k.decode(), row.v) for row in rows] == [(called(USER) if outside else USER, None)]
    state = subtask.savepoint()
    assert called(USER).encode() not in repr(state.maps).encode()
    assert USER.encode() not in repr(state.maps).encode()


def test_a_lost_key_costs_no_more_than_the_profiles() -> None:
    job = Job(names=ON)
    job.send(*views(USER, "tea"))
    job = job.restarted(names=NameParams(key=SECOND, formerly_ids=True))
    job.send(*views(USER, "cup", begin=9))
    job.users.clock.now_ms += 1
    assert items_of(job.record(USER, called(USER, TURNED))) == [key_of("cup")]
    job.idle(40 * DAY)  # what was kept of before is evicted by nobody's name
    assert job.record(USER, called(USER)) is None


# ---- merges that follow each other ---------------------------------------------------------------


def chain(job: Job, *links: tuple[str, str]) -> None:
    for n, (guest, user) in enumerate(links):
        job.merge(guest, user, f"link-{n}")


@pytest.mark.parametrize("names", [NameParams(), ON], ids=["ids", "pseudonyms"])
@pytest.mark.parametrize("order", [("ab", "bc"), ("bc", "ab")])
def test_guests_merged_one_after_the_other_all_come_to_the_last(
    names: NameParams, order: tuple[str, str]
) -> None:
    """A guest's record that comes to somebody who is gone goes on; a later merge does not."""
    job = Job(names=names)
    job.send(*views("a", "one"), *views("b", "two"), *views("c", "three"))
    chain(job, *[(one[0], one[1]) for one in order])
    for _ in range(4):
        job.idle()
    where = "c" if order[0] == "ab" else "b"
    found = {user: job.record(user, called(user, names)) for user in "abc"}
    assert [user for user, one in found.items() if one is not None] == sorted({where, "c"})
    items = set(items_of(found[where]))
    assert items == (
        {key_of(item) for item in ("one", "two", "three")}
        if where == "c" else {key_of("one")}
    )  # fmt: skip
    assert [answer["ok"] for answer in job.answers] == [True, True]
    job.idle(_LEFT_MS + 5_000)
    for user in "abc":
        assert not job.gates(user).left


def test_a_circle_that_is_sent_at_once_ends() -> None:
    job = Job()
    job.send(*views("a", "one"), *views("b", "two"), *views("c", "three"))
    chain(job, ("a", "b"), ("b", "c"), ("c", "a"))
    for _ in range(8):
        job.idle()
    there = [user for user in "abc" if job.record(user) is not None]
    assert len(there) == 1
    assert set(items_of(job.record(there[0]))) == {key_of(i) for i in ("one", "two", "three")}
    assert len(job.control) < 20
    assert [answer["ok"] for answer in job.answers] == 3 * [True]


def test_what_a_guest_left_is_taken_once_whatever_comes_in_between() -> None:
    job = Job()
    job.send(*views(GUEST, "pot"))
    job.merge()
    job.idle()
    again = [record for record in job.control if b"/hand_over/" in record[0]]
    for n in range(600):
        job.order(f"b{n}", {"command": "block_user", "user": USER})
    before = job.record(USER)
    assert before is not None
    job.control += again
    job.read()
    after = job.record(USER)
    assert after is not None
    assert after.events.tolist() == before.events.tolist() == [1]


def test_the_answer_says_that_a_guest_was_merged_before() -> None:
    job = Job()
    job.send(*views(GUEST, "pot"))
    job.merge()
    job.idle()
    job.order("f", {"command": "forget_user", "user": GUEST})
    answer: dict[str, Any] = job.answers[-1]
    assert answer["details"]["merged_before"]
    assert json.dumps(answer)


# ---- off the straight road -----------------------------------------------------------------------


def newest(job: Job) -> dict[str, bool]:
    """Return whom recommendations name, and whether there is a list."""
    return {name: one is not None for name, one in job.lists.items()}


def went_on(job: Job, lists: dict[str, Any], **changes: Any) -> Job:
    """Return the job as it goes on, with the topic as it was."""
    again = job.restarted(**changes)
    again.lists.update(lists)
    return again


WAYS = [
    (NameParams(), ON),
    (NameParams(), OUTSIDE),
    (ON, TURNED),
    (ON, replace(TURNED, outside=True)),
    (OUTSIDE, TURNED),
    (OUTSIDE, replace(TURNED, outside=True)),
    (ON, OUTSIDE),
    (OUTSIDE, ON),
]


@pytest.mark.parametrize("end", ["forget", "evict", "merge", "event, forget", "event, evict"])
@pytest.mark.parametrize(("before", "after"), WAYS)
def test_no_list_is_left_of_who_is_gone(before: NameParams, after: NameParams, end: str) -> None:
    job = Job(names=before, user_ttl_ms=DAY)
    job.send(*views(GUEST, "tea"), *views(USER, "cup"))
    job = went_on(job, job.lists, names=after)
    if "event" in end:
        job.send(*views(GUEST, "pot", begin=9))
        assert sum(newest(job).values()) == 2
    if "forget" in end:
        job.order("f", {"command": "forget_user", "user": GUEST})
    elif "evict" in end:
        job.users.clock.now_ms += 1
        job.idle(3 * DAY)
    else:
        job.merge()
        job.idle()
    mine = {GUEST, called(GUEST), called(GUEST, TURNED)}
    assert [name for name, there in newest(job).items() if there and name in mine] == []
    assert GUEST.encode() not in kept(job)


@pytest.mark.parametrize(("before", "after"), WAYS[:4])
def test_a_guest_who_waits_is_merged_whatever_they_are_called(
    before: NameParams, after: NameParams
) -> None:
    job = Job(names=before)
    job.send(*views(GUEST, "tea"), *views(USER, "cup"))
    job.merge()
    waiting, placed = list(job.control), job.placed
    job = went_on(job, job.lists, names=after)
    job.control, job.placed = waiting, placed
    job.send(*views(GUEST, "pot", begin=5))
    job.send(*views(USER, "mug", begin=6))
    job.idle()
    job.idle()
    job.send(*views(USER, "jug", begin=9))  # what was for a former name comes with it
    found = items_of(job.record(USER, called(USER, after)))
    assert set(found) == {key_of(item) for item in ("tea", "cup", "pot", "mug", "jug")}
    assert [answer["ok"] for answer in job.answers] == [True]


@pytest.mark.parametrize(("before", "after"), WAYS[:4])
def test_a_hand_over_to_a_former_name_of_who_is_forgotten_is_not_taken(
    before: NameParams, after: NameParams
) -> None:
    job = Job(names=before)
    job.send(*views(GUEST, "tea"))
    job.merge()
    for learned in job.users.idle(3_500):
        job.note(learned)  # what is handed over is on its way
    waiting, placed = list(job.control), job.placed
    job = went_on(job, job.lists, names=after)
    job.control, job.placed = [*waiting[:placed]], placed
    job.order("f", {"command": "forget_user", "user": USER})
    job.control += waiting[placed:]
    job.read()
    for name in (USER, called(USER), called(USER, TURNED)):
        assert job.record(USER, name) is None
    assert job.answers[-1]["details"] == {"changed": False, "forgotten": True}


def test_state_of_the_forgotten_is_not_restored_without_its_key() -> None:
    job = Job(names=ON)
    job.order("f", {"command": "forget_user", "user": USER})
    for names in (NameParams(), NameParams(key=SECOND, formerly_ids=True)):
        with pytest.raises(Exception, match="set the former key"):
            job.restarted(names=names).send(*views(USER, "tea"))
    job.restarted(names=TURNED).send(*views(USER, "tea"))


def test_ids_that_begin_as_pseudonyms_go_on() -> None:
    job = Job()
    odd = "~bob"
    job.send(*views(odd, "tea"), *views("~eve", "tea"))
    job.order("f", {"command": "forget_user", "user": "~eve"})
    job = job.restarted(names=ON)
    job.send(*views(odd, "cup", begin=5), *views("~eve", "cup", begin=5))
    assert items_of(job.record(odd, called(odd))) == [key_of("tea"), key_of("cup")]
    assert job.record("~eve", called("~eve")) is None


def test_a_command_that_comes_again_while_a_guest_waits_changes_nothing() -> None:
    job = Job()
    job.send(*views(GUEST, "pot"))
    job.merge()
    for n in range(300):
        job.order(f"b{n}", {"command": "block_user", "user": GUEST})
    job.merge()
    job.idle()
    assert items_of(job.record(USER)) == [key_of("pot")]
    assert [answer["command"] for answer in job.answers].count("merge_user") == 1


def test_guests_of_who_is_evicted_are_forgotten_with_them() -> None:
    job = Job(names=ON, user_ttl_ms=DAY)
    job.send(*views(GUEST, "pot"))
    job.merge()
    job.idle()
    assert job.gates(USER).merged
    job.idle(3 * DAY)
    assert not job.gates(USER).merged


def test_who_is_forgotten_is_told_to_all_by_every_name() -> None:
    job = Job(names=ON, deep=True)
    job.send(*views(USER, "tea"))
    job = job.restarted(names=TURNED, deep=True)
    job.order("f", {"command": "forget_user", "user": USER})
    told = [forgotten.decode(one) for one in job.messages if one[:2] == b"FU"]
    assert {user for one in told for user in one.users} == set(Names(TURNED).keys(USER))


def test_a_damaged_record_of_a_former_name_does_not_keep_a_user_from_being_forgotten() -> None:
    job = Job(names=ON)
    job.send(*views(USER, "tea"))
    bucket = bucket_of(USER, BUCKETS)
    again = job.restarted(names=TURNED)
    again.users.remembered(bucket=bucket)
    state = job.users.savepoint()
    for maps in state.maps.values():
        for entries in maps.values():
            for entry, value in entries.items():
                if called(USER).encode() in entry and b" name/" not in entry:
                    entries[entry] = value[:-1]
    job.users = UsersSubtask(replace(job.params, names=TURNED), Clock(NOW), state)
    job.order("f", {"command": "forget_user", "user": USER})
    assert job.answers[-1]["ok"]
    assert job.record(USER, called(USER)) is None


def test_a_later_merge_holds_whichever_is_carried_out_first() -> None:
    found = gates.decode(None)
    late, early = gates.Left("b", 9, 1, "", [], 5), gates.Left("a", 8, 1, "", [], 6)
    gates.leave(found, 7, late)
    gates.leave(found, 7, early)
    assert found.left == {7: late}
