"""Pseudonyms on a real broker and cluster: an id is where it was sent, and nowhere else."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from conf.parameters import name_params
from scripts.tools.cluster.paths import TRAINER_PYTHON
from scripts.tools.commands import control
from state.users.names import Names
from tests.builders import Record, event
from tests.kafka.running import RunningJob

pytestmark = pytest.mark.kafka

MARK = "canary"
"""In the ids of all users."""
GUEST, BLOCKED, FORGOTTEN = (f"{MARK}-{name}" for name in ("guest", "bot", "gone"))
PEOPLE = [GUEST, BLOCKED, FORGOTTEN, *(f"{MARK}-{n}" for n in range(20))]
OUTSIDE = ("user_behavior", "control", "recommendations")
INSIDE = (
    "accepted_events",
    "control_results",
    "dead_letter",
    "feedback",
    "model_updates",
    "recommendation_metrics",
)


def visits(job: RunningJob, number: int) -> None:
    """Everybody views some items and sees a list; some records are refused."""
    now = int(time.time() * 1000)
    job.send(
        event(user, f"item-{(n + at) % 30}", at=now - 1_000 + n, event_id=f"{user}-{number}-{n}")
        for at, user in enumerate(PEOPLE)
        for n in range(4)
    )
    job.settle()
    said = [json.loads(one.value()) for one in job.read("recommendations") if one.value()]
    lists = {one["rec_id"]: one for one in said}
    shown = [
        event(one["user_id"], one["items"][0]["item_id"], "impression", now, rec_id=name,
              event_id=f"shown-{name}")
        for name, one in lists.items() if one["items"] and one["user_id"].startswith(MARK)
    ]  # fmt: skip
    wrong = [
        Record(user.encode(), json.dumps({"user_id": user, "why": n}).encode())
        for n, user in enumerate(PEOPLE[:5])
    ]
    other = [Record(PEOPLE[7].encode(), b'{"user_id": "%s"' % PEOPLE[8].encode())]
    job.send([*shown, *wrong, *other])
    job.settle()


def found_in(folder: Path) -> list[str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return [str(path) for path in files if MARK.encode() in path.read_bytes()]


def found_on(job: RunningJob) -> list[str]:
    """Return which topics hold an id, of those that should not."""
    own = [one for one in job.read("control") if b"/hand_over/" in (one.key() or b"")]
    read: dict[str, list[Any]] = {name: job.read(name) for name in INSIDE} | {"own": own}
    assert all(read.values()), {name: len(some) for name, some in read.items()}
    return [
        name
        for name, some in read.items()
        if any(
            MARK.encode() in part
            for one in some
            for part in (one.key() or b"", one.value() or b"",
                         *(value or b"" for _, value in one.headers() or ()))
        )
    ]  # fmt: skip


def test_an_id_is_where_it_was_sent_and_nowhere_else(job: RunningJob, tmp_path: Path) -> None:
    keys = [tmp_path / name for name in ("letters", "first", "second")]
    for n, file in enumerate(keys):
        file.write_text(f"{n + 1}" * 64)
    letters, first, second = (f"${{file:{file}}}" for file in keys)
    own = (
        "feedback.enabled=true",
        "feedback.window=2s",
        "feedback.lateness=1s",
        "flink.checkpoint_interval=2s",
        "deep.dim=16",
        "deep.width=16",
        "fine_tune.every_events=100",
        "fine_tune.steps=5",
        "fine_tune.batch=16",
        "fine_tune.negatives=64",
        f"fine_tune.python={TRAINER_PYTHON}",
        f"fine_tune.store={job.local.run_dir / 'models' / job.name}",
        f"privacy.dead_letter_key={letters}",
    )
    job.settings = (*own, f"privacy.pseudonym_key={first}")
    names = Names(name_params(job.config))
    job.start(parallelism=2)
    visits(job, 1)
    control.send(job.address, job.config, "merge_user", **{"from": GUEST, "to": PEOPLE[3]})
    control.send(job.address, job.config, "block_user", user=BLOCKED)
    control.send(job.address, job.config, "forget_user", user=FORGOTTEN)
    job.wait(lambda: len({one.key() for one in job.read("control_results")}) == 3, "answers")
    visits(job, 2)
    job.wait(lambda: bool(job.read("feedback")), "outcomes")
    store = job.local.run_dir / "models" / job.name
    job.wait(lambda: any(path.is_file() for path in store.rglob("*")), "a model")
    saved = job.stop()
    assert found_in(saved) == []
    assert found_on(job) == []
    newest = {one.key().decode(): one.value() for one in job.read("recommendations")}
    assert newest.keys() == set(PEOPLE)
    assert newest[FORGOTTEN] is None
    assert json.loads(newest[PEOPLE[3]] or b"")["rec_id"][:16] == f"{names.keys(PEOPLE[3])[0]:016x}"
    # another key, by which recommendations name users as well
    job.__dict__.pop("config")
    job.settings = (
        *own,
        f"privacy.pseudonym_key={second}",
        f"privacy.former_pseudonym_key={first}",
        "privacy.recommendations_by=pseudonym",
    )
    names = Names(name_params(job.config))
    job.start(state=saved)
    visits(job, 3)
    after = job.stop()
    assert found_in(after) == []
    assert found_on(job) == []
    newest = {one.key().decode(): one.value() for one in job.read("recommendations")}
    live = [user for user in PEOPLE if user != FORGOTTEN]
    assert [user for user in live if newest[names.of(user)] is None] == []
    assert [user for user in PEOPLE if newest[user] is not None] == []
    assert names.of(FORGOTTEN) not in newest
    said = json.loads(newest[names.of(PEOPLE[5])] or b"")
    mine = {one.value for one in job.sent if one.key == PEOPLE[5].encode()}
    # views of three visits, and impressions; those of the last visit come after the list
    assert 12 <= said["session"]["events"] <= len(mine), said
    logs = [path for path in (job.local.run_dir / "logs").rglob("*") if path.is_file()]
    assert logs
    assert [str(path) for path in logs if MARK.encode() in path.read_bytes()] == []
    assert found_in(store) == []
    assert MARK not in json.dumps(job.local.flink.rest.jobs())
