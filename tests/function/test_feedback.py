"""Impressions joined with what users do next: each has exactly one outcome."""

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from models.params.events import EventPolicy
from models.params.feedback import FeedbackParams
from models.params.rating import KalmanParams
from models.params.slate import Arm, SlateParams
from state.keyed.descriptors import feedback_entry
from state.users import feedback as feedback_state
from tests.builders import DAY, HOUR, NOW, Record, behaviour, cut, event, learn_users, learning
from tests.harness import Clock, Learned, UsersSubtask

FEEDBACK = FeedbackParams(rewards={"click": 0.2, "view": 0.2, "purchase": 1.0})
PLAIN = SlateParams()
OVER = FEEDBACK.window_ms + FEEDBACK.lateness_ms
LOG = behaviour(600, users=30, items=40)
KINDS = ("total", "arms", "positions", "reasons", "models")


def _time(record: Record) -> int:
    """When a record happened, and so when it arrived, unless a test says otherwise."""
    at: int = msgspec.json.decode(record.value or b"{}", type=Timed).timestamp
    return at


class Timed(msgspec.Struct):
    timestamp: int = 0


class Shop:
    """A worker with feedback, whose offsets go on."""

    def __init__(
        self,
        params: FeedbackParams = FEEDBACK,
        restored: "Shop | None" = None,
        slate: SlateParams = PLAIN,
    ) -> None:
        state = restored.users.savepoint() if restored else None
        clock = Clock(restored.users.clock.now_ms if restored else NOW + DAY)
        self.users = UsersSubtask(learn_users(feedback=params, slate=slate), clock, state)
        self.offset = restored.offset if restored else 0
        self.outcomes: list[dict[str, Any]] = []
        self.loop = [*restored.loop] if restored else []
        self.users.receive(*self.loop)
        self.learned: Learned
        self.counts: dict[str, Any] = {}

    def send(self, *records: Record) -> list[dict[str, Any]]:
        placed = [
            replace(one, offset=self.offset + n, published=max(one.published, _time(one)))
            if one.published == NOW
            else replace(one, offset=self.offset + n)
            for n, one in enumerate(records)
        ]
        self.offset += len(records)
        self.learned = self.users.take(placed)
        self.loop += self.learned.messages
        for record in self.learned.row.accounting:
            if record.k == b"feedback/0":
                self.counts = json.loads(record.v)
        return self._note(self.learned.row.feedback)

    def wait(self, milliseconds: int) -> list[dict[str, Any]]:
        return self._note([f for one in self.users.idle(milliseconds) for f in one.row.feedback])

    def _note(self, records: list[Any]) -> list[dict[str, Any]]:
        found = [json.loads(one.v) for one in records]
        assert [one.k.decode() for one in records] == [one["rec_id"] for one in found]
        self.outcomes += found
        return found

    def recommend(self, user: str = "anna", at: int = NOW) -> dict[str, Any]:
        self.send(event(user, "item-1", "view", at))
        return self.learned.recommendations[user]


def shop(params: FeedbackParams = FEEDBACK, slate: SlateParams = PLAIN) -> Shop:
    found = Shop(params, slate=slate)
    for records in cut(LOG, [200] * 3):
        found.send(*records)
    return found


def shown(rec: dict[str, Any], place: int = 0, at: int = NOW, **more: Any) -> Record:
    item = rec["items"][place]["item_id"] if isinstance(place, int) else place
    fields = {"rec_id": rec["rec_id"], "position": place + 1, "event_id": None} | more
    return event(rec["user_id"], item, "impression", at, **fields)


def item(rec: dict[str, Any], place: int = 0) -> str:
    found: str = rec["items"][place]["item_id"]
    return found


