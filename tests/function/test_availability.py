"""Items that the catalogue calls unavailable: in no list, also after a restart."""

import numpy as np
import pytest

from models.items.table import Items
from models.keys import key_of
from models.params.transitions import TransitionParams
from models.ranking import model as ranking
from state.topics import availability
from tests.builders import NOW, OBJECTIVES, behaviour, cut, event, in_order, learn_users, learning
from tests.harness import Clock, Learned, UsersSubtask

LOG = behaviour(3_000, users=100, items=60)


def worker(name: str = "full", restored: UsersSubtask | None = None) -> UsersSubtask:
    state = restored.savepoint() if restored else None
    return UsersSubtask(learn_users(learning=learning(objective=name)), Clock(), state)


def say(users: UsersSubtask, item: str, value: bytes) -> None:
    users.hear_as("model_updates", availability.key_of(item), value)


def kept(users: UsersSubtask) -> dict[str, bytes]:
    return users.savepoint().broadcast.get("loop-v1", {})


def listed(learned: Learned) -> list[str]:
    found = learned.recommendations.values()
    return [item["item_id"] for one in found for item in one["items"]]


def most_listed(users: UsersSubtask) -> str:
    seen: list[str] = []
    for records in cut(LOG, [300] * 10):
        seen = listed(users.take(records))
    return max(set(seen), key=seen.count)


def shown_to_all(users: UsersSubtask, first: int) -> set[str]:
    """What somebody new and everybody known is recommended after a view."""
    views = [event(f"user-{n}", "item-1", at=NOW + first) for n in range(100)]
    return set(listed(users.take(in_order([event(f"new-{first}", "unheard-of"), *views],
                                          first=100_000 + first))))  # fmt: skip


@pytest.mark.parametrize("name", OBJECTIVES)
def test_an_unavailable_item_is_in_no_list_until_it_is_there_again(name: str) -> None:
    users = worker(name)
    item = most_listed(users)
    assert item in shown_to_all(users, 0)
    say(users, item, availability.GONE)
    assert item not in shown_to_all(users, 1_000)
    again = worker(name, restored=users)
    for one in (users, again):
        assert item not in shown_to_all(one, 2_000)
        say(one, item, availability.THERE)
    assert item in shown_to_all(users, 3_000)
    # a restored worker knows no items until the loop says them again
    assert kept(users) == kept(again)


def test_the_short_way_to_the_best_items_leaves_it_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "SHORT_FROM", 1)
    users = worker("ranking")
    item = most_listed(users)
    assert item in shown_to_all(users, 0)
    say(users, item, availability.GONE)
    assert item not in shown_to_all(users, 1_000)


def test_all_but_a_few_may_be_unavailable() -> None:
    users = worker()
    most_listed(users)
    there = {"item-3", "item-4"}
    for n in range(100):
        if f"item-{n}" not in there:
            say(users, f"item-{n}", availability.GONE)
    assert shown_to_all(users, 0) <= there | {"unheard-of"}


def test_an_item_that_is_not_known_yet_is_unavailable_from_its_first_event() -> None:
    users = worker()
    say(users, "later", availability.GONE)
    again = worker(restored=users)
    for one in (users, again):
        views = [event(f"u{n}", "later", at=NOW + n) for n in range(50)]
        one.take(in_order(views))
        assert "later" not in listed(one.take(in_order([event("v", "tea")], first=100)))
        say(one, "later", availability.THERE)
        assert "later" in listed(one.take(in_order([event("w", "tea")], first=200)))


def test_items_that_lose_their_row_and_get_it_again_stay_unavailable() -> None:
    items = Items(factors=4, transitions=TransitionParams(), limit=8, seed=1)
    for n in range(4):
        items.set_available(n, available=False)
    for _ in range(3):
        for begin in (0, 8, 16):
            keys = np.arange(begin, begin + 8, dtype=np.uint64)
            items.make_room(keys, known=True)
            items.rows(keys)
            found = dict(zip(items.keys.tolist(), items.arrays.unavailable.tolist(), strict=False))
            assert all(gone == (key < 4) for key, gone in found.items())
    assert items.evicted >= 8


@pytest.mark.parametrize(
    ("key", "value"),
    [(b"catalog/", b"0"), (b"catalog/\xff", b"0"), (b"catalog/tea", b""), (b"catalog/tea", b"2")],
)
def test_records_that_mean_nothing_are_skipped(key: bytes, value: bytes) -> None:
    users = worker()
    before = kept(users)
    users.hear_as("model_updates", key, value)
    assert users.function._inbox.skipped == {"model_updates": 1}
    assert kept(users) == before


def test_only_what_is_unavailable_is_kept() -> None:
    users = worker()
    for n in range(50):
        say(users, f"item-{n}", availability.THERE)
    say(users, "tea", availability.GONE)
    say(users, "tea", availability.GONE)
    assert kept(users) == {"unavailable/tea": availability.GONE}
    say(users, "tea", availability.THERE)
    assert kept(users) == {}
    assert key_of("tea") not in users.function._pipeline.items._unavailable
