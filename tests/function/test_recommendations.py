"""What users are recommended, and how a recommendation is named."""

from functools import cache

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.columns.events import OFFSET_BITS
from models.params.events import EventPolicy
from models.params.users import UserParams
from models.users.past import ALWAYS
from state.topics.trending import Trending
from tests.builders import (
    DAY,
    MINUTE,
    NOW,
    OBJECTIVES,
    Record,
    behaviour,
    cut,
    event,
    in_order,
    learn_users,
    learning,
)
from tests.harness import Clock, Learned, UsersSubtask


def subtask(**changes: object) -> UsersSubtask:
    return UsersSubtask(learn_users(**changes), Clock())


def items(learned: Learned, user: str = "anna") -> list[str]:
    return [item["item_id"] for item in learned.recommendations[user]["items"]]


def reasons(learned: Learned, user: str = "anna") -> list[str]:
    return [item["reason"] for item in learned.recommendations[user]["items"]]


def views(user: str, *names: str, at: int = NOW) -> list[Record]:
    return [event(user, name, at=at + n) for n, name in enumerate(names)]


def test_every_user_with_an_accepted_event_gets_one_recommendation() -> None:
    users = subtask()
    log = behaviour(600)
    for records in cut(log, [1, 7, 200]):
        learned = users.take(records)
        assert set(learned.recommendations) == {(record.key or b"").decode() for record in records}


def test_users_without_an_accepted_event_get_none() -> None:
    users = subtask()
    users.take(in_order([event("anna"), event("ben")]))
    learned = users.take(in_order([event("anna"), Record(b"ben", b"bad"), event("carl")], first=2))
    assert set(learned.recommendations) == {"carl"}


def test_a_recommendation_has_the_documented_shape() -> None:
    users = subtask()
    users.take(in_order(views("ben", "tea", "mate", "cocoa")))
    last = event("anna", "tea", event_id="e-7", at=NOW - 5)
    learned = users.take([Record(last.key, last.value, 3, 99, NOW - 2)])
    found = learned.recommendations["anna"]
    (listed,) = (found.pop("items"),)
    assert len(found.pop("rec_id")) == 32
    assert found == {
        "user_id": "anna",
        "generated_at": NOW,
        "trigger": {"event_id": "e-7", "timestamp": NOW - 5, "published_at": NOW - 2},
        "model_version": "online-ranking-1",
        "session": {"started_at": NOW - 5, "events": 1},
    }
    assert listed[0]["item_id"] == "mate"
    assert listed[0]["reason"] == "transition"
    assert listed[0]["from"] == "tea"
    assert [item["score"] for item in listed] == sorted((i["score"] for i in listed), reverse=True)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_items_are_distinct_named_and_not_more_than_asked_for(objective: str) -> None:
    users = subtask(learning=learning(objective=objective), k=4)
    known = set()
    for records in cut(behaviour(800), [50] * 16):
        known |= {item for record in records for item in (record.value or b"").decode().split('"')}
        for found in users.take(records).recommendations.values():
            listed = [item["item_id"] for item in found["items"]]
            assert len(set(listed)) == len(listed) <= 4
            assert set(listed) <= known


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_history_is_never_recommended(objective: str) -> None:
    users = subtask(learning=learning(objective=objective), k=20)
    teas = [f"tea-{n}" for n in range(12)]
    rated = {"kind": "rating", "value": 4} if objective in ("rating", "sgd") else {}
    log = [event(u, i, at=NOW + n, **rated) for u in ("ben", "carl") for n, i in enumerate(teas)]
    mine = [event("anna", name, at=NOW + n, **rated) for n, name in enumerate(teas[:5])]
    learned = users.take(in_order(log + mine))
    assert set(items(learned)) == set(teas[5:])
    assert items(learned, "ben") == []


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_items_come_back_as_the_kind_of_event_allows(objective: str) -> None:
    day = 1440 * MINUTE
    past = NOW - 2 * day
    hide = {"view": 0, "favorite": day, "purchase": ALWAYS, "rating": 0}
    params = learning(objective=objective, users=UserParams(past=8, timed=True))
    users = subtask(learning=params, policy=EventPolicy(hide=hide))
    teas = ("tea", "mate", "cocoa", "lemon")
    ratings = [event("ben", name, "rating", at=past + n, value=4) for n, name in enumerate(teas)]
    users.take(in_order(ratings))
    mine = [("view", "tea"), ("favorite", "mate"), ("purchase", "cocoa"), ("view", "cocoa")]
    log = [event("anna", item, kind, at=past + n) for n, (kind, item) in enumerate(mine)]
    assert set(items(users.take(in_order(log, first=9)))) == {"tea", "lemon"}
    soon = in_order([event("anna", "lemon", at=past + day - MINUTE)], first=20)
    assert set(items(users.take(soon))) == {"tea", "lemon"}
    later = in_order([event("anna", "lemon", at=past + day + 2 * MINUTE)], first=21)
    assert set(items(users.take(later))) == {"tea", "mate", "lemon"}
    again = in_order([event("anna", "mate", "purchase", at=past + day + 3 * MINUTE)], first=22)
    assert set(items(users.take(again))) == {"tea", "lemon"}