def test_an_impression_with_the_greatest_reward_is_decided_at_once() -> None:
    one = shop()
    rec = one.recommend()
    assert one.send(shown(rec, 1, NOW + 1_000)) == []
    (found,) = one.send(event("anna", item(rec, 1), "purchase", NOW + 5_000))
    assert found == {
        "rec_id": rec["rec_id"],
        "item_id": item(rec, 1),
        "position": 2,
        "reason": rec["items"][1]["reason"],
        "model_version": rec["model_version"],
        "arm": "",
        "propensity": 1.0,
        "shown_at": NOW + 1_000,
        "action": "purchase",
        "reward": 1.0,
        "delay_ms": 4_000,
    }


def test_a_lesser_action_waits_for_a_better_one_until_the_window_is_over() -> None:
    one = shop()
    rec = one.recommend()
    one.send(*(shown(rec, n, NOW + 1_000) for n in range(3)))
    one.send(event("anna", item(rec, 0), "click", NOW + 2_000))
    one.send(event("anna", item(rec, 1), "click", NOW + 2_000))
    (bought,) = one.send(event("anna", item(rec, 1), "purchase", NOW + 3_000))
    assert bought["action"] == "purchase"
    assert one.send(event("anna", "other", "view", NOW + OVER)) == []
    found = one.send(event("anna", "other", "view", NOW + OVER + 1_002))
    assert {(one["item_id"], one["action"], one["delay_ms"]) for one in found} == {
        (item(rec, 0), "click", 1_000),
        (item(rec, 2), None, None),
    }


def test_what_comes_out_of_order_counts_by_event_time() -> None:
    one = shop()
    rec = one.recommend()
    one.send(event("anna", item(rec, 0), "purchase", NOW + 5_000))
    (found,) = one.send(shown(rec, 0, NOW + 1_000))
    assert found["action"] == "purchase"
    one.send(event("anna", item(rec, 1), "purchase", NOW + 5_000))
    assert one.send(shown(rec, 1, NOW + 6_000)) == []


def test_an_action_counts_for_one_impression_only_the_newest_before_it() -> None:
    one = shop()
    first, second = one.recommend(), one.recommend(at=NOW + 1)
    common = {i["item_id"] for i in first["items"]} & {i["item_id"] for i in second["items"]}
    both = sorted(common)[0]
    places = [[i["item_id"] for i in r["items"]].index(both) for r in (first, second)]
    one.send(shown(first, places[0], NOW + 1_000), shown(second, places[1], NOW + 2_000))
    (found,) = one.send(event("anna", both, "purchase", NOW + 3_000))
    assert found["rec_id"] == second["rec_id"]
    found = one.send(event("anna", "other", "view", NOW + OVER + 9_000))
    assert [(one["rec_id"], one["action"]) for one in found] == [(first["rec_id"], None)]


def test_every_impression_has_one_fate_and_is_counted() -> None:
    one = shop()
    rec, other = one.recommend(), one.recommend("ben")
    one.send(
        shown(rec, 0, event_id="a"),
        shown(rec, 0, event_id="b"),
        event("anna", item(other), "impression", rec_id=other["rec_id"], event_id="c"),
        event("anna", "never-listed", "impression", rec_id=rec["rec_id"], event_id="d"),
        event("anna", item(rec), "impression", event_id="e"),
        event("anna", item(rec), "impression", rec_id=7, event_id="f"),
        event("anna", item(rec), "impression", rec_id="x" * 32, event_id="g"),
        shown(rec, 1, position=0, event_id="h"),
        shown(rec, 1, position=10**9, event_id="i"),
        shown(rec, 1, position="top", event_id="j"),
        event("anna", item(rec), "impression", rec_id=rec["rec_id"][:16] + "0" * 16, event_id="k"),
        shown(rec, 1, position=None, event_id="l"),
    )
    assert one.learned.codes == []
    one.users.clock.now_ms += 5_000
    one.send(event("anna", "x", "view", NOW + 10))
    assert one.counts["impressions"] == {
        "joined": 2,
        "repeated": 1,
        "foreign": 1,
        "unlisted": 1,
        "without_list": 1 + sum(json.loads(r.value)["event_type"] == "impression" for r in LOG),
        "unreadable": 5,
        "expired": 1,
    }


