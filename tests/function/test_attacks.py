"""What one user, ten or a hundred can do to what others are recommended.

All attack at once, each for an item of its own, after a day of honest behaviour. How many honest
users' lists they reach is printed by `python -m tests.function.test_attacks`, for the table in
tests/attacks.md.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

from models.params.ranking import MODELS
from models.params.users import UserParams
from models.popularity.levels import levels
from operators.learn_items.authority import ItemAuthority
from tests.builders import (
    DAY,
    HOUR,
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
from tests.harness import Clock, UsersSubtask

TYPES = ("view", "click", "favorite", "add_to_cart", "purchase")
EVENTS, ASKED = 16_000, 400
FIVE_MINUTES = 300_000
ATTACKS = ("turns", "spread", "one", "ten", "straight", "bought", "all-hot")


def said(bot: str, steps: list[tuple[str, str, int]]) -> list[Record]:
    """Return a bot's events: item, type and time."""
    return [
        event(bot, item, kind, at, event_id=f"{bot}-{n}")
        for n, (item, kind, at) in enumerate(steps)
    ]


def in_turn(bot: str, items: int = 65, events: int = 13_000) -> list[Record]:
    """Return views of more items than are remembered, one after the other, 2 ms apart."""
    turns = [(f"{bot}-{n % items}", "view", NOW - 40_000 + 2 * n) for n in range(events)]
    return said(bot, turns)


def spread(bot: str, events: int = 1_000) -> list[Record]:
    """Return views of one item whose times are six hours apart, sent at once."""
    return said(bot, [(bot, "view", NOW - (events - n) * 6 * HOUR) for n in range(events)])


