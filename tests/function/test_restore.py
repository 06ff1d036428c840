"""After a restore: users come back from their own state, the item replica from published chunks."""

from collections.abc import Sequence

import numpy as np
import pytest

from models.params.ranking import RankingParams
from state.codec.sealed import CorruptError, IncompatibleError, StateError, UnknownVersionError
from state.keyed.descriptors import ACCOUNTING_ENTRY
from tests.builders import (
    MINUTE,
    NOW,
    Record,
    behaviour,
    cut,
    event,
    in_order,
    learn_items,
    learn_users,
    learning,
)
from tests.harness import Clock, ItemsSubtask, Savepoint, UsersSubtask

LOG = behaviour(2_500, users=60, items=100)


def job(log: Sequence[Record], objective: str = "ranking") -> tuple[UsersSubtask, ItemsSubtask]:
    """Both functions after a log."""
    model = learning(objective=objective)
    users = UsersSubtask(learn_users(k=10, learning=model), Clock())
    items = ItemsSubtask(learn_items(learning=model), Clock())
    for window in cut(list(cut(log, [40] * 100)), [10] * 10):
        taken = [users.take(records) for records in window]
        items.take(*(learned.accepted for learned in taken if learned.accepted))
    return users, items


def restored(users: UsersSubtask, items: ItemsSubtask, objective: str = "ranking") -> UsersSubtask:
    """A new subtask of learn-users that has received what a new learn-items publishes."""
    model = learning(objective=objective)
    fresh = UsersSubtask(learn_users(k=10, learning=model), Clock(), users.savepoint())
    again = ItemsSubtask(learn_items(learning=model), Clock(), items.savepoint())
    fresh.receive(*(chunk for _, chunk in again.publish()))
    return fresh


def lists(users: UsersSubtask, log: Sequence[Record]) -> dict[str, list[str]]:
    found = users.take(log).recommendations
    return {user: [item["item_id"] for item in one["items"]] for user, one in found.items()}


def test_a_rebuilt_replica_recommends_nearly_the_same() -> None:
    users, items = job(LOG[:2_400])
    after = restored(users, items)
    expected, found = lists(users, LOG[2_400:]), lists(after, LOG[2_400:])
    assert found.keys() == expected.keys()
    shared = [len(set(found[u]) & set(expected[u])) / len(expected[u]) for u in expected]
    assert np.mean(shared) > 0.95


@pytest.mark.parametrize("objective", ["rating", "sgd"])
def test_a_rebuilt_replica_predicts_the_same_ratings(objective: str) -> None:
    log = in_order(
        event(user, item, "rating", at=NOW + n, value=5)
        for n, user in enumerate(("ben", "carl"))
        for item in ("tea", "mate", "cocoa")
    )
    users, items = job(log, objective)
    after = restored(users, items, objective)
    one = in_order([event("anna", "tea", "rating", at=NOW + MINUTE, value=5)], first=len(log))
    expected, found = (
        subtask.take(one).recommendations["anna"]["items"] for subtask in (users, after)
    )
    scores = {item["item_id"]: item["score"] for item in expected}
    assert {item["item_id"]: item["score"] for item in found} == pytest.approx(scores, abs=0.05)
    assert min(scores.values()) > 4.5


def test_a_restored_user_is_the_same_to_the_bit() -> None:
    users, items = job(LOG[:1_000])
    after = restored(users, items)
    assert after.remembered() == users.remembered()


def test_events_of_before_the_savepoint_are_still_duplicates() -> None:
    users, items = job(LOG[:1_000])
    after = restored(users, items)
    learned = after.take(in_order(LOG[900:1_000], first=1_000))
    assert learned.metrics["accepted"] == 0
    assert learned.recommendations == {}


def test_what_was_hidden_before_the_savepoint_stays_hidden() -> None:
    log = in_order([
        *(event(user, item) for user in ("ben", "carl") for item in ("tea", "mate", "cocoa")),
        event("anna", "mate", "dislike"),
    ])  # fmt: skip
    after = restored(*job(log))
    later = in_order([event("anna", "tea", at=NOW + MINUTE)], first=len(log))
    assert lists(after, later) == {"anna": ["cocoa"]}


def test_accounting_goes_on_where_it_stopped() -> None:
    users, items = job(LOG[:1_000])
    before = users.take([Record(b"x", b"bad", offset=1_000)]).accounting
    learned = restored(users, items).take([Record(b"x", b"bad", offset=1_001)]).accounting
    assert learned["partitions"]["0"]["consumed"] == 1_002
    assert learned["rejected"]["invalid_json"] == before["rejected"]["invalid_json"] + 1