def test_a_quiet_bucket_decides_by_the_clock_also_after_a_restart() -> None:
    one = shop()
    rec = one.recommend()
    one.send(shown(rec, 0), shown(rec, 1))
    assert one.wait(OVER - 1_000) == []
    again = Shop(restored=one)
    # what is read late after an outage must still count: the time runs from the restart
    assert again.wait(OVER - 1_000) == []
    (bought,) = again.send(event("anna", item(rec, 0), "purchase", NOW + 1_000))
    assert bought["action"] == "purchase"
    found = again.wait(2 * OVER)
    assert [(one["item_id"], one["action"]) for one in found] == [(item(rec, 1), None)]
    assert again.wait(2 * OVER) == []
    assert not any(timer[0] < again.users.clock.now_ms for timer in again.users.state.timers)


def test_one_user_with_a_fast_clock_ends_nobody_elses_window() -> None:
    one = shop()
    rec = one.recommend()
    one.send(shown(rec, 0))
    assert one.send(event("ben", "tea"), event("liar", "tea", "view", NOW + DAY)) == []
    (bought,) = one.send(event("anna", item(rec, 0), "purchase", NOW + 1_000))
    assert bought["action"] == "purchase"


def test_partitions_are_read_at_their_own_pace() -> None:
    one = shop()
    rec = one.recommend()
    one.send(shown(rec, 0))
    ahead = [event(name, "tea", "view", NOW + HOUR) for name in ("ben", "cat", "dan")]
    assert one.send(*(replace(record, partition=1) for record in ahead)) == []
    found = one.send(*(event(name, "cup", "view", NOW + HOUR) for name in ("ben", "cat", "dan")))
    assert [one["action"] for one in found] == [None]


def test_a_forgotten_user_leaves_no_entry() -> None:
    one = shop()
    rec = one.recommend()
    one.send(shown(rec, 0))
    assert feedback_entry("anna") in one.users.remembered()
    assert [found["action"] for found in one.wait(40 * DAY)] == [None]
    assert not any("anna" in name for name in one.users.remembered())


def test_an_impression_is_no_reason_for_another_list() -> None:
    one = shop()
    rec = one.recommend()
    one.send(shown(rec, 0), event("ben", "tea"))
    assert one.learned.recommendations.keys() == {"ben"}


def test_without_feedback_nothing_is_kept() -> None:
    users = UsersSubtask(learn_users(), Clock())
    for records in cut(LOG, [200] * 3):
        assert not users.take(records).row.feedback
    assert not any(name.startswith(" feedback") for name in users.remembered())


def test_rewards_grow_with_the_value() -> None:
    params = replace(FEEDBACK, value_types=frozenset({"purchase"}), value_cap=7.0)
    one = shop(params)
    rec = one.recommend()
    one.send(*(shown(rec, n) for n in range(4)))
    prices = [1.0, 3.0, None, 10**6]
    for n, price in enumerate(prices):
        one.send(event("anna", item(rec, n), "purchase", NOW + 1_000, value=price))
    one.send(event("anna", "x", "view", NOW + OVER + 1))
    rewards = {found["item_id"]: found["reward"] for found in one.outcomes}
    assert [rewards[item(rec, n)] for n in range(4)] == [1.0, 2.0, 1.0, 3.0]


class Reference:
    """Outcomes of impressions found from a whole log, each looked at on its own."""

    def __init__(self, params: FeedbackParams) -> None:
        self.params = params
        self.shown: list[dict[str, Any]] = []

    def show(self, rec: dict[str, Any], place: int, at: int) -> None:
        self.shown.append({"rec": rec["rec_id"], "item": item(rec, place), "at": at, "best": None})

    def act(self, name: str, kind: str, at: int) -> None:
        """Give an action to the newest undecided impression of the item before it."""
        reward, window = self.params.rewards[kind], self.params.window_ms
        fits = [s for s in self.shown if s["item"] == name and 0 <= at - s["at"] <= window]
        fits = [s for s in fits if s["best"] is None or s["best"][0] < self.params.greatest]
        if fits:
            newest = max(fits, key=lambda s: s["at"])
            newest["best"] = max(filter(None, (newest["best"], (reward, -at, kind))))

    def outcomes(self) -> Counter[tuple[Any, ...]]:
        return Counter((s["rec"], s["item"], s["best"] and s["best"][2]) for s in self.shown)


