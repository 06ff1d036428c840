"""Forgetting on a real broker and cluster: nothing of the user is left in a savepoint."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from scripts.tools.commands import control
from tests.builders import event
from tests.kafka.running import RunningJob

pytestmark = pytest.mark.kafka

USER, OTHER = "grace-hopper-1906", "ada-lovelace-1815"
_MOST_SECONDS = 5.0


def holds(folder: Path, text: str) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file()
            and text.encode() in path.read_bytes()]  # fmt: skip


def views(job: RunningJob, number: int) -> None:
    now = int(time.time() * 1000)
    job.send(
        event(user, f"item-{n}", at=now - 1_000 + n, event_id=f"{user}-{number}-{n}")
        for user in (USER, OTHER)
        for n in range(6)
    )
    job.settle()


def order(job: RunningJob, command: str, user: str) -> dict[str, Any]:
    return control.ask_new_job(job.address, job.config, command, user=user)


def newest(job: RunningJob) -> dict[str, bytes | None]:
    return {one.key().decode(): one.value() for one in job.read("recommendations")}


def test_a_forgotten_user_is_in_no_savepoint_and_stays_forgotten(job: RunningJob) -> None:
    job.settings = ("deep.enabled=false", "feedback.enabled=true")
    job.start()
    views(job, 1)
    job.wait(lambda: USER in newest(job), "a list")
    before = job.stop()
    assert holds(before, USER)
    job.start(state=before)
    views(job, 2)
    begin = time.monotonic()
    name = control.send(job.address, job.config, "forget_user", user=USER)
    answer = control.wait(job.address, job.config, name)
    seconds = time.monotonic() - begin
    print(f"forgotten after {seconds:.2f} s")
    assert answer["ok"], answer
    assert answer["details"]["removed"]["profile"] > 0
    assert USER not in json.dumps(answer)
    assert seconds < _MOST_SECONDS
    assert newest(job)[USER] is None
    views(job, 3)
    assert job.totals().by_type == {"(forgotten)": 6}
    assert newest(job)[USER] is None
    after = job.stop()
    assert holds(after, USER) == []
    assert holds(after, OTHER)
    # from the state of before: the command is read once more, with the events
    job.start(state=before)
    job.settle()
    job.wait(lambda: job.totals().by_type.get("(forgotten)", 0) >= 6, "the command once more")
    again = job.stop()
    assert holds(again, USER) == []
    job.start(state=again, parallelism=2)
    assert order(job, "readmit_user", USER)["details"] == {"changed": True}
    views(job, 4)
    job.wait(lambda: newest(job)[USER] is not None, "a list again")
    assert not order(job, "fine_tune_now", USER)["ok"]
