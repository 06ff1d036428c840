"""Lists that users have already, once an item of theirs is gone: they get new ones, by and by."""

from dataclasses import replace
from typing import Any

import pytest

from models.keys import bucket_of
from models.params.feedback import FeedbackParams
from operators.learn_users.stages import standing
from state.events.consent import Consent
from state.topics import availability, switches
from state.topics.switches import BLOCKED, Switch
from tests.builders import NOW, behaviour, event
from tests.commanded import BUCKETS, Job, views

USERS = [f"user-{n}" for n in range(20)]
LOG = behaviour(600, users=20, items=40)


def shop(**changes: Any) -> Job:
    job = Job("ranking", **changes)
    job.send(*LOG)
    return job


def gone(job: Job, item: str) -> None:
    job.users.hear_as("model_updates", availability.key_of(item), availability.GONE)


def holding(job: Job, item: str) -> set[str]:
    return {user for user, one in job.lists.items()
            if one and item in [i["item_id"] for i in one["items"]]}  # fmt: skip


def most_listed(job: Job) -> str:
    seen = [item["item_id"] for one in job.lists.values() if one for item in one["items"]]
    return max(set(seen), key=seen.count)


def knock(job: Job) -> None:
    """Somebody comes in every bucket."""
    job.send(*(event(f"knock-{n}", "item-1", at=NOW + n) for n in range(8)))
    assert {bucket_of(f"knock-{n}", BUCKETS) for n in range(8)} == set(range(BUCKETS))


@pytest.mark.parametrize("how", ["catalogue", "command"])
def test_who_has_an_item_that_is_gone_gets_another_list(how: str) -> None:
    job = shop()
    item = most_listed(job)
    had, before = holding(job, item), dict(job.lists)
    assert len(had) > 3
    if how == "catalogue":
        gone(job, item)
    else:
        origin = job.params.learning.origin
        said = Switch(origin, BLOCKED + item, True, NOW, 1)
        job.users.hear_as("accepted_events", b"", switches.encode(said))
    knock(job)
    assert holding(job, item) == set()
    for user in USERS:
        one, former = job.lists[user], before[user]
        assert one is not None
        assert former is not None
        assert (one == former) == (user not in had)
        if user in had:
            assert one["trigger"] == former["trigger"]
            assert one["rec_id"][:16] == former["rec_id"][:16]
            assert one["rec_id"] != former["rec_id"]
            assert len(one["items"]) == len(former["items"])
    again = dict(job.lists)
    knock(job)
    assert {user: job.lists[user] for user in USERS} == {user: again[user] for user in USERS}


def test_one_item_after_the_other_gives_lists_of_ids_of_their_own() -> None:
    job = shop()
    user, ids = "user-3", set()
    for _ in range(4):
        one = job.lists[user]
        assert one is not None
        ids.add(one["rec_id"])
        gone(job, one["items"][0]["item_id"])
        knock(job)
    assert len(ids) == 4


def test_so_many_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "_AT_ONCE", 1)
    job = shop()
    item = most_listed(job)
    had = len(holding(job, item))
    gone(job, item)
    knock(job)
    left = len(holding(job, item))
    assert 0 < left < had
    for _ in range(had):
        job.idle(1_000)  # no more events are needed
    assert holding(job, item) == set()


def test_the_oldest_lists_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "_MOST_LISTS", 5)
    job = shop()
    item = most_listed(job)
    had = holding(job, item)
    gone(job, item)
    knock(job)
    assert len(had) - 5 <= len(holding(job, item)) < len(had)


def test_nobody_who_is_gone_gets_a_list() -> None:
    job = shop()
    item = most_listed(job)
    first, second, *_ = sorted(holding(job, item))
    job.order("f", {"command": "forget_user", "user": first})
    job.merge(second, "anna")
    job.idle()
    gone(job, item)
    knock(job)
    assert job.lists[first] is None
    assert job.lists[second] is None
    assert holding(job, item) == set()


def test_who_did_not_consent_is_not_remembered() -> None:
    job = shop(consent=Consent("consent", required=False))
    item = most_listed(job)
    no = event("shy", "item-1", at=NOW)
    assert no.value is not None
    job.send(replace(no, value=no.value[:-1] + b', "consent": false}'))
    before = job.lists["shy"]
    assert before is not None
    gone(job, item)
    knock(job)
    assert job.lists["shy"] == before


def test_impressions_of_the_new_list_are_joined_with_it() -> None:
    job = shop(feedback=FeedbackParams(rewards={"view": 1.0}))
    item = most_listed(job)
    user = min(holding(job, item))
    gone(job, item)
    knock(job)
    shown = job.lists[user]
    assert shown is not None
    first = shown["items"][0]["item_id"]
    job.send(event(user, first, "impression", NOW + 9, rec_id=shown["rec_id"]))
    job.send(*views(user, first, begin=1_020))
    (outcome,) = [one for one in job.feedback if one["rec_id"] == shown["rec_id"]]
    assert (outcome["item_id"], outcome["action"]) == (first, "view")


@pytest.mark.parametrize("name", ["ranking", "rating"])
def test_the_first_list_of_all_may_be_empty(name: str) -> None:
    job = Job(name, feedback=FeedbackParams(rewards={"view": 1.0}))
    job.send(*views("user-1", "item-1"))
    assert job.lists["user-1"] is not None