def test_counts_learnt_after_the_restore_are_not_lost_to_an_older_chunk() -> None:
    """A chunk is taken for an item only where it knows more events than the replica."""
    users, items = job(LOG[:1_000])
    fresh = UsersSubtask(learn_users(k=10), Clock(), users.savepoint())
    fresh.take(in_order([event("new", "only-here")], first=5_000))
    again = ItemsSubtask(learn_items(), Clock(), items.savepoint())
    fresh.receive(*(chunk for _, chunk in again.publish()))
    replica = fresh.function._pipeline._learn.items
    count = dict(zip(replica.ids, replica.count.tolist(), strict=True))
    assert count["only-here"] == 1


def damaged(savepoint: Savepoint, entry: str | None, edit: slice, text: bytes) -> Savepoint:
    """A copy in which one value is damaged: that of an entry, or any of the items."""
    for maps in savepoint.maps.values():
        for name, entries in maps.items():
            for key in entries:
                if entry is None or entry.encode() in key:
                    value = bytearray(entries[key])
                    value[edit] = text
                    maps[name][key] = bytes(value)
                    return savepoint
    raise AssertionError(entry)


@pytest.mark.parametrize("entry", ["anna", ACCOUNTING_ENTRY])
def test_a_damaged_value_of_a_user_stops_the_job_and_says_what_to_do(entry: str) -> None:
    users = UsersSubtask(learn_users(), Clock())
    users.take([event("anna")])
    bad = damaged(users.savepoint(), entry, slice(-3, -2), b"\xa5")
    after = UsersSubtask(learn_users(), Clock(), bad)
    with pytest.raises(CorruptError, match="restore the job from an older savepoint"):
        after.take([event("anna", "mate")])


def test_a_damaged_user_does_not_stop_others_from_being_read() -> None:
    users = UsersSubtask(learn_users(), Clock())
    users.take(in_order([event("anna"), event("ben")]))
    bad = damaged(users.savepoint(), "anna", slice(-3, -2), b"\xa5")
    after = UsersSubtask(learn_users(), Clock(), bad)
    assert after.take([event("ben", "mate", at=NOW + 1)]).metrics["accepted"] == 1


def test_a_value_of_a_newer_release_is_refused() -> None:
    users = UsersSubtask(learn_users(), Clock())
    users.take([event("anna")])
    header = slice(-len(users.remembered()["anna"]) + 2, -len(users.remembered()["anna"]) + 4)
    newer = damaged(users.savepoint(), "anna", header, b"\x09\x00")
    with pytest.raises(UnknownVersionError, match="run the release that wrote it"):
        UsersSubtask(learn_users(), Clock(), newer).take([event("anna", "mate")])


def test_another_number_of_factors_is_refused() -> None:
    users = UsersSubtask(learn_users(), Clock())
    users.take([event("anna")])
    other = learn_users(learning=learning(ranking=RankingParams(factors=16)))
    with pytest.raises(IncompatibleError, match="set the model's factors back to 8"):
        UsersSubtask(other, Clock(), users.savepoint()).take([event("anna", "mate")])


@pytest.mark.parametrize(("wrote", "reads"), [("rating", "sgd"), ("sgd", "rating")])
def test_the_state_of_another_model_of_ratings_is_refused(wrote: str, reads: str) -> None:
    log = in_order([event("anna", "tea", "rating", value=5)])
    users, items = job(log, wrote)
    model, later = learning(objective=reads), event("anna", "mate", "rating", at=NOW + 1, value=5)
    told = "set learning.rating.model back"
    with pytest.raises(IncompatibleError, match=told):
        UsersSubtask(learn_users(learning=model), Clock(), users.savepoint()).take([later])
    with pytest.raises(IncompatibleError, match=told):
        ItemsSubtask(learn_items(learning=model), Clock(), items.savepoint()).publish()


@pytest.mark.parametrize(("wrote", "receives"), [("rating", "sgd"), ("sgd", "rating")])
def test_loop_records_of_another_model_of_ratings_are_skipped(wrote: str, receives: str) -> None:
    users, items = job(in_order([event("anna", "tea", "rating", value=5)]), wrote)
    message = users.take(in_order([event("ben", "tea", "rating", value=5)], first=1)).accepted
    listener = UsersSubtask(learn_users(learning=learning(objective=receives)), Clock())
    listener.receive(message or b"", *(chunk for _, chunk in items.publish()))
    assert listener.function._pipeline.items.count.tolist() == []
    assert sum(listener.function._inbox.skipped.values()) >= 2


def test_a_damaged_item_stops_the_job() -> None:
    _, items = job(LOG[:100])
    bad = damaged(items.savepoint(), None, slice(-3, -2), b"\xa5")
    with pytest.raises(StateError):
        ItemsSubtask(learn_items(), Clock(), bad).publish()
