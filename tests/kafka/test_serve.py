"""The lookup service beside a running job: what one does comes back as another list."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from scripts.tools.cluster.paths import ROOT
from scripts.tools.commands.catalog import send
from state.topics.catalog import Description
from tests.builders import event
from tests.kafka.running import RunningJob

pytestmark = pytest.mark.kafka

USER = "me/<b>"
AT = quote(USER, safe="")


class Client:
    """Of one service."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return json.load(answer)

    def post(self, path: str, body: Any) -> Any:
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})  # fmt: skip
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def is_ready(self) -> bool:
        try:
            return bool(self.get("/v1/ready")["ready"])
        except (urllib.error.URLError, ConnectionError):
            return False


@contextmanager
def serving(job: RunningJob, log: Path) -> Iterator[Client]:
    """Give a service of a job that has read everything."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = [part for one in job.overrides for part in ("--set", one)]
    command = [sys.executable, "-m", "jobs.serve", "--port", str(port), *settings]
    with log.open("w") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, stderr=out, env={**os.environ, "PYTHONPATH": str(ROOT)}
        )
    client = Client(port)
    try:
        job.wait(client.is_ready, lambda: f"a service that is ready; {log.read_text()}")
        yield client
    finally:
        process.terminate()
        assert process.wait(20) in (0, -15)


@contextmanager
def stream(client: Client, user: str) -> Iterator[Iterator[dict[str, Any]]]:
    """Give the lists that are pushed for a user."""
    path = f"/v1/users/{quote(user, safe='')}/stream"
    with urllib.request.urlopen(client.url + path, timeout=60) as answer:
        lines = (line.decode() for line in answer)
        yield (json.loads(line[6:]) for line in lines if line.startswith("data: "))


def follow_to_a_checkpoint(job: RunningJob, client: Client) -> None:
    """See a new event behind the committed offsets, until a checkpoint has it."""
    assert client.get("/v1/progress")["group"] == job.name
    event = {"user_id": "other", "item_id": "cup", "event_type": "view"}
    client.post("/v1/events", event)
    found: dict[str, Any] = {}

    def moved() -> bool:
        found.update(client.get("/v1/progress"))
        return found["checkpoint_age_ms"] is not None

    job.wait(moved, lambda: f"committed offsets that move, got {found}")
    assert found["checkpoint_age_ms"] < 10_000
    assert len(found["partitions"]) == job.config.kafka.partitions
    assert all(one["lag"] in (None, 0, 1, 2) for one in found["partitions"]), found


def test_what_one_does_changes_ones_list(job: RunningJob, tmp_path: Path) -> None:
    job.settings = ("deep.enabled=false", "users.count_window=1s")
    job.start()
    now = int(time.time() * 1000)
    others = [
        event(f"u{user}", item, at=now - 60_000 + 5_000 * position)
        for user in range(8)
        for position, item in enumerate(("tea", "cup", "pot"))
    ]
    job.send(others)
    assert job.settle().accepted == len(others)
    named = [("cup", Description(title="A cup")), ("pot", Description(available=False))]
    send(job.address, f"{job.prefix}.catalog", named)

    with serving(job, tmp_path / "serve.log") as client:
        before = client.get(f"/v1/users/{AT}/recommendations")
        assert (before["user_id"], before["rec_id"]) == (USER, None)
        assert {one["item_id"] for one in before["items"]} == {"tea", "cup"}
        with stream(client, USER) as lists:
            assert next(lists)["rec_id"] is None
            view = {"user_id": USER, "item_id": "tea", "event_type": "view"}
            bad = {"user_id": USER, "item_id": "", "event_type": "view"}
            begin = time.monotonic()
            sent = client.post("/v1/events", [view, bad, {"nothing": 1}])["events"]
            assert [one["accepted"] for one in sent] == [True, False, False]
            assert sent[1]["code"] == "invalid_id"
            after = next(lists)
            seconds = time.monotonic() - begin
        assert after["rec_id"] is not None
        assert (after["items"][0]["item_id"], after["items"][0]["from"]) == ("cup", "tea")
        assert seconds < 10
        described = client.get(f"/v1/users/{AT}/recommendations?include=items&n=10")
        assert described["items"][0]["item"] == {"title": "A cup"}
        assert "pot" not in {one["item_id"] for one in described["items"]}
        assert client.get("/v1/items/tea/next")["items"][0]["item_id"] == "cup"
        assert client.get(f"/v1/users/{AT}")["events"][0]["item_id"] == "tea"
        guest = client.post("/v1/recommendations", {"items": ["tea"], "n": 1})
        assert guest["items"][0]["item_id"] == "cup"
        follow_to_a_checkpoint(job, client)
    assert job.settle().accepted == len(others) + 2
    assert (tmp_path / "serve.log").read_text().count("Traceback") == 0

    # a service that is started anew knows all that is in the topics
    with serving(job, tmp_path / "again.log") as client:
        again = client.get(f"/v1/users/{AT}/recommendations")
        assert again["rec_id"] == after["rec_id"]
        assert client.get("/v1/info")["catalog"] == 2
