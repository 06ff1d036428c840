"""The demo plays in a folder of its own, and leaves what was kept; it says one number a round."""

import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from scripts.tools.cluster import ownership
from scripts.tools.cluster.paths import RUN_DIR
from scripts.tools.commands import demo, demo_console, demo_local, demo_play, torch_setup
from scripts.tools.commands.demo_play import Play
from scripts.tools.console import ToolError


def test_its_folder_is_not_that_of_a_local_cluster() -> None:
    assert demo._parser().parse_args([]).run_dir == RUN_DIR / "demo"


@pytest.mark.parametrize("kept", ["kafka", "checkpoints"])
def test_what_was_kept_is_neither_played_on_nor_deleted(tmp_path: Path, kept: str) -> None:
    topic = tmp_path / kept / "shop-0" / "0.log"
    topic.parent.mkdir(parents=True)
    topic.write_text("events")
    with pytest.raises(ToolError, match=r"expected a folder of the demo's own.* --run-dir"):
        demo_local.clear(tmp_path)
    assert topic.read_text() == "events"


def test_what_a_demo_left_that_was_killed_is_removed(tmp_path: Path) -> None:
    (tmp_path / "kafka").mkdir()
    with subprocess.Popen(["true"]) as process:
        process.wait()
    (tmp_path / ownership.NAME).write_text(f"{process.pid} 1.0")
    demo_local.clear(tmp_path)
    assert not (tmp_path / "kafka").exists()


def test_an_empty_folder_is_as_good_as_none(tmp_path: Path) -> None:
    demo_local.clear(tmp_path)
    demo_local.clear(tmp_path / "none")


def test_a_download_ends_with_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    (scripts / "setup").write_text("#!/bin/sh\nsleep 300 & echo $! >$0.pid; wait\n")
    (scripts / "setup").chmod(0o755)
    monkeypatch.setattr(torch_setup, "ROOT", tmp_path)
    pid = scripts / "setup.pid"
    with torch_setup.Torch(lambda _: None):
        while not (pid.exists() and pid.read_text().strip()):
            pass
    ended = psutil.STATUS_ZOMBIE  # until whoever adopts it collects it
    deadline = time.monotonic() + 10
    while psutil.pid_exists(number := int(pid.read_text())):
        if psutil.Process(number).status() == ended:
            break
        assert time.monotonic() < deadline


class Torch:
    def ready(self, _: Any) -> bool:
        return True


def play(
    monkeypatch: pytest.MonkeyPatch, records: Iterator[dict[str, Any]], said: list[str]
) -> Play:
    """Return a play whose job says one of these records at each look."""
    seen = SimpleNamespace(metrics=SimpleNamespace(fine_tune=next(records), totals=_totals))
    view = SimpleNamespace(say=said.append, waits_for="")
    made = Play(None, "", None, None, SimpleNamespace(seen=seen), view, None, True)  # type: ignore[arg-type]

    def wait(done: Any, _: float) -> bool:
        while not done():
            record = next(records, None)
            if record is None:
                return False
            seen.metrics.fine_tune = record
        return True

    monkeypatch.setattr(Play, "_wait", lambda _, done, seconds: wait(done, seconds))
    monkeypatch.setattr(demo_play.control, "send", lambda *_: "id")
    return made


def _totals() -> Any:
    return SimpleNamespace(rejected=0, late=0, consumed=9, ignored=0)


def test_each_round_is_waited_for_and_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    records = iter([
        {"status": "idle", "model": 2, "verdict": "round 2: first model"},  # of a demo before
        {"status": "training", "round": 3, "model": 2, "verdict": "round 2: first model"},
        {"status": "training", "round": 3, "model": 2, "verdict": "round 3: trainer failed"},
        {"status": "idle", "round": 3, "model": 3, "verdict": "round 3: better"},
        {"status": "training", "round": 4, "model": 3, "verdict": "round 3: better"},
        {"status": "idle", "round": 4, "model": 3, "verdict": "round 4: no better"},
    ])  # fmt: skip
    said: list[str] = []
    made = play(monkeypatch, records, said)
    made._fine_tune(Torch())  # type: ignore[arg-type]
    made._fine_tune(Torch())  # type: ignore[arg-type]
    assert [line for line in said if line.startswith("round")] == [
        "round 3: better",
        "round 4: no better",
    ]
    made._fine_tune(Torch())  # type: ignore[arg-type]
    assert said[-1] == "no round ended: see the logs"


class Clock:
    """A second goes by at each look."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += 1
        return self.now


@pytest.mark.parametrize(
    ("events", "rate"),
    [(20_000, 6_000), (1_000_000, 9_850)],
    ids=["a part of what is carried", "all within some minutes"],
)
def test_a_live_rate_leaves_the_job_room_and_ends(
    monkeypatch: pytest.MonkeyPatch, events: int, rate: float
) -> None:
    said: list[str] = []
    sent: list[Any] = []
    sending = SimpleNamespace(sent=0)

    def start(blocks: Any, pace: Any) -> None:
        sent.append((list(blocks), pace))
        sending.sent += 15_000

    sending.start = start
    view = SimpleNamespace(say=said.append)
    made = Play(None, "", None, sending, None, view, None, False)  # type: ignore[arg-type]
    monkeypatch.setattr(Play, "_insist", lambda *_: None)
    monkeypatch.setattr(demo_play, "time", Clock())
    blocks = iter(range(10))
    found = made._live(blocks, events)  # type: ignore[arg-type]
    assert found.rate == rate
    assert sent == [([0, 1, 2], demo_play.Pace())]
    assert next(blocks) == 3
    assert "15,000 events a second are carried here" in said[0]


def test_the_console_is_announced_once_and_as_soon_as_it_answers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    started: list[Any] = []
    monkeypatch.setattr(demo_console.processes, "start", lambda *given: started.append(given))
    monkeypatch.setattr(demo_console.loopback, "is_free", lambda _: False)
    said: list[str] = []
    local = SimpleNamespace(run_dir=tmp_path)
    console = demo_console.DemoConsole(local, Path("job.yaml"), ["a.b=c"], said.append)  # type: ignore[arg-type]
    ((name, command, folder),) = started
    assert (name, folder) == (demo_console.NAME, tmp_path)
    assert command[-2:] == ["--set", "a.b=c"]
    assert command[command.index("--config") + 1] == str(Path("job.yaml").resolve())
    console.announce()
    assert said == []  # nobody answers yet

    class Healthy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", int(console.url.rpartition(":")[2])), Healthy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        console.announce()
        console.announce()
        server.shutdown()
    assert said == [f"console: {console.url} (choose a user, click, and see the list change)"]


def test_without_a_terminal_the_demo_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_console.time, "sleep", lambda _: pytest.fail("it waits"))
    demo_console.wait_for_the_user("http://127.0.0.1:8090")


def test_no_console_has_no_address(tmp_path: Path) -> None:
    assert demo_console.address(tmp_path) is None