@pytest.mark.parametrize("seed", range(4))
def test_any_walk_with_restarts_gives_each_impression_its_one_outcome(seed: int) -> None:
    random = np.random.default_rng(seed)
    params = replace(FEEDBACK, lists=100)
    one, reference = shop(params), Reference(params)
    outcomes: list[dict[str, Any]] = []
    at, waiting = NOW, list[tuple[dict[str, Any], int]]()
    for step in range(150):
        at += int(random.integers(1, 120_000))
        match random.integers(6):
            case 0:
                rec = one.recommend(at=at)
                reference.act("item-1", "view", at)
                waiting = [(rec, n) for n in range(len(rec["items"]))]
                random.shuffle(waiting)
            case 1 | 2 if waiting:
                rec, place = waiting.pop()
                one.send(shown(rec, place, at), shown(rec, place, at + 1, event_id=f"again-{step}"))
                reference.show(rec, place, at)
            case 3 | 4 if reference.shown:
                late = reference.shown[int(random.integers(len(reference.shown)))]
                kind = ["click", "view", "purchase"][int(random.integers(3))]
                one.send(event("anna", late["item"], kind, at))
                reference.act(late["item"], kind, at)
            case _:
                outcomes += one.outcomes
                one = Shop(params, restored=one)
    outcomes += one.outcomes
    one.outcomes = []
    one.send(event("anna", "x", "view", at + OVER + 1))
    outcomes += one.outcomes
    found = Counter((o["rec_id"], o["item_id"], o["action"]) for o in outcomes)
    assert sum(found.values()) > 20
    assert found == reference.outcomes()
    one.users.clock.now_ms += 5_000
    one.send(event("anna", "y", "view", at + OVER + 2))
    counts = one.counts
    assert counts["impressions"]["joined"] == counts["total"]["decided"] == len(outcomes)
    for name in KINDS[1:]:
        assert sum(cell["decided"] for cell in counts[name].values()) == len(outcomes)
        acted = sum(cell["acted"] for cell in counts[name].values())
        assert acted == sum(o["action"] is not None for o in outcomes)


ARMS = SlateParams(
    arms=(
        Arm(name="model", exploration=0.3),
        Arm(name="top", source="popular"),
        Arm(name="any", source="random"),
    )
)
PEOPLE = [f"p{n}" for n in range(60)]


def test_arms_and_propensities_go_from_the_list_to_the_outcome() -> None:
    one = shop(slate=ARMS)
    one.send(*(event(user, "item-1") for user in PEOPLE))
    lists = one.learned.recommendations
    one.send(*(shown(rec, n) for rec in lists.values() for n in range(len(rec["items"]))))
    one.wait(2 * OVER)
    assert len(one.outcomes) == sum(len(rec["items"]) for rec in lists.values())
    for found in one.outcomes:
        rec = next(rec for rec in lists.values() if rec["rec_id"] == found["rec_id"])
        (listed,) = [i for i in rec["items"] if i["item_id"] == found["item_id"]]
        assert found["arm"] == rec["arm"]
        assert found["reason"] == listed["reason"]
        assert found["propensity"] == pytest.approx(listed.get("propensity", 1.0))
    by_arm = {
        arm: [r for r in lists.values() if r["arm"] == arm] for arm in ("model", "top", "any")
    }
    assert all(len(found) > 5 for found in by_arm.values())
    assert {i["reason"] for rec in by_arm["top"] for i in rec["items"]} == {"popular"}
    assert {i["reason"] for rec in by_arm["any"] for i in rec["items"]} == {"explored"}
    drawn = [i for rec in by_arm["model"] for i in rec["items"] if i["reason"] == "explored"]
    ranked = [i for rec in by_arm["model"] for i in rec["items"] if i["reason"] != "explored"]
    assert 0.1 < len(drawn) / len(drawn + ranked) < 0.5
    assert {round(i["propensity"], 6) for i in ranked} == {0.7}
    assert "item-1" not in {i["item_id"] for rec in lists.values() for i in rec["items"]}


