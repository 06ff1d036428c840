"""Private counts: no window counts a user for more than its bound, whatever is sent and when."""

import random
from collections import defaultdict
from dataclasses import replace

import pytest

from tests.builders import MINUTE, NOW, Record, event, in_order, learn_users, learning
from tests.harness import Clock, UsersSubtask

WINDOW, LATENESS, MOST = 3 * MINUTE, MINUTE, 3
USERS = ("ann", "bob", "cid")


def subtask(recent: int = 8, lateness: int = 1_000, most: int | None = MOST) -> UsersSubtask:
    made = learning()
    users = replace(made.users, recent_events=recent, lateness_ms=lateness)
    return UsersSubtask(
        learn_users(
            learning=replace(made, users=users),
            counted_items=most,
            trending_window_ms=WINDOW,
            trending_lateness_ms=LATENESS,
            user_ttl_ms=WINDOW + LATENESS + 1,
        ),
        Clock(),
    )


class Hostile:
    """A user who sends whatever may be counted twice; items are named after their user."""

    def __init__(self, user: str, chance: random.Random) -> None:
        self.user, self.chance, self.sent = user, chance, 0

    def records(self, now_ms: int) -> list[Record]:
        """Return events of one micro-batch: many or few, of any times, types and items."""
        many = self.chance.choice((0, 1, 1, 2, 5, 12, 40))
        style = self.chance.choice(("now", "lag", "any", "old", "future", "one", "idle"))
        kinds = ("view", "purchase", "like", "dislike", "remove", "impression")
        sent = []
        for _ in range(many):
            self.sent += 1
            at = {
                "now": now_ms,
                "lag": now_ms - self.chance.randrange(LATENESS + 2),
                "any": now_ms - self.chance.randrange(3 * WINDOW),
                "old": now_ms - 100 * WINDOW + self.sent,
                "future": now_ms + self.chance.randrange(10 * WINDOW),
                "one": NOW,
                "idle": now_ms - self.chance.randrange(LATENESS),
            }[style]
            item = self.chance.choice((self.sent, self.chance.randrange(6)))
            kind = self.chance.choice(kinds if style != "idle" else kinds[3:])
            name = f"{self.user}-{item}"
            record = event(self.user, name, kind, at=at, event_id=f"{self.user}/{self.sent}")
            sent.append(replace(record, published=now_ms))
        return sent


@pytest.mark.parametrize("lateness", [0, 1_000, 2 * MINUTE])
@pytest.mark.parametrize("recent", [2, 8, 24])
@pytest.mark.parametrize("seed", range(3))
def test_no_window_counts_a_user_more_than_the_bound(seed: int, recent: int, lateness: int) -> None:
    chance = random.Random(f"{seed} {recent} {lateness}")
    users, offset = subtask(recent, lateness), 0
    hostile = [Hostile(name, chance) for name in USERS]
    found: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for _ in range(120):
        users.idle(chance.choice((0, 1, 1_000, 20_000, 50_000, WINDOW // 2, WINDOW + LATENESS)))
        now_ms = users.clock.now_ms
        batch = [record for user in hostile for record in user.records(now_ms)]
        chance.shuffle(batch)
        if not batch:
            continue
        row = users.take(in_order(batch, first=offset)).row
        offset += len(batch)
        for item in row.trending:
            assert row.event_time == now_ms
            found[item.partition("-")[0]].append((row.event_time, item))
    assert min(len(found[user]) for user in USERS) >= 3
    for counts in found.values():
        for begin, _ in counts:
            one = [item for at, item in counts if begin <= at < begin + WINDOW]
            assert len(one) <= MOST
            assert len(set(one)) == len(one)


def test_who_names_few_items_is_counted_for_each_once() -> None:
    users = subtask(recent=64)
    first = [event("ann", item, at=NOW - n) for n, item in enumerate("abcab")]
    assert sorted(users.take(in_order(first)).row.trending) == ["a", "b", "c"]
    later = [event("ann", "d", at=NOW + 1_000), event("bob", "d", at=NOW + 1_000)]
    users.clock.now_ms = NOW + 1_000
    assert users.take(in_order(later, first=5)).row.trending == ["d"]
    users.clock.now_ms = NOW + WINDOW + LATENESS + 2_000
    again = event("ann", "e", at=users.clock.now_ms)
    assert users.take(in_order([again], first=7)).row.trending == ["e"]


def test_what_others_send_decides_neither_what_counts_nor_when() -> None:
    mine = [event("ann", item, at=NOW - 30_000) for item in "ab"]
    others = [event(f"u{n}", "x", at=NOW + n) for n in range(200)]
    alone = subtask().take(in_order(mine)).row
    among = subtask().take(in_order([*others[:100], *mine, *others[100:]])).row
    assert list(alone.trending) == ["a", "b"]
    assert [item for item in among.trending if item != "x"] == ["a", "b"]
    assert list(among.trending).count("x") == 200
    assert alone.event_time == among.event_time == NOW


def test_users_without_a_past_are_not_ranked_popular_items_by_raw_counts() -> None:
    """Their lists hold what is trending, and nothing until something is."""
    for most, expected in ((MOST, []), (None, ["tea"])):
        users = subtask(most=most)
        users.take(in_order([event("ann", "tea")]))
        learned = users.take(in_order([event("zoe", "ham")], first=1))
        listed = learned.recommendations["zoe"]["items"]
        assert [one["item_id"] for one in listed] == expected


def test_what_is_old_by_the_clock_does_not_count() -> None:
    learned = subtask().take(in_order([event(at=NOW - LATENESS - 1)]))
    assert list(learned.row.trending) == []