@pytest.mark.parametrize("kind", ["dislike", "remove"])
def test_a_negative_event_hides_the_item(kind: str) -> None:
    users = subtask()
    users.take(in_order(views("ben", "tea", "mate", "cocoa")))
    assert "mate" in items(users.take(in_order(views("anna", "tea"), first=3)))
    hidden = event("anna", "mate", kind, at=NOW + MINUTE)
    learned = users.take(in_order([hidden], first=4))
    assert "mate" not in items(learned)
    assert "cocoa" in items(learned)
    later = users.take(in_order([event("anna", "lemon", at=NOW + 2 * MINUTE)], first=5))
    assert "mate" not in items(later)


def trending(window_end: int = NOW, **seen: int) -> bytes:
    return msgspec.json.encode(Trending(window_end=window_end, seen=seen))


def test_ids_in_a_trending_list_are_what_they_are() -> None:
    users = subtask(k=3)
    names = ['TV-55"', "sofa,3-seat,blue", "商品 42"]
    users.take(in_order(views("ben", *names, "lemon")))
    users.receive(trending(**{name: 9 - n for n, name in enumerate(names)}))
    learned = users.take(in_order([event("anna", "tea", "impression")], first=9))
    assert items(learned) == names


def test_a_trending_list_of_long_ago_is_not_what_is_trending_now() -> None:
    users = subtask(k=2)
    users.take(in_order(views("ben", "tea", "mate", "tea", "lemon")))
    users.receive(trending(mate=5), trending(NOW - 60 * DAY, lemon=900))
    learned = users.take(in_order([event("anna", "cocoa", "impression")], first=9))
    assert items(learned)[0] == "mate"


def test_a_user_without_usable_history_gets_what_is_trending() -> None:
    users = subtask(k=3)
    users.take(in_order(views("ben", *["tea"] * 3, "mate", "cocoa", "lemon")))
    users.receive(trending(lemon=9, cocoa=12, nobody=99))
    learned = users.take(in_order([event("anna", "tea", "impression")], first=9))
    assert items(learned) == ["cocoa", "lemon", "tea"]
    assert reasons(learned) == ["trending", "trending", "popular"]


def test_what_is_trending_is_what_was_received_last() -> None:
    users = subtask(k=1)
    users.take(in_order(views("ben", "tea", "mate")))
    users.receive(trending(tea=9), trending(mate=2))
    assert items(users.take(in_order([event("anna", "tea", "impression")], first=9))) == ["mate"]


def test_without_trending_items_the_popular_ones_are_recommended() -> None:
    users = subtask(k=2)
    log = [event(u, i, at=NOW + n) for n, u in enumerate("abc") for i in ("tea", "mate")[: n + 1]]
    learned = users.take(in_order([*log, event("anna", "cocoa", "impression")]))
    assert items(learned) == ["tea", "mate"]
    assert reasons(learned) == ["popular", "popular"]