def beside(bot: str, target: str, hot: list[str]) -> list[Record]:
    """Return views of hot items, after each four of them the target by another type of event."""
    steps: list[tuple[str, str, int]] = []
    for n, item in enumerate(hot[:20]):
        steps.append((item, "view", NOW - 10_000 + 24 * n))
        if n % 4 == 3:
            steps.append((target, TYPES[n // 4], NOW - 10_000 + 24 * n + 12))
    return said(bot, steps)


def straight(bot: str, target: str, hot: list[str]) -> list[Record]:
    """Return ten hot items, then the target by the strongest type of event."""
    steps = [(item, "view", NOW - 9_000 + 10 * n) for n, item in enumerate(hot[9::-1])]
    return said(bot, [*steps, (target, "purchase", NOW - 8_000)])


def bought(bot: str, hot: list[str], events: int = 200) -> list[Record]:
    """Return the hottest item and then the target, again and again, times six hours apart."""
    steps: list[tuple[str, str, int]] = []
    for n in range(events // 2):
        at = NOW - (events // 2 - n) * 6 * HOUR
        steps += [(hot[0], "view", at), (bot, "purchase", at + 1_000)]
    return said(bot, steps)


def all_hot(bot: str, hot: list[str], events: int = 200) -> list[Record]:
    """Return hot items in turn, after each the target, by all types of events."""
    steps: list[tuple[str, str, int]] = []
    for n in range(events // 2):
        at = NOW - 20_000 + 20 * n
        steps += [(hot[n % 20], "view", at), (bot, TYPES[n % 5], at + 10)]
    return said(bot, steps)


@dataclass(frozen=True)
class Reached:
    """What the attacks came to."""

    lists: dict[str, float]
    """Share of honest users' lists with the target of each attack."""
    first: list[str]
    """Authoritative items, the most popular first."""
    guest: list[str]
    """What a user without a past is recommended."""
    hit_rate: float
    """Of the honest events."""


@cache
def attacked(model: str, *, hundred: bool = False) -> Reached:
    """Let a day go by, and then all attacks, or that of a hundred users."""
    told = learning(users=UserParams(), ranking=MODELS[model], item_limit=100_000)
    params = learn_users(learning=told, k=10, evaluation_k=10, deep=False)
    users, made = (
        UsersSubtask(params, Clock()),
        ItemAuthority(learn_items(learning=told, keys=(7,))),
    )
    made.open(0, [])
    honest = behaviour(EVENTS, users=1_000, items=480)
    hits = scored = 0.0
    for records in cut(honest, [200] * EVENTS):
        learned = users.take(records)
        made.learn(0, learned.messages)
        hits += learned.metrics["hits"]
        scored += learned.metrics["scored"]
    counted = Counter(json.loads(record.value or b"")["item_id"] for record in honest)
    hot = [item for item, _ in counted.most_common(20)]
    attacks = [
        *in_turn("turns"),
        *spread("spread"),
        *beside("one", "one", hot),
        *(one for bot in range(10) for one in beside(f"ten{bot}", "ten", hot)),
        *(one for bot in range(10) for one in straight(f"straight{bot}", "straight", hot)),
        *bought("bought", hot),
        *all_hot("all-hot", hot),
    ]
    if hundred:
        attacks = [one for bot in range(100) for one in beside(f"hundred{bot}", "hundred", hot)]
    for records in cut(in_order(attacks, first=EVENTS), [200] * EVENTS):
        made.learn(0, users.take(records).messages)
    lists = dict.fromkeys(("hundred",) if hundred else ATTACKS, 0)
    asked, first = [*dict.fromkeys(record.key for record in honest)], EVENTS + len(attacks)
    chosen = np.random.default_rng(5).permutation(len(asked))[:ASKED].tolist()
    ask = [event((asked[n] or b"").decode(), "ask", "impression", NOW - 500) for n in chosen]
    for found in users.take(in_order(ask, first=first)).recommendations.values():
        listed = {item["item_id"].rsplit("-", 1)[0] for item in found["items"]}
        listed |= {item["item_id"] for item in found["items"]}
        for name in lists:
            lists[name] += name in listed
    guest = users.take(in_order([event("guest", "new", at=NOW - 400)], first=first + ASKED))
    items = made._items
    return Reached(
        {name: reached / ASKED for name, reached in lists.items()},
        [items.ids[row] or "" for row in np.argsort(-levels(items.arrays)).tolist()],
        [item["item_id"] for item in guest.recommendations["guest"]["items"]],
        hits / scored,
    )


@pytest.mark.parametrize("model", ["full", "light"])
@pytest.mark.parametrize("attack", ["turns", "spread", "one", "bought", "all-hot"])
def test_one_user_reaches_hardly_a_list(model: str, attack: str) -> None:
    assert attacked(model).lists[attack] <= 0.01


@pytest.mark.parametrize("model", ["full", "light"])
@pytest.mark.parametrize("attack", ["ten", "straight"])
def test_ten_users_of_a_thousand_reach_few(model: str, attack: str) -> None:
    assert attacked(model).lists[attack] <= 0.05


@pytest.mark.parametrize("model", ["full", "light"])
def test_one_user_leads_no_list_by_turns_or_invented_times(model: str) -> None:
    bots = ("turns", "spread", "bought", "all-hot")
    found = attacked(model)
    assert not [item for item in found.first[:20] if item.startswith(bots)]
    assert not [item for item in found.guest if item.startswith(bots)]


def junk(events: int, each: int) -> Iterator[Record]:
    """Return one user's events on ids that nobody knows."""
    for n in range(events):
        yield from (
            event("junk", f"junk-{n}", kind, NOW - 10_000 + n, event_id=f"junk-{n}-{kind}")
            for kind in TYPES[:each]
        )


@pytest.mark.parametrize(("admission", "each"), [(1, 1), (3, 3)])
def test_ids_that_one_user_makes_up_push_out_next_to_nothing(admission: int, each: int) -> None:
    limit = 450
    told = learning(users=UserParams(), item_limit=limit, admission=admission)
    users = UsersSubtask(learn_users(learning=told), Clock())
    month = [
        event(f"u{n % 97}", f"item-{(n * n + n // 7) % 400}", at=NOW - 30 * DAY + n * FIVE_MINUTES)
        for n in range(8_000)
    ]
    for records in cut(in_order(month), [200] * 40):
        users.take(records)
    items = users.function._pipeline.items
    known = {id_ for id_, n in zip(items.ids, items.count.tolist(), strict=True) if n > 1}
    assert len(known) > 200
    for records in cut(in_order(junk(4_000, each), first=8_000), [200] * 100):
        users.take(records)
    left = set(items.ids)
    assert len(known - left) <= limit // 32
    made_up = [id_ for id_ in left if (id_ or "").startswith("junk")]
    assert bool(made_up) == (admission == 1)


if __name__ == "__main__":
    for name in ("full", "light"):
        found = attacked(name)
        print(name, f"HR@10 {found.hit_rate:.4f}", found.lists, attacked(name, hundred=True).lists)
