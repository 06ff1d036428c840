"""Rules of the house: what the catalogue says of items decides which lists hold them."""

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from models.params.slate import Arm, Rules, SlateParams
from operators.params import LearnUsersParams
from state.topics import availability
from tests.builders import NOW, OBJECTIVES, Record, behaviour, cut, event, in_order, learn_users
from tests.builders import learning as of_objective
from tests.harness import Clock, Learned, UsersSubtask

LOG = behaviour(3_000, users=100, items=60)
ITEMS = [f"item-{n}" for n in range(60)]


def params(name: str, rules: Rules, **changes: Any) -> LearnUsersParams:
    slate = SlateParams(arms=(Arm(rules=rules, exploration=changes.pop("exploration", 0.0)),),
                        **changes)  # fmt: skip
    return learn_users(learning=of_objective(objective=name), slate=slate)


def describe(users: UsersSubtask, item: str, **description: Any) -> None:
    users.hear_as("model_updates", availability.key_of(item), json.dumps(description).encode())


def taught(wanted: LearnUsersParams, restored: UsersSubtask | None = None) -> UsersSubtask:
    users = UsersSubtask(wanted, Clock(), restored.savepoint() if restored else None)
    for records in cut(LOG, [300] * 10):
        users.take(records)
    return users


def views(first: int, users: int = 100, **fields: Any) -> list[Record]:
    """Views of people who are new, of a few items."""
    seen = [event(f"{first}-{n}", f"item-{n % 7}", at=NOW + first, **fields) for n in range(users)]
    return in_order(seen, first=100_000 + first)


def lists(learned: Learned) -> list[list[str]]:
    found = learned.recommendations.values()
    return [[item["item_id"] for item in one["items"]] for one in found]


def flat(learned: Learned) -> list[str]:
    return [item for one in lists(learned) for item in one]


@pytest.mark.parametrize("name", OBJECTIVES)
def test_items_are_hidden_by_what_the_catalogue_says(name: str) -> None:
    users = taught(params(name, Rules(hide=("category=adult", "brand=acme"))))
    best = Counter(flat(users.take(views(0)))).most_common(3)
    one, two, three = [item for item, _ in best]
    describe(users, one, categories=["adult", "toys"])
    describe(users, two, attributes={"brand": "acme"})
    describe(users, three, categories="toys", attributes={"brand": "other"})
    shown = set(flat(users.take(views(1_000))))
    assert not {one, two} & shown
    assert three in shown
    describe(users, one, categories=["toys"])
    describe(users, two, title="no more")
    back = set(flat(users.take(views(2_000))))
    assert {one, two} <= back


@pytest.mark.parametrize("name", OBJECTIVES)
def test_only_what_is_allowed_is_listed(name: str) -> None:
    users = taught(params(name, Rules(only=("category=toys",))))
    assert not any(lists(users.take(views(0))))
    for item in ITEMS[:20]:
        describe(users, item, categories=["toys"])
    shown = lists(users.take(views(1_000)))
    assert all(set(one) <= set(ITEMS[:20]) for one in shown)
    # of few items that are allowed, those are found that no list began with
    assert min(map(len, shown)) == 5


@pytest.mark.parametrize("exploration", [0.0, 0.3])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_list_holds_so_many_of_a_category_at_most(name: str, exploration: float) -> None:
    users = taught(params(name, Rules(most_per_category=2), exploration=exploration))
    of = {item: f"c{n % 4}" for n, item in enumerate(ITEMS)}
    for item in ITEMS[:56]:
        describe(users, item, categories=[of[item], of[item]])
    for first in (0, 1_000):
        for one in lists(users.take(views(first))):
            kinds = Counter(of[item] for item in one if item in ITEMS[:56])
            assert max(kinds.values(), default=0) <= 2
            assert len(one) == 5


