"""Impressions that the service sends: in the form the job reads, an item once for each list."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from conf.loader import load
from conf.parameters import event_policy
from conf.schema import JobConfig
from jobs.serve.answers import Listed, Outcome, Recommended
from jobs.serve.replica.policy import unkeyed
from jobs.serve.sender import Sender
from state.events import compose
from state.events.check import Check
from state.events.fields import Event
from tests.unit.test_serve import NOW, Service

SHOWN = Recommended("ann", "r1", NOW, 0, "m", [Listed("tea", "list"), Listed("cup", "next")])


def sender(monkeypatch: pytest.MonkeyPatch, refused: str = "", **events: Any) -> Any:
    """A sender, and the records that it produces."""
    config = JobConfig.model_validate({"events": events})
    found = Sender(config, unkeyed(event_policy(config)))
    records: list[tuple[str, bytes, Any]] = []

    def produced(topic: str, key: bytes, value: bytes) -> "asyncio.Future[str]":
        records.append((topic, key, json.loads(value)))
        done = asyncio.get_running_loop().create_future()
        done.set_result(refused)
        return done

    monkeypatch.setattr(found, "_produced", produced)
    return found, records


def show(one: Sender, *lists: Recommended) -> None:
    async def shown() -> None:
        for found in lists:
            one.show(found)
        await asyncio.sleep(0)

    asyncio.run(shown())


def test_each_item_is_an_event_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    one, records = sender(monkeypatch)
    show(one, SHOWN, SHOWN)
    assert {(topic, key) for topic, key, _ in records} == {("user_behavior", b"ann")}
    events = [event for *_, event in records]
    assert [(event["item_id"], event["position"], event["rec_id"]) for event in events] == [
        ("tea", 1, "r1"), ("cup", 2, "r1"),
    ] * 2  # fmt: skip
    assert {event["event_type"] for event in events} == {"impression"}
    assert len({event["event_id"] for event in events}) == 2  # the same list, the same events
    assert one.lost == 0


def test_without_a_list_each_showing_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    one, records = sender(monkeypatch)
    none = Recommended("ann", None, None, None, None, SHOWN.items)
    show(one, none, none)
    assert len({event["event_id"] for *_, event in records}) == 4
    assert all("rec_id" not in event for *_, event in records)


def test_what_no_broker_takes_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    one, _ = sender(monkeypatch, refused="queue full")
    show(one, SHOWN)
    assert one.lost == 2


@pytest.mark.parametrize("plan", [None, "segment", "ga4", "retail_rocket", "camel_case", "minimal"])
@pytest.mark.parametrize("time", ["ms", "s", "us", "iso8601"])
def test_events_are_written_as_the_job_reads_them(
    plan: str | None, time: str, tmp_path: Path
) -> None:
    path = tmp_path / "job.yaml"
    events = {"time": time, "weights": {"shown": 0.0}} | ({"plan": plan} if plan else {})
    path.write_text(json.dumps({"events": events}))
    policy = unkeyed(event_policy(load(path, [])))
    event = Event("ann", "tea", "shown", NOW // 1000 * 1000, "e1")
    value = json.dumps(compose.compose(policy, event)).encode()
    checked = Check(policy, {})([value], [None], 0, NOW)
    assert checked.rejected == []
    (read,) = checked.columns.events
    assert (read.user_id, read.item_id, read.event_type, read.event_id) == (
        "ann", "tea", policy.default_type or "shown", "e1",
    ) or (read.user_id, read.item_id) == ("ann", "tea")  # fmt: skip
    assert checked.columns.time.tolist() == [event.timestamp]


def test_a_job_that_knows_no_impressions_refuses() -> None:
    config = JobConfig.model_validate({"events": {"weights": {"impression": None}}})
    assert not Sender(config, unkeyed(event_policy(config))).takes_impressions
    service = Service(config)
    service.sender.takes_impressions = False
    found = service.ask("GET", "/v1/users/ann/recommendations?shown=true")
    assert found.status_code == 400
    assert "feedback.impression_type" in found.json()["error"]["message"]


@pytest.mark.parametrize(
    "events",
    [
        {"fields": {"user_id": "a", "item_id": "a.b"}},
        {"fields": {"user_id": "a.b", "item_id": "a"}},
        {"weights": {"impression": 1.0}, "rating_type": "impression"},
    ],
    ids=str,
)
def test_a_form_that_holds_no_impression_is_known_beforehand(events: Any) -> None:
    config = JobConfig.model_validate({"events": events})
    assert not Sender(config, unkeyed(event_policy(config))).takes_impressions


def test_a_plans_own_fields_are_not_overwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    one, records = sender(monkeypatch, fields={"item_id": "position", "user_id": "rec_id"})
    show(one, SHOWN)
    assert [(event["rec_id"], event["position"]) for *_, event in records] == [
        ("ann", "tea"), ("ann", "cup"),
    ]  # fmt: skip


FLAT = {"user_id": "ann", "item_id": "tea", "event_type": "shown", "rec_id": "r1"}


@pytest.mark.parametrize("plan", [None, "segment", "ga4", "retail_rocket", "camel_case", "minimal"])
@pytest.mark.parametrize("time", ["ms", "s", "us", "iso8601"])
def test_plain_events_are_written_in_the_jobs_form(
    plan: str | None, time: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "job.yaml"
    events = {"time": time, "weights": {"shown": 0.0}} | ({"plan": plan} if plan else {})
    path.write_text(json.dumps({"events": events}))
    config = load(path, [])
    found = Sender(config, unkeyed(event_policy(config)))
    records: list[bytes] = []

    def produced(_: str, __: bytes, value: bytes) -> "asyncio.Future[str]":
        records.append(value)
        done = asyncio.get_running_loop().create_future()
        done.set_result("")
        return done

    monkeypatch.setattr(found, "_produced", produced)
    own = compose.compose(unkeyed(event_policy(config)), Event("bob", "cup", "shown", NOW))
    untimed = {name: value for name, value in own.items() if name != _time_of(config)}
    (plain,) = asyncio.run(found.send([FLAT], plain=True))
    assert plain == Outcome(accepted=True)
    (timed,) = asyncio.run(found.send([untimed]))
    assert timed == Outcome(accepted=True)
    (late,) = asyncio.run(found.send([{**FLAT, "timestamp": 1}], plain=True))
    assert late.code == "timestamp_past"
    (none,) = asyncio.run(found.send([{"nothing": 1}], plain=True))
    assert not none.accepted
    assert len(records) == 2


def _time_of(config: JobConfig) -> str:
    return config.events.fields.timestamp[0].partition(".")[0]
