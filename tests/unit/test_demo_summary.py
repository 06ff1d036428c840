"""What a demonstration sums up, and what it objects to."""

import json

from scripts.tools.commands import demo_local
from scripts.tools.commands.demo_summary import Summary
from scripts.tools.kafka.observer import Seen
from state.topics.recommendation import Item, Recommendation, Session, Trigger


def recommendation(number, user, published):
    items = [Item("i", 1.0, "transition", "j")]
    trigger, session = Trigger("e", 0, published), Session(0, 1)
    return Recommendation(f"r{number}", user, 0, trigger, "online-ranking-1", session, items)


def summary(seen, users, ends, refused=()):
    return Summary(
        seen, 3, frozenset(users), ends, seconds=9.0, started=5.0, ready=2.0, refused=refused
    )


def seen_with(consumed):
    seen = Seen()
    counts = {"consumed": consumed, "accepted": consumed, "duplicate": 0, "late": 0}
    partitions = {"0": counts | {"rejected": 0, "next_offset": consumed}}
    record = {"kind": "accounting", "bucket": 0, "partitions": partitions}
    seen.metrics.take(b"accounting/0", json.dumps(record).encode())
    return seen


def test_freshness_is_the_age_of_what_was_triggered_after_the_start():
    seen = Seen(fresh_since_ms=100)
    seen.take(recommendation(1, "a", 50), 1_000)
    seen.take(recommendation(2, "a", 100), 160)
    assert seen.freshness() == (60.0, 60.0)


def test_a_recommendation_read_twice_is_counted():
    seen = Seen()
    for _ in range(2):
        seen.take(recommendation(1, "a", 0), 0)
    assert (seen.recommendations, seen.repeats) == (2, 1)


def test_a_demo_in_which_everything_adds_up_has_no_faults():
    seen = seen_with(3)
    seen.take(recommendation(1, "a", 0), 0)
    assert summary(seen, {"a"}, {0: (0, 3)}).faults() == []


def test_users_left_out_and_records_without_fate_are_faults():
    faults = summary(seen_with(2), {"a", "b"}, {0: (0, 3)}).faults()
    assert faults == [
        "partition 0: expected 3 records, got 2",
        "recommendations: expected some for 2 users, got none for 2",
    ]


def test_figures_without_a_value_are_left_out():
    names = {result.name for result in summary(seen_with(3), set(), {0: (0, 3)}).results()}
    assert "events.accepted" in names
    assert "quality.hit_rate" not in names


def test_refusals_come_first_in_what_is_shown_and_are_a_fault(capsys):
    refused = ["input: expected events, got 3 of 3 refused", "  late_code 3 times: expected [x]"]
    shown = summary(seen_with(3), set(), {0: (0, 3)}, refused)
    assert shown.faults() == refused[:1]
    shown.show()
    assert capsys.readouterr().out.splitlines()[:2] == refused


def test_what_is_said_to_go_on_with_is_a_whole_command():
    told = demo_local._GO_ON.format(url="", dir=" --run-dir x")
    assert "scripts/restore latest --run-dir x " in told
