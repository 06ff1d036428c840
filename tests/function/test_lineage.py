"""State that meets a log, topic, job or bucket count that is not its own is refused by name."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from conf.schema import JobConfig
from jobs import parameters
from operators.fine_tune import function
from operators.fine_tune.function import FineTuneFunction
from scripts.tools.kafka.accounting import Metrics
from state.codec.sealed import CorruptError, IncompatibleError
from state.keyed import lineage
from state.keyed.descriptors import LINEAGE_ENTRY
from state.keyed.lineage import ABSENT, Lineage, Topic
from state.topics import lease
from state.topics.lease import Lease
from tests.builders import MINUTE, NOW, event, in_order, learn_items, learn_users
from tests.harness import Clock, ItemsSubtask, Savepoint, Subtask, UsersSubtask

ROLES = ("user_behavior", "accepted_events", "model_updates", "control")
FIRST = Lineage(
    id="run-1",
    since=NOW,
    job="shop",
    buckets=8,
    topics={role: Topic(f"shop.{role}", f"{role}-1") for role in ROLES},
)
RENEWAL = lease.encode(Lease(run="run-1", job="shop", epoch=NOW, at=NOW))
LOG = in_order([event("anna", "tea"), event("ben", "mate"), event("anna", "mate", at=NOW + 1)])


def submitted(**changes: Any) -> Lineage:
    """What a second submission of the job knows of itself."""
    return msgspec.structs.replace(FIRST, **{"id": "run-2", "since": NOW + MINUTE} | changes)


def topic(role: str, **changes: str) -> dict[str, Topic]:
    """The topics, where one is another."""
    return FIRST.topics | {role: msgspec.structs.replace(FIRST.topics[role], **changes)}


def users_of(now: Lineage | None, state: Savepoint | None = None) -> UsersSubtask:
    return UsersSubtask(learn_users(lineage=now), Clock(), state)


def items_of(now: Lineage | None, state: Savepoint | None = None) -> ItemsSubtask:
    return ItemsSubtask(learn_items(lineage=now), Clock(), state)


def receive(users: UsersSubtask) -> None:
    """Hear the lease, as once a checkpoint."""
    users.hear_as("model_updates", lease.KEY, RENEWAL)


def saved(now: Lineage | None = FIRST) -> tuple[Savepoint, Savepoint]:
    """Savepoints of learn-users and learn-items after a few events."""
    users, items = users_of(now), items_of(now)
    learned = users.take(LOG)
    receive(users)
    items.take(learned.accepted or b"")
    return users.savepoint(), items.savepoint()


def kept(state: Savepoint) -> Lineage:
    return lineage.decode(state.broadcast["loop-v1"][LINEAGE_ENTRY])


LATER = in_order([event("anna", "cocoa", at=NOW + MINUTE)], first=len(LOG))
OTHERS = {
    "input": (
        submitted(topics=topic("user_behavior", id="new")),
        r"kafka\.topics\.user_behavior: expected topic shop\.user_behavior with the id"
        r" user_behavior-1, got one with the id new of the name shop\.user_behavior",
    ),
    "loop": (
        submitted(topics=topic("accepted_events", name="b", id="new")),
        r"kafka\.topics\.accepted_events: expected topic shop\.accepted_events with the id"
        r" accepted_events-1, got one with the id new of the name b",
    ),
    "commands": (submitted(topics=topic("control", id="new")), r"kafka\.topics\.control: expec"),
    "job": (submitted(job="blog"), r"job\.name: expected shop, got blog"),
    "name of the input": (
        submitted(topics=topic("user_behavior", name="b", id="")),
        r"kafka\.topics\.user_behavior: expected shop\.user_behavior, got b",
    ),
    "name of the loop": (
        submitted(topics=topic("model_updates", name="b", id="")),
        r"kafka\.topics\.model_updates: expected shop\.model_updates, got b",
    ),
    "topic that is gone": (
        submitted(topics=topic("accepted_events", id=ABSENT)),
        r"kafka\.topics\.accepted_events: expected topic shop\.accepted_events with the id"
        r" accepted_events-1, got no topic of the name shop\.accepted_events",
    ),
    "buckets": (submitted(buckets=4), r"users\.buckets: expected 8, got 4"),
    "cluster": (
        submitted(topics={role: Topic(f"shop.{role}", "new") for role in ROLES}),
        "; ".join(rf"kafka\.topics\.{role}: .*" for role in ROLES),
    ),
}


@pytest.mark.parametrize(("now", "told"), OTHERS.values(), ids=OTHERS.keys())
def test_other_state_is_refused_by_name_before_anything_is_taken(now: Lineage, told: str) -> None:
    users, items = saved()
    expected = rf"state: .*{told}.*; restore on the cluster, topics and .*, or start without state"
    walks: tuple[tuple[Callable[[], Subtask], Callable[[Any], object]], ...] = (
        (lambda: users_of(now, users), lambda one: one.take(LATER)),
        (lambda: users_of(now, users), receive),
        (lambda: users_of(now, users), lambda one: one.wait(60 * 24 * 60 * MINUTE)),
        (lambda: items_of(now, items), lambda one: one.publish()),
        (lambda: items_of(now, items), lambda one: one.take(b"")),
    )
    for start, walk in walks:
        subtask = start()
        before = subtask.savepoint()
        with pytest.raises(IncompatibleError, match=expected):
            walk(subtask)
        assert subtask.state.maps == before.maps
        assert subtask.state.broadcast.get("loop-v1") == before.broadcast.get("loop-v1")


@pytest.mark.parametrize(
    "now",
    [
        submitted(),
        submitted(topics={role: Topic(f"shop.{role}") for role in ROLES}),
        submitted(topics={role: FIRST.topics[role] for role in ROLES[:3]}),
        None,
    ],
    ids=["same", "unknown", "without deep", "nobody compares"],
)
def test_a_job_on_its_own_topics_goes_on(now: Lineage | None) -> None:
    users, items = (
        make(now, state) for make, state in zip((users_of, items_of), saved(), strict=True)
    )
    receive(users)
    learned = users.take(LATER)
    assert learned.recommendations
    assert learned.accounting["partitions"]["0"]["consumed"] == len(LOG) + 1
    items.take(learned.accepted or b"")
    assert items.publish()
    assert kept(users.state).id == "run-1"


def test_what_was_not_known_is_kept_once_it_is() -> None:
    unknown = msgspec.structs.replace(FIRST, topics={r: Topic(f"shop.{r}") for r in ROLES})
    users, _ = saved(unknown)
    second = users_of(submitted(), users)
    receive(second)
    assert kept(second.state) == FIRST
    third = users_of(submitted(topics=topic("model_updates", id="new")), second.savepoint())
    with pytest.raises(IncompatibleError, match="model_updates-1"):
        third.take(LATER)


def test_topics_that_are_still_to_be_made_are_not_known_yet() -> None:
    absent = {role: Topic(f"shop.{role}", ABSENT) for role in ROLES}
    users, _ = saved(msgspec.structs.replace(FIRST, topics=absent))
    assert {one.id for one in kept(users).topics.values()} == {""}
    second = users_of(submitted(topics=absent), users)
    receive(second)
    third = users_of(submitted(), second.savepoint())
    receive(third)
    assert kept(third.state) == FIRST


def test_what_cannot_be_asked_any_more_is_still_known() -> None:
    users, _ = saved()
    second = users_of(submitted(topics=topic("control", id="")), users)
    receive(second)
    assert kept(second.state) == FIRST


def test_commands_are_forgotten_with_fine_tune() -> None:
    """Switched off and on again, fine-tune begins empty: its topic may be another one."""
    users, _ = saved()
    second = users_of(submitted(topics={r: FIRST.topics[r] for r in ROLES[:3]}), users)
    receive(second)
    third = users_of(submitted(topics=topic("control", id="new")), second.savepoint())
    assert third.take(LATER).recommendations


def test_state_of_before_takes_the_lineage_of_now() -> None:
    users, items = saved(None)
    assert LINEAGE_ENTRY not in users.broadcast["loop-v1"]
    now = submitted(topics=topic("user_behavior", id="new"))
    second, catalogue = users_of(now, users), items_of(now, items)
    assert second.take(LATER).recommendations
    receive(second)
    assert catalogue.publish()
    assert kept(second.state) == now
    with pytest.raises(IncompatibleError, match="user_behavior"):
        users_of(FIRST, second.savepoint()).take(LATER)
    with pytest.raises(IncompatibleError, match="user_behavior"):
        items_of(FIRST, catalogue.savepoint()).publish(MINUTE)


def test_a_subtask_that_hears_nothing_counts_for_the_lineage_of_its_state() -> None:
    users, _ = saved()
    learned = users_of(submitted(), users).take(LATER)
    assert (learned.accounting["lineage"], learned.accounting["buckets"]) == ("run-1", 8)


def test_accounting_says_which_submission_told_it() -> None:
    params = learn_users(lineage=FIRST, lease=Lease(run="run-1", job="shop", epoch=7, at=NOW))
    assert UsersSubtask(params, Clock()).take(LOG).accounting["epoch"] == 7


def test_a_damaged_lineage_stops_the_job() -> None:
    users, _ = saved()
    users.broadcast["loop-v1"][LINEAGE_ENTRY] = b"{"
    with pytest.raises(CorruptError, match=r"lineage: expected its fields.*restore the job"):
        users_of(submitted(), users).take(LATER)


def test_fine_tune_says_nothing_on_topics_that_are_not_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(function.Scratch, "sweep", pytest.fail)
    params = parameters.fine_tune(JobConfig(), None, submitted(job="blog"))
    tuner = Subtask(FineTuneFunction(params), Clock(), None)
    tuner.function._entries.put(LINEAGE_ENTRY, lineage.encode(FIRST))
    with pytest.raises(IncompatibleError, match=r"job\.name: expected shop, got blog"):
        list(tuner.function.on_timer(NOW, tuner))


def status(*learned: Any) -> Metrics:
    metrics = Metrics()
    for one in learned:
        for record in one.row.accounting:
            metrics.take(record.k, record.v)
    return metrics


def test_a_restored_job_counts_on_and_a_new_one_begins() -> None:
    first = users_of(FIRST)
    rows = [first.take(LOG[:2]), first.take(LOG[2:], bucket=5)]
    receive(first)
    assert status(*rows).totals().consumed == 3
    restored = users_of(submitted(), first.savepoint())
    assert status(*rows, restored.take(LATER)).totals().consumed == 4
    clock = Clock(NOW + MINUTE)
    anew = UsersSubtask(learn_users(lineage=submitted(buckets=4)), clock).take(LATER)
    assert status(*rows, anew).totals().consumed == 1


def test_a_job_restored_from_state_of_before_counts_what_was_told_before() -> None:
    first = users_of(None)
    rows = [first.take(LOG[:2]), first.take(LOG[2:], bucket=5)]
    again = UsersSubtask(learn_users(lineage=submitted()), Clock(NOW + 1), first.savepoint())
    assert "lineage" not in rows[0].accounting
    assert status(*rows, again.take(LATER)).totals().consumed == 4


def test_the_lineage_is_made_of_the_configuration_the_lease_and_what_kafka_says() -> None:
    config = JobConfig.model_validate({"job": {"name": "shop"}, "users": {"buckets": 8}})
    mine = Lease(run="run-1", job="shop", epoch=NOW + 9, at=NOW)
    made = parameters.lineage(config, mine, {"control": "c", "user_behavior": "u"})
    assert (made.id, made.since, made.job, made.buckets) == ("run-1", NOW, "shop", 8)
    assert json.loads(lineage.encode(made))["topics"] == {
        role: {"name": role, "id": {"control": "c", "user_behavior": "u"}.get(role, "")}
        for role in ROLES
    }
    alone = JobConfig.model_validate({"deep": {"enabled": False}})
    assert "control" in parameters.lineage(alone, mine, {}).topics  # commands about users