def test_what_was_ignored_moves_down_and_comes_back_in_time() -> None:
    params = replace(FEEDBACK, notes_ignored=True, ignored_half_life_ms=HOUR)
    one = shop(params, slate=SlateParams(arms=(Arm(ignored_weight=50.0),)))
    first = one.recommend()
    one.send(*(shown(first, n) for n in range(3)))
    second = one.recommend(at=NOW + OVER + 1)
    one.send(event("anna", item(first, 0), "impression", NOW + OVER + 2))
    third = one.recommend(at=NOW + OVER + 3)
    ignored = {item(first, n) for n in range(3)}
    assert not ignored & {i["item_id"] for i in third["items"]}
    again = Shop(params, one, slate=SlateParams(arms=(Arm(ignored_weight=50.0),)))
    assert not ignored & {i["item_id"] for i in again.recommend(at=NOW + OVER + 4)["items"]}
    later = again.recommend(at=NOW + DAY - 1)
    assert ignored & {i["item_id"] for i in later["items"]}
    assert second["rec_id"] != third["rec_id"]


def test_hostile_values_spoil_no_sum() -> None:
    one = shop()
    rec = one.recommend()
    one.send(*(shown(rec, n) for n in range(5)))
    values = ["1e999", "1.7e308", "-5", "1e400", "1e300"]
    for n, value in enumerate(values):
        bought = event("anna", item(rec, n), "purchase", NOW + 1_000 + n, value=12345.25)
        one.send(replace(bought, value=bought.value.replace(b"12345.25", value.encode())))
    again = Shop(restored=one)
    again.users.clock.now_ms += 5_000
    again.send(event("anna", "x", "view", NOW + OVER))
    assert again.counts["total"]["decided"] == 5
    assert 0 <= again.counts["total"]["value"] <= 5e12


def test_partitions_that_lag_hold_outcomes_back() -> None:
    """The impression is of partition 0, the purchase of 1, which lags; both are active."""
    one = shop()
    rec = one.recommend()
    for partition in (0, 1):
        one.send(
            *(replace(event(u, "tea", at=NOW + partition), partition=partition) for u in "bcd")
        )
    far = [event(user, "cup", "view", NOW + HOUR) for user in "bcd"]
    assert one.send(shown(rec, 0), *far) == []
    late = replace(event("anna", item(rec, 0), "purchase", NOW + 4_000), partition=1)
    (found,) = one.send(late)
    assert found["action"] == "purchase"


def test_a_users_own_events_of_another_partition_end_no_window() -> None:
    one = shop()
    rec = one.recommend()
    ahead = replace(event("anna", "cup", "view", NOW + HOUR), partition=1)
    assert one.send(ahead, shown(rec, 0)) == []
    (found,) = one.send(event("anna", item(rec, 0), "purchase", NOW + 4_000))
    assert found["action"] == "purchase"


def test_two_hostile_clocks_end_no_window_of_old_input() -> None:
    """The job is behind: records arrived long ago, and two users claim to be in the present."""
    one = shop()
    rec = one.recommend()
    one.send(shown(rec, 0))
    bots = [event(name, "a", at=NOW + DAY) for name in ("bot-1", "bot-2")]
    assert one.send(*(replace(bot, published=NOW + 1) for bot in bots)) == []
    (found,) = one.send(event("anna", item(rec, 0), "purchase", NOW + 4_000))
    assert found["action"] == "purchase"


