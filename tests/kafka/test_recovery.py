"""A savepoint, another parallelism, a killed worker: in mid-load, and nothing is counted twice."""

import time
from collections import Counter
from itertools import count
from typing import Any

import pyarrow as pa
import pytest

from conf.parameters import ranking_params
from models.params.events import WEIGHTS
from scripts.tools.data.behaviour import Generated
from scripts.tools.data.generator import GeneratorParams
from scripts.tools.kafka.produce import Pace
from scripts.tools.kafka.sending import Sending
from tests.builders import DAY, MINUTE, NOW, Record, event
from tests.kafka.running import RunningJob

pytestmark = pytest.mark.kafka

WORLD = {"users": 400, "clusters": 4, "places": 60, "sessions": 64}
SECOND_START = 1_700_100_000_000
FIRST = Generated(2_000, GeneratorParams(seed=1, **WORLD))
SECOND = Generated(4_000, GeneratorParams(seed=2, start_ms=SECOND_START, **WORLD))
EVENTS = FIRST.events + SECOND.events


def load(job: RunningJob) -> Sending:
    """Wait until the job has taken the first events and is in the middle of the second."""
    sending = Sending(job.address, job.config.kafka.topics.user_behavior)
    sending.start(FIRST.blocks(), Pace())
    job.wait(lambda: job.totals().consumed >= FIRST.events, "the first events taken")
    sending.start(SECOND.blocks(), Pace(rate=250))
    job.wait(lambda: job.totals().consumed > FIRST.events + 100, "the second events begun")
    assert sending.active
    return sending


def learnt_items() -> Counter[str]:
    """How often the load teaches each item."""
    counted: Counter[str] = Counter()
    for block in (*FIRST.blocks(), *SECOND.blocks()):
        kinds = zip(block.items, block.types, strict=True)
        counted.update(item for item, kind in kinds if (WEIGHTS[kind] or 0) > 0)
    return counted


def published(job: RunningJob, after: dict[int, int] | None = None) -> dict[str, dict[str, Any]]:
    """The newest row of every item in model_updates, read by pyarrow alone."""
    rows: dict[str, dict[str, Any]] = {}
    for message in job.read("model_updates"):
        old = after is not None and message.offset() < after[message.partition()]
        if message.key().startswith(b"items/") and not old:
            table = pa.ipc.open_stream(message.value()).read_all()
            rows |= {row["id"]: row for row in table.to_pylist()}
    return rows


def assert_all_counted_once(job: RunningJob, sent: int, users: set[str]) -> None:
    totals = job.settle()
    assert (totals.consumed, totals.accepted) == (sent, sent)
    found = job.recommendations()
    assert len({one["rec_id"] for one in found}) == len(found)
    assert {one["user_id"] for one in found} == users


def tastes(*items: str, user: str = "anna", first: int = 0) -> list[Record]:
    return [event(user, item, at=NOW + first + n) for n, item in enumerate(items)]


def lists(job: RunningJob, users: list[str], name: str) -> dict[str, set[str]]:
    """What users are recommended now, asked by events that teach nothing."""
    at = SECOND_START + DAY
    job.send([event(u, "shown", "impression", at=at, event_id=f"{name}/{u}") for u in users])
    job.settle()
    return {
        one["user_id"]: {item["item_id"] for item in one["items"]}
        for one in job.recommendations()
        if one["trigger"]["event_id"].startswith(f"{name}/")
    }


def assert_a_rebuilt_replica_recommends_nearly_the_same(job: RunningJob, users: list[str]) -> None:
    """A worker is killed while nothing else is sent: its items come from the chunks alone."""
    before = lists(job, users, "before")
    (held,) = [one.items for one in job.metrics().workers]
    (worker,) = job.workers()
    killed = time.time_ns() // 1_000_000
    worker.kill()
    asked = count()

    def complete() -> bool:
        lists(job, users[:1], f"asked-{next(asked)}")
        (mine,) = job.metrics().workers
        return mine.generated_at > killed and mine.items >= held and mine.complete == 1

    job.wait(
        complete,
        lambda: f"all {held} items received since {killed}, got {job.metrics().workers}",
    )
    after = lists(job, users, "after")
    assert before.keys() == after.keys() == set(users)
    shared = [len(before[u] & after[u]) / len(before[u]) for u in users]
    assert sum(shared) / len(shared) > 0.6, shared


def test_a_savepoint_in_mid_load_is_continued_by_two_subtasks(job: RunningJob) -> None:
    job.start()
    mine = [*tastes("tea", "mate"), event("anna", "cocoa", "dislike", at=NOW + 9)]
    others = [e for u in ("ben", "carl") for e in tastes("tea", "mate", "cocoa", "lemon", user=u)]
    job.send(others + mine)
    sending = load(job)
    saved = job.stop()
    assert job.totals().consumed < EVENTS
    ends = {p: high for p, (_, high) in job.ends("model_updates").items()}
    job.start(state=saved, parallelism=2)
    while sending.active:
        time.sleep(0.1)
    later = tastes("salt", first=MINUTE)
    job.send(later)
    users = sending.users | {"anna", "ben", "carl"}
    assert_all_counted_once(job, EVENTS + len(others + mine + later), users)
    assert job.failures() is None

    (newest,) = [r for r in job.recommendations() if r["trigger"]["timestamp"] == NOW + MINUTE]
    assert newest["session"] == {"started_at": NOW, "events": 4}
    assert not {"tea", "mate", "cocoa", "salt"} & {item["item_id"] for item in newest["items"]}

    expected = learnt_items() + Counter({"tea": 3, "mate": 3, "cocoa": 2, "lemon": 2, "salt": 1})
    job.wait(
        lambda: {i: row["count"] for i, row in published(job).items() if row["count"]} == expected,
        lambda: f"counts {expected}, got { {i: r['count'] for i, r in published(job).items()} }",
    )
    # what is known was published again after the restore, items without new events too
    assert {i for i, row in published(job, ends).items() if row["count"]} == set(expected)
    factors = ranking_params(job.config).factors
    assert len(published(job)["tea"]["factors"]) == factors


def test_a_killed_worker_neither_loses_nor_repeats_anything(job: RunningJob) -> None:
    job.start()
    sending = load(job)
    (worker,) = job.workers()
    worker.kill()
    while sending.active:
        time.sleep(0.1)
    assert_all_counted_once(job, EVENTS, sending.users)
    assert job.failures() is not None
    assert job.state == "RUNNING"
    assert [process.pid for process in job.workers()] != [worker.pid]
    assert len(job.workers()) == 1
    assert_a_rebuilt_replica_recommends_nearly_the_same(job, sorted(sending.users)[:50])
