"""Good and bad input on the real path: everything is counted once, nothing is lost or repeated."""

import contextlib
import json
from collections import Counter
from typing import Any

import pytest
from confluent_kafka import Message

from models.keys import key_of
from operators.learn_users.stages.records import recommendation_id
from tests.bad_input import BAD
from tests.builders import NOW, Record, behaviour, event, unkeyed
from tests.kafka.running import RunningJob, by_coordinate

pytestmark = pytest.mark.kafka

GOOD = behaviour(3_000, users=200, items=200)
RING = 16  # users.recent_events


def user_of(record: Record) -> str:
    return str(json.loads(record.value or b"{}")["user_id"])


def late_events() -> tuple[list[Record], list[Record]]:
    """Events that fill a ring, and two too old to prove that they are new."""
    on_time = [event("late", f"item-{n}", at=NOW + 1000 * n) for n in range(RING + 4)]
    late = [event("late", f"old-{n}", at=NOW - n) for n in range(2)]
    return on_time, late


def headers(message: Message) -> dict[str, str]:
    return {name: value.decode() for name, value in message.headers() or []}


def test_every_record_has_one_fate_and_every_user_a_recommendation(job: RunningJob) -> None:
    job.start()
    on_time, late = late_events()
    without_key = [unkeyed(event(f"keyless-{n}")) for n in range(50)]
    good = GOOD + without_key + on_time
    bad = [record for record, _ in BAD.values()]
    bad += [
        unkeyed(record) for record, code in BAD.values() if code != "key_mismatch" and record.key
    ]
    bad *= 3
    repeated = {record.value for record in (*GOOD[:100:4], *without_key[:5])}
    mixed = [
        record
        for once in (*GOOD, *without_key)
        for record in [once] * (2 if once.value in repeated else 1)
    ]
    for n, record in enumerate(bad):
        mixed.insert((n * 17) % len(mixed), record)
    job.send(mixed + on_time + late)
    totals = job.settle()

    codes = Counter(code for _, code in BAD.values())
    codes += Counter(c for record, c in BAD.values() if c != "key_mismatch" and record.key)
    assert totals.by_code == {code: 3 * n for code, n in codes.items()}
    assert totals.rejected == len(bad)
    assert totals.accepted == len(good)
    assert totals.late == len(late)
    assert totals.duplicate == len(repeated)
    assert totals.consumed == len(job.sent)
    assert job.failures() is None
    assert_dead_letters_are_the_bad_records(job, bad)
    found = job.recommendations()
    assert_recommendations(job, found, {user_of(record) for record in good})
    assert_windows_measure_quality(job)


def assert_dead_letters_are_the_bad_records(job: RunningJob, bad: list[Record]) -> None:
    letters, sent = job.read("dead_letter"), by_coordinate(job.sent)
    letters = [letter for letter in letters if headers(letter)["err.code"] != "late"]
    assert len(letters) == len(bad)
    for letter in letters:
        about = headers(letter)
        record = sent.pop((int(about["src.partition"]), int(about["src.offset"])))
        oversize = about["err.code"] == "oversize"
        assert (letter.key(), letter.value()) == (record.key, None if oversize else record.value)
        assert about["src.timestamp"] == str(record.published)
        assert about["src.topic"] == f"{job.name}.user_behavior"
        assert ("src.sha256" in about) == oversize


def assert_recommendations(job: RunningJob, found: list[dict[str, Any]], users: set[str]) -> None:
    assert {one["user_id"] for one in found} == users
    assert len({one["rec_id"] for one in found}) == len(found)
    times = published(job)
    for one in found:
        trigger = one["trigger"]
        assert set(one) == {
            "rec_id", "user_id", "generated_at", "trigger", "model_version", "session", "items",
        }  # fmt: skip
        assert one["rec_id"] == recommendation_id(one["user_id"], key_of(trigger["event_id"]))
        assert trigger["published_at"] == times[one["user_id"], trigger["event_id"]]
        assert one["generated_at"] >= trigger["published_at"]
        listed = [item["item_id"] for item in one["items"]]
        assert len(set(listed)) == len(listed) <= 10
        for item in one["items"]:
            known = {"transition", "neighbours", "factors", "trending", "popular", "new"}
            assert item["reason"] in known
            assert isinstance(item["score"], float)
            assert ("from" in item) == (item["reason"] in {"transition", "neighbours"})
    assert sum(len(one["items"]) for one in found) > 5 * len(found)


def published(job: RunningJob) -> dict[tuple[str, str], int]:
    """When the first record of each event was stored, by user and event id."""
    times: dict[tuple[str, str], int] = {}
    for record in job.sent:
        with contextlib.suppress(ValueError, TypeError, KeyError):
            content = json.loads(record.value or b"")
            times.setdefault((content["user_id"], content["event_id"]), record.published)
    return times


def assert_windows_measure_quality(job: RunningJob) -> None:
    def windows() -> list[dict[str, Any]]:
        records = [json.loads(m.value()) for m in job.read("recommendation_metrics")]
        return [record for record in records if record["kind"] == "window"]

    job.wait(
        lambda: sum(window["consumed"] for window in windows()) == len(job.sent),
        lambda: f"windows that count {len(job.sent)} records, got {windows()}",
    )
    scored = [window for window in windows() if window["scored"]]
    assert sum(window["scored"] for window in scored) > 1_000
    for window in scored:
        assert 0 <= window["hr_at_10"] <= 1
        assert 0 <= window["ndcg_at_10"] <= window["hr_at_10"]
        assert window["window_end"] - window["window_start"] == 2_000
        assert window["freshness_ms"]["p50"] <= window["freshness_ms"]["p99"]