def test_an_item_that_was_clicked_in_another_list_is_not_ignored() -> None:
    params = replace(FEEDBACK, notes_ignored=True)
    one = shop(params)
    first, second = one.recommend(), one.recommend(at=NOW + 1)
    both = sorted({i["item_id"] for r in (first,) for i in r["items"]}
                  & {i["item_id"] for i in second["items"]})[0]  # fmt: skip
    places = [[i["item_id"] for i in r["items"]].index(both) for r in (first, second)]
    one.send(shown(first, places[0], NOW + 2), shown(second, places[1], NOW + 3))
    one.send(event("anna", both, "purchase", NOW + 4))
    one.send(event("anna", "x", "view", NOW + OVER + 10))
    assert len(one.outcomes) == 2
    kept = feedback_state.decode(one.users.remembered()[feedback_entry("anna")])
    assert kept.ignored == []


def test_a_list_made_twice_gives_no_impression_a_second_outcome() -> None:
    one = shop()
    rec = one.recommend()
    one.send(*(shown(rec, n, event_id=f"a{n}") for n in range(5)))
    one.send(*(event("anna", f"other-{n}", at=NOW + 1 + n) for n in range(70)))
    again = one.recommend()
    assert again["rec_id"] == rec["rec_id"]
    one.send(*(shown(again, n, event_id=f"b{n}") for n in range(len(again["items"]))))
    one.wait(2 * OVER)
    pairs = Counter((found["rec_id"], found["item_id"]) for found in one.outcomes)
    assert set(pairs.values()) == {1}


def test_nobody_is_evicted_before_their_impressions_are_decided() -> None:
    params = replace(FEEDBACK, window_ms=50 * DAY)
    one = shop(params)
    rec = one.recommend()
    one.send(shown(rec, 0))
    assert one.wait(45 * DAY) == []
    (found,) = one.wait(15 * DAY)
    assert found["action"] is None
    one.wait(40 * DAY)
    assert not any("anna" in name for name in one.users.remembered())


def test_what_waits_takes_room_for_those_who_wait_only() -> None:
    one = shop()
    rec = one.recommend()
    for n in range(1, 300):
        at = NOW + n * 75_000
        one.users.clock.now_ms += 75_000
        rec = one.recommend(at=at)
        one.send(shown(rec, 0, at + 1))
    deadlines = one.users.function._pipeline.feedback._buckets[0].deadlines
    assert len(deadlines._held) == 1
    assert len(deadlines._by_event) <= 80
    assert len(deadlines._quiet) <= 80


def test_without_an_experiment_lists_have_no_more_fields_than_before() -> None:
    one = shop()
    one.send(event("anna", "item-1"))
    (record,) = one.learned.row.recommendations
    assert b"propensity" not in record.v
    assert b"arm" not in record.v


def test_explored_ratings_are_predicted_in_their_own_scale() -> None:
    rating = replace(KalmanParams(history=8), lowest=0.0, highest=100.0)
    policy = EventPolicy(buckets=1, max_bytes=2_000, lowest_rating=0.0, highest_rating=100.0,
                         rating_centre=None)  # fmt: skip
    users = UsersSubtask(
        learn_users(
            policy=policy,
            learning=learning(objective="rating", rating=rating),
            slate=SlateParams(arms=(Arm(exploration=0.5),)),
        ),
        Clock(NOW + DAY),
    )
    ratings = [
        event(f"u{n % 20}", f"item-{n % 61}", "rating", NOW + n, value=50.0 + n % 40)
        for n in range(400)
    ]
    users.take([replace(one, offset=n) for n, one in enumerate(ratings)])
    last = [event(f"u{n}", "item-1", "rating", NOW + 900, value=60.0) for n in range(20)]
    found = users.take([replace(one, offset=1_000 + n) for n, one in enumerate(last)])
    scores = [
        i["score"]
        for rec in found.recommendations.values()
        for i in rec["items"]
        if i["reason"] == "explored"
    ]
    assert len(scores) > 10
    assert min(scores) > 20
