"""Feedback on a real broker and cluster: each impression has one outcome, whatever happens."""

import json
import time
from collections import Counter
from typing import Any
from zlib import crc32

import pytest

from tests.builders import Record, event
from tests.kafka.running import RunningJob

pytestmark = pytest.mark.kafka

USERS = [f"user-{n}" for n in range(40)]
SETTINGS = (
    "deep.enabled=false",
    "feedback.enabled=true",
    "feedback.window=4s",
    "feedback.lateness=1s",
    "feedback.lists=100",
    "feedback.rewards={view: 0.1, purchase: 1}",
    "recommend.repeats=allow",
    "users.recent_events=1000",
)


class Visitors:
    """Users who are shown the newest list that there is of each, and buy one of its items."""

    def __init__(self, job: RunningJob) -> None:
        self.job = job
        self.shown: set[tuple[str, str]] = set()
        self.bought = 0
        self.round = 0

    def look_around(self) -> None:
        now = _now()
        self.job.send(
            event(user, f"item-{(n * k) % 23}", at=now - 5_000 + k, event_id=f"{user}-{k}")
            for n, user in enumerate(USERS)
            for k in range(1, 7)
        )
        self.job.wait(lambda: self.lists().keys() == set(USERS), "a list for everybody")

    def lists(self) -> dict[str, dict[str, Any]]:
        return {one["user_id"]: one for one in self.job.recommendations()}

    def come(self) -> None:
        """Show each user a list, twice as far as the job is told, and let some buy."""
        self.round += 1
        records: list[Record] = []
        for user, rec in self.lists().items():
            named = [item["item_id"] for item in rec["items"][:5]]
            for sender in ("client", "service"):
                records += [
                    event(
                        user,
                        item,
                        "impression",
                        _now(),
                        rec_id=rec["rec_id"],
                        position=n + 1,
                        event_id=f"{rec['rec_id']}-{item}-{sender}",
                    )
                    for n, item in enumerate(named)
                ]
            seen = {(rec["rec_id"], item) for item in named}
            buys = named and not seen & self.shown
            self.shown |= seen
            if buys and crc32(f"{user}{self.round}".encode()) % 3 == 0:
                records.append(event(user, named[-1], "purchase", _now() + 1))
                self.bought += 1
        self.job.send(records)


def _now() -> int:
    return int(time.time() * 1000)


def outcomes(job: RunningJob) -> list[dict[str, Any]]:
    return [json.loads(message.value()) for message in job.read("feedback")]


def counted(job: RunningJob) -> Counter[str]:
    newest = {
        message.key(): json.loads(message.value())
        for message in job.read("recommendation_metrics")
        if message.key().startswith(b"feedback/")
    }
    found: Counter[str] = Counter()
    for counts in newest.values():
        found.update(counts["impressions"])
        found["decided"] += counts["total"]["decided"]
    return found


def test_each_impression_has_one_outcome_after_a_kill_and_a_rescale(job: RunningJob) -> None:
    job.settings = SETTINGS
    job.start()
    visitors = Visitors(job)
    visitors.look_around()
    for _ in range(3):
        visitors.come()
    job.workers()[0].kill()
    for _ in range(3):
        visitors.come()
        time.sleep(1)
    job.settle()
    visitors.come()
    state = job.stop()
    visitors.come()
    job.start(state=state, parallelism=2)
    for _ in range(3):
        visitors.come()
        time.sleep(1)
    expected = Counter(dict.fromkeys(visitors.shown, 1))
    job.wait(
        lambda: len(outcomes(job)) >= len(expected),
        lambda: f"{len(expected)} outcomes, got {len(outcomes(job))}, counted {counted(job)}",
    )
    time.sleep(6)  # what comes twice comes now
    found = outcomes(job)
    assert Counter((one["rec_id"], one["item_id"]) for one in found) == expected
    actions = Counter(one["action"] for one in found)
    assert actions["purchase"] == visitors.bought
    assert visitors.bought > 5
    job.wait(lambda: counted(job)["decided"] == len(expected), lambda: f"{counted(job)}")
    assert counted(job)["joined"] == len(expected)
    assert set(counted(job)) <= {"joined", "repeated", "decided"}
