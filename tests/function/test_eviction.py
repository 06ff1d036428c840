"""Users who are idle for longer than the configured time are forgotten; nobody else is."""

import numpy as np

from state.keyed.descriptors import ACCOUNTING_ENTRY
from tests.builders import DAY, HOUR, NOW, Record, event, in_order, learn_users, learning
from tests.harness import Clock, UsersSubtask

TTL = 10 * DAY


def subtask() -> UsersSubtask:
    return UsersSubtask(learn_users(user_ttl_ms=TTL), Clock())


def held(users: UsersSubtask, bucket: int = 0) -> set[str]:
    return set(users.remembered(bucket=bucket)) - {ACCOUNTING_ENTRY}


def test_idle_users_are_forgotten_and_others_kept() -> None:
    users = subtask()
    users.take(in_order([event("anna"), event("ben")]))
    users.wait(6 * DAY)
    users.take(in_order([event("ben", "mate")], first=2))
    users.wait(6 * DAY)
    assert held(users) == {"ben"}
    users.wait(6 * DAY)
    assert held(users) == set()


def test_nobody_is_forgotten_early_or_much_too_late() -> None:
    users = subtask()
    users.take([event("anna")])
    users.wait(TTL)
    assert held(users) == {"anna"}
    users.wait(TTL // 10 + HOUR)
    assert held(users) == set()


def test_duplicates_and_bad_records_do_not_keep_a_user() -> None:
    users = subtask()
    users.take([event("anna")])
    users.wait(TTL - DAY)
    users.take(in_order([event("anna"), Record(b"anna", b"bad")], first=1))
    users.wait(3 * DAY)
    assert held(users) == set()


def test_accounting_outlives_everybody() -> None:
    users = subtask()
    users.take(in_order([event("anna"), event("ben")]))
    users.wait(5 * TTL)
    learned = users.take(in_order([event("carl", at=NOW + 50 * DAY)], first=2))
    assert learned.accounting["partitions"]["0"]["accepted"] == 3


def test_a_forgotten_user_starts_anew() -> None:
    users = subtask()
    users.take(in_order([event("anna", "tea"), event("anna", "mate")]))
    users.wait(2 * TTL)
    learned = users.take(in_order([event("anna", "tea", at=NOW + 20 * DAY)], first=2))
    assert learned.recommendations["anna"]["session"]["events"] == 1
    assert [i["item_id"] for i in learned.recommendations["anna"]["items"]] == ["mate"]


def test_eviction_goes_on_after_a_restore() -> None:
    users = subtask()
    users.take([event("anna")])
    after = UsersSubtask(learn_users(user_ttl_ms=TTL), Clock(), users.savepoint())
    after.wait(2 * TTL)
    assert held(after) == set()


def test_each_bucket_has_one_timer() -> None:
    users = subtask()
    for n in range(5):
        users.take(in_order([event(item=f"i{n}")], first=n))
        users.take(in_order([event(item=f"i{n}")], first=n), bucket=1)
        users.clock.now_ms += 10
    assert len(users.state.timers) == 2
    users.wait(3 * TTL)
    assert len(users.state.timers) == 2


def test_buckets_do_not_forget_each_others_users() -> None:
    users = subtask()
    users.take([event("anna")], bucket=0)
    users.wait(TTL - DAY)
    users.take([event("ben")], bucket=1)
    users.wait(3 * DAY)
    assert held(users, 0) == set()
    assert held(users, 1) == {"ben"}


def test_what_was_recommended_to_a_forgotten_user_is_withdrawn() -> None:
    users = subtask()
    users.take(in_order([event("anna"), event(" ben"), event("carl", "mate", at=NOW)]))
    users.wait(TTL // 2)
    users.take(in_order([event("carl", "tea", at=NOW + DAY)], first=3))
    gone = [record for row in users.wait(TTL // 2 + DAY) for record in row[1]]
    assert sorted(record[0] for record in gone) == [b" ben", b"anna"]
    assert {record[1] for record in gone} == {None}


def test_buckets_are_not_swept_at_one_instant() -> None:
    users = subtask()
    for bucket in range(64):
        users.take(in_order([event()]), bucket=bucket)
    due = {timestamp for timestamp, _ in users.state.timers}
    assert len(due) > 48
    assert max(due) - min(due) > TTL // 20


def test_a_forgotten_user_who_comes_back_goes_on_in_the_sequence_others_know() -> None:
    """Or session neighbours would learn nothing of it for as many events as there were before."""
    model = learning(objective="full")
    params = learn_users(user_ttl_ms=TTL, learning=model)
    users, listener = UsersSubtask(params, Clock()), UsersSubtask(params, Clock())
    before = in_order(event("anna", f"old-{n}", at=NOW + n) for n in range(700))
    users.take(before)
    users.wait(2 * TTL)
    at, after = NOW + 20 * DAY, []
    for n in range(4):
        names = [f"new-{n}-{m}" for m in range(5)]
        log = (event("anna", name, at=at + 5 * n + m) for m, name in enumerate(names))
        after.append(users.take(in_order(log, first=700 + 5 * n)))
    listener.receive(*UsersSubtask(params, Clock()).take(before).messages)
    listener.receive(*(message for learned in after for message in learned.messages))
    for one in (users, listener):
        items = one.function._pipeline.items
        named = {name: row for row, name in enumerate(items.ids)}
        rows = np.array([named[f"new-{n}-{m}"] for n in range(4) for m in range(5)], np.int32)
        start, _, positions = items.neighbours.export(rows)
        assert np.diff(start).tolist() == [1] * 20
        assert positions.tolist() == list(range(700, 720))