def test_the_first_user_ever_gets_an_empty_list() -> None:
    learned = subtask().take([event()])
    assert items(learned) == []


def test_recommendations_can_be_switched_off() -> None:
    users = subtask(recommend=False)
    learned = users.take(in_order(views("anna", "tea", "mate")))
    assert learned.recommendations == {}
    assert learned.metrics["accepted"] == 2
    assert learned.accepted is not None


def test_a_session_ends_after_a_gap_in_event_time() -> None:
    users = subtask()
    gap = learn_users().learning.users.session_gap_ms
    sessions = []
    for n, at in enumerate([NOW, NOW + gap, NOW + 2 * gap + 1, NOW + gap]):
        users.clock.now_ms = NOW + 4 * gap
        learned = users.take(in_order([event(item=f"i{n}", at=at)], first=n))
        sessions.append(learned.recommendations["anna"]["session"])
    assert sessions == [
        {"started_at": NOW, "events": 1},
        {"started_at": NOW, "events": 2},
        {"started_at": NOW + 2 * gap + 1, "events": 1},
        {"started_at": NOW + 2 * gap + 1, "events": 2},
    ]


def test_two_lists_have_two_ids_where_lines_share_the_id_of_their_order() -> None:
    users = subtask(policy=EventPolicy(buckets=1, identity="event_id+item+type"))
    lines = [event("anna", item, "purchase", event_id="o1") for item in ("tea", "mate")]
    found = [users.take(in_order([line], first=n)).recommendations for n, line in enumerate(lines)]
    assert len({one["anna"]["rec_id"] for one in found}) == 2
    again = subtask(policy=EventPolicy(buckets=1, identity="event_id+item+type"))
    assert again.take([lines[0]]).recommendations["anna"]["rec_id"] == found[0]["anna"]["rec_id"]


def named(log: list[Record], sizes: list[int]) -> list[dict[str, str]]:
    """Recommendation id of every user, for each micro-batch."""
    users = subtask()
    return [
        {user: found["rec_id"] for user, found in users.take(records).recommendations.items()}
        for records in cut(log, sizes)
    ]


@cache
def single_ids() -> list[str]:
    """Ids of recommendations after each single event."""
    log = behaviour(120)
    return [rec_id for one in named(log, [1] * len(log)) for rec_id in one.values()]


@settings(max_examples=30)
@given(sizes=st.lists(st.integers(1, 40), max_size=12))
def test_a_recommendation_keeps_its_id_however_the_log_is_cut(sizes: list[int]) -> None:
    log = behaviour(120)
    batches, ids = named(log, sizes), single_ids()
    assert len(set(ids)) == len(log)
    begin = 0
    for records, found in zip(cut(log, sizes), batches, strict=True):
        last = {(r.key or b"").decode(): ids[begin + n] for n, r in enumerate(records)}
        assert found == last
        begin += len(records)


def test_the_largest_coordinate_is_no_special_case() -> None:
    last = Record(event().key, event().value, (1 << 15) - 1, (1 << OFFSET_BITS) - 2)
    learned = subtask().take([last])
    counts = learned.accounting["partitions"][str((1 << 15) - 1)]
    assert counts["next_offset"] == (1 << OFFSET_BITS) - 1


def test_where_nothing_follows_items_of_one_level_stand_half_before_the_event() -> None:
    """Or the first hours of a job, when many items were seen once, would all count as hits."""
    users = subtask(evaluation_k=5)
    users.take(in_order(event(f"w{n}", f"it{n}", at=NOW - DAY) for n in range(300)))
    users.take(in_order([event("x", "it80", at=NOW - DAY)], first=300))
    learned = users.take(in_order([event("x", "it7", at=NOW - DAY)], first=301))
    assert learned.metrics["scored"] == 1
    assert learned.metrics["hits"] == 0