@pytest.mark.parametrize("name", OBJECTIVES)
def test_boosts_raise_what_they_name(name: str) -> None:
    users = taught(params(name, Rules(boosts=(("category=own", 2.0), ("brand=acme", -2.0)))))
    before = Counter(flat(users.take(views(0))))
    raised, lowered = before.most_common()[len(before) // 2][0], before.most_common(1)[0][0]
    describe(users, raised, categories=["own"])
    describe(users, lowered, attributes={"brand": "acme"})
    after = Counter(flat(users.take(views(1_000))))
    assert after[raised] > before[raised]
    assert after[lowered] < before[lowered]


@pytest.mark.parametrize("name", OBJECTIVES)
def test_items_are_for_users_of_their_scope(name: str) -> None:
    users = taught(params(name, Rules()))
    for item in ITEMS[:30]:
        describe(users, item, scope="de" if item in ITEMS[:15] else "fr")
    again = UsersSubtask(params(name, Rules()), Clock(), users.savepoint())
    for records in cut(LOG, [300] * 10):
        others = [json.loads(r.value or b"") | {"user_id": f"x-{r.offset}"} for r in records]
        sent = [Record(one["user_id"].encode(), json.dumps(one).encode()) for one in others]
        again.take(in_order(sent, first=110_000 + records[0].offset))
    for subtask in (users, again):
        first = 50_000 if subtask is again else 0
        german = set(flat(subtask.take(views(first, scope="de"))))
        assert german & set(ITEMS[:15])
        assert not german & set(ITEMS[15:30])
        for scope in (None, "it", 5, ["de"]):
            first += 1_000
            nowhere = set(flat(subtask.take(views(first, scope=scope))))
            assert nowhere
            assert not nowhere & set(ITEMS[:30])


@pytest.mark.parametrize("rules", [Rules(), Rules(hide=("category=adult",))])
def test_what_there_is_no_room_for_is_not_shown_to_those_it_is_kept_from(rules: Rules) -> None:
    wanted = params("full", rules)
    wanted = replace(wanted, learning=replace(wanted.learning, item_limit=60))
    users = UsersSubtask(wanted, Clock())
    for n in range(600):
        describe(users, f"filler-{n}", categories=["toys"])
    for item in ITEMS[:20]:
        describe(users, item, categories=["adult"])
    for item in ITEMS[20:30]:
        describe(users, item, scope="de")
    again = UsersSubtask(wanted, Clock(), users.savepoint())
    for subtask in (users, again):
        for records in cut(LOG, [300] * 10):
            subtask.take(records)
        shown = set(flat(subtask.take(views(0))))
        assert shown
        assert not shown & set(ITEMS[20:30])
        assert bool(shown & set(ITEMS[:20])) == (not rules.hide)


def test_a_new_item_comes_as_often_as_its_propensity_says() -> None:
    users = taught(params("full", Rules(hide=("category=adult",)), new_item_impressions=10_000))
    for item in ITEMS:
        describe(users, item, categories=["liked"])
    for n in range(8):
        names = ["liked", "adult"] if n in (1, 2, 5) else ["liked"]
        describe(users, f"new-{n}", categories=names)
    drawn, chance = Counter[str](), dict[str, float]()
    for first in range(0, 20_000, 1_000):
        for one in users.take(views(first)).recommendations.values():
            for item in one["items"]:
                if item["item_id"].startswith("new-"):
                    drawn[item["item_id"]] += 1
                    chance[item["item_id"]] = item.get("propensity", 1.0)
    assert sum(chance.values()) == pytest.approx(1)
    assert drawn.keys() == {f"new-{n}" for n in (0, 3, 4, 6, 7)}
    for name, times in drawn.items():
        assert times / drawn.total() == pytest.approx(chance[name], abs=0.08)


def test_met_items_make_room_for_new_ones_after_a_restart() -> None:
    wanted = params("full", Rules(), new_item_impressions=10_000)
    users = UsersSubtask(wanted, Clock())
    for item in ITEMS:  # before anything is known of their events, as a restored worker is told
        describe(users, item, categories=["liked"])
    describe(users, "novel", categories=["liked"])
    for records in cut(LOG, [300] * 10):
        users.take(records)
    found = flat(users.take(views(1_000))) + flat(users.take(views(2_000)))
    assert found.count("novel") >= 20


def test_who_likes_nothing_yet_gets_new_items_of_any_category_that_is_shown() -> None:
    users = taught(params("full", Rules(hide=("category=adult",)), new_item_impressions=10_000))
    describe(users, "no", categories=["adult"])
    for n in range(3):
        describe(users, f"yes-{n}", categories=[f"c{n}"])
    found = flat(users.take(views(1_000)))
    assert {f"yes-{n}" for n in range(3)} <= set(found)
    assert "no" not in found


def test_users_of_several_scopes_in_one_micro_batch() -> None:
    users = taught(params("full", Rules()))
    for item in ITEMS[:30]:
        describe(users, item, scope="de" if item in ITEMS[:15] else "fr")
    mixed = [
        event(f"guest-{n}", f"item-{n % 7}", at=NOW + 5, scope=("de", "fr", None)[n % 3])
        for n in range(99)
    ]
    found = users.take(in_order(mixed, first=150_000)).recommendations
    for n in range(99):
        shown = {item["item_id"] for item in found[f"guest-{n}"]["items"]}
        others = (ITEMS[15:30], ITEMS[:15], ITEMS[:30])[n % 3]
        assert not shown & set(others)


def test_new_items_are_shown_to_whom_their_category_suits() -> None:
    users = taught(params("full", Rules(), new_item_impressions=50))
    best = Counter(flat(users.take(views(0))))
    for item in ITEMS:
        describe(users, item, categories=["liked" if best[item] else "other"])
    describe(users, "novel", categories=["liked"])
    describe(users, "odd", categories=["never seen"])
    found = users.take(views(1_000)).recommendations
    places = [
        (at, item)
        for one in found.values()
        for at, item in enumerate(one["items"])
        if item["item_id"] == "novel"
    ]
    assert len(places) == 50  # as many as are promised, and no more
    assert {at for at, _ in places} == {2}
    assert all(item["reason"] == "new" and item.get("propensity", 1) == 1 for _, item in places)
    assert all(len(one["items"]) == 5 for one in found.values())
    later = flat(users.take(views(2_000)))
    assert "novel" not in later


def test_a_new_item_keeps_to_the_rules_too() -> None:
    users = taught(params("full", Rules(most_per_category=2), new_item_impressions=1_000))
    named = {*ITEMS, "novel", "other"}
    for item in named:
        describe(users, item, categories=["all"])
    assert {len(named & set(one)) for one in lists(users.take(views(1_000)))} == {2}


def test_what_is_unavailable_or_met_is_no_newcomer() -> None:
    users = taught(params("full", Rules(hide=("category=adult",)), new_item_impressions=50))
    for item in ITEMS:
        describe(users, item, categories=["liked"])
    describe(users, "gone", categories=["liked"], available=False)
    describe(users, "hidden", categories=["liked", "adult"])
    describe(users, "deleted", categories=["liked"])
    users.hear_as("model_updates", availability.key_of("deleted"), availability.GONE)
    describe(users, "met", categories=["liked"])
    users.take(in_order([event(f"fan-{n}", "met", at=NOW) for n in range(6)], first=50_000))
    reasons = [
        (item["item_id"], item["reason"])
        for one in users.take(views(1_000)).recommendations.values()
        for item in one["items"]
    ]
    assert not {"gone", "hidden", "deleted"} & {name for name, _ in reasons}
    assert all(name != "met" or reason != "new" for name, reason in reasons)


def test_more_descriptions_than_items_are_counted_and_not_kept() -> None:
    limited = of_objective(objective="full", item_limit=10)
    users = UsersSubtask(learn_users(learning=limited), Clock())
    for n in range(150):
        describe(users, f"item-{n}", categories=["a"], available=n != 149)
    kept = users.savepoint().broadcast["loop-v1"]
    assert users.function._inbox.skipped["model_updates"] == 50
    assert sum(name.startswith("described/") for name in kept) == 100
    assert "unavailable/item-149" in kept
    for n in range(100):
        describe(users, f"item-{n}", title="nothing else")
    assert not any(n.startswith("described/") for n in users.savepoint().broadcast["loop-v1"])


@pytest.mark.parametrize(
    "value",
    [b'{"categories": 5, "available": false}', b'{"scope": [], "available": false}',
     b' {"attributes": [1], "available": false}',
     b'{"available" : false, "title": "\\ud800"}',
     b'{"attributes": {"a": ' + 5_000 * b"[" + 5_000 * b"]" + b'}, "available":false}'],
)  # fmt: skip
def test_a_description_with_a_fault_still_says_whether_an_item_is_there(value: bytes) -> None:
    said = availability.decode(b"catalog/tea", value)
    assert not said.available
