"""Requests made up from the service's own description: none fails, all answers are as described."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from jobs.serve.progress import Broker, Look
from tests.unit.test_serve import Service, learnt

CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance",
    "response_schema_conformance",
)  # fmt: skip


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A service without a broker, at a free port."""
    monkeypatch.setattr(Broker, "look", lambda _: Look({0: 3, 1: 1}, {0: 2}))
    service = Service()
    answer = b'{"id": "c1", "command": "x", "ok": true, "message": "done", "answered_at": 1}'
    service.replica.reports.take_answer(b"c1", answer)
    monkeypatch.setattr(service.sender, "command", lambda _: asyncio.sleep(0, "c1"))
    service.replica.take_update(b"items/0", learnt.__wrapped__())
    service.describe("tea", title="Tea", categories=("hot",))
    service.listed("0", ("tea", "deep", None))
    server = uvicorn.Server(uvicorn.Config(service.app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(20)


def test_whatever_is_asked_has_an_answer_that_is_described(url: str, tmp_path: Path) -> None:
    program = Path(sys.executable).parent / "schemathesis"
    command = [program, "run", f"{url}/openapi.json", "--checks", ",".join(CHECKS),
               "--exclude-path-regex", "stream", "--max-examples", "30", "--no-color"]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:]
    assert "Tested: 19" in done.stdout
