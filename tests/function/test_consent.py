"""Events without consent are answered by a list, and neither learnt nor kept."""

from typing import Any

import pytest

from models.keys import key_of
from models.params.feedback import FeedbackParams
from state.events.consent import Consent
from state.topics import accepted as accepted_codec
from tests.builders import NOW, OBJECTIVES, Record, behaviour, cut, event, in_order, learn_users
from tests.builders import learning as of_objective
from tests.harness import Clock, UsersSubtask

SECRET = "somebody-who-said-no"


def worker(name: str = "full", **changes: Any) -> UsersSubtask:
    consent = Consent(changes.pop("path", "consent"), changes.pop("required", False))
    users = UsersSubtask(
        learn_users(learning=of_objective(objective=name), deep=False, consent=consent, **changes),
        Clock(),
    )
    for records in cut(behaviour(900, users=30, items=40), [300] * 3):
        users.take(records)
    return users


def everything(users: UsersSubtask) -> bytes:
    return b"".join(
        part if isinstance(part, bytes) else part.encode()
        for entry in users.remembered().items()
        for part in entry
    )


@pytest.mark.parametrize("said", [False, 0, "no", "False", " denied ", 0.0])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_who_says_no_is_answered_and_leaves_nothing(name: str, said: Any) -> None:
    users = worker(name)
    before = users.remembered()
    learned = users.take(in_order([event(SECRET, "item-1", consent=said)], first=5_000))
    assert learned.dead_letters == []
    assert learned.messages == []
    assert list(learned.row.trending) == []
    assert len(learned.recommendations[SECRET]["items"]) == 5
    assert learned.accounting["ignored"] == {"(no consent)": 1}
    assert SECRET.encode() not in everything(users)
    changed = {e for e, value in users.remembered().items() if before.get(e) != value}
    assert changed <= {" accounting", " gates"}


def test_what_was_kept_with_consent_goes_on_without_the_event() -> None:
    users = worker()
    users.take(in_order([event("ann", "item-1")], first=5_000))
    before = users.remembered()["ann"]
    no = [event("ann", "item-2", at=NOW - 5, consent=False), event("bob", "item-2", consent=False)]
    learned = users.take(in_order(no, first=5_001))
    assert users.remembered()["ann"] == before
    assert "item-1" not in {one["item_id"] for one in learned.recommendations["ann"]["items"]}
    assert learned.recommendations.keys() == {"ann", "bob"}


def test_events_with_and_without_consent_in_one_micro_batch() -> None:
    users = worker()
    mixed = [
        event("ann", "item-1", consent=True),
        event("ann", "item-2", at=NOW - 3, consent=False),
        event("cat", "item-3"),
        event("bob", "item-4", consent="no"),
    ]
    learned = users.take(in_order(mixed, first=5_000))
    assert learned.recommendations.keys() == {"ann", "bob", "cat"}
    (message,) = learned.messages
    told = accepted_codec.decode(message)
    assert len(told) == 2
    assert {key_of("item-1"), key_of("item-3")} <= set(told.keys.tolist())
    assert learned.accounting["ignored"] == {"(no consent)": 2}
    assert "bob" not in users.remembered()
    assert users.remembered().keys() >= {"ann", "cat"}


def test_refused_records_without_consent_are_no_dead_letters() -> None:
    users = worker()
    bad = [
        event("ann", "item-1", kind="unknown type", consent=False),
        Record(b"ann", b'{"user_id": "ann", "consent": false, "broken'),
        event("ann", "item-1", kind="unknown type"),
    ]
    learned = users.take(in_order(bad, first=5_000))
    assert learned.codes == ["unknown_event_type"]
    assert learned.accounting["ignored"] == {"(no consent)": 2}


def test_where_consent_is_required_silence_means_no() -> None:
    users = worker(required=True, path="privacy.ads")
    said = [
        event("ann", "item-1", privacy={"ads": True}),
        event("bob", "item-1", privacy={"ads": None}),
        event("cat", "item-1"),
        event("dan", "item-1", privacy={"ads": "perhaps"}),
    ]
    learned = users.take(in_order(said, first=5_000))
    assert learned.recommendations.keys() == {"ann", "bob", "cat", "dan"}
    assert "ann" in users.remembered()
    assert not users.remembered().keys() & {"bob", "cat", "dan"}


def test_impressions_without_consent_are_neither_joined_nor_answered() -> None:
    users = worker(feedback=FeedbackParams(rewards={"view": 1.0}))
    shown = users.take(in_order([event("ann", "item-1")], first=5_000)).recommendations["ann"]
    before = users.remembered()
    item = shown["items"][0]["item_id"]
    impression = event("ann", item, "impression", NOW, rec_id=shown["rec_id"], consent=False)
    learned = users.take(in_order([impression], first=5_001))
    assert learned.recommendations == {}
    feedback = " feedback/ann"
    assert users.remembered()[feedback] == before[feedback]


def test_names_with_escapes_are_read() -> None:
    consent = Consent("consent")
    assert consent.refused([b'{"c\\u006fnsent": false}', b'{"consent": true}', None, b"\xff"]) == [
        0
    ]
    assert Consent("consent", required=True).refused([b"{}", None]) == [0, 1]
