"""A benchmark sees what else runs, and says so."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from scripts.tools import results
from scripts.tools.benchmarks import beside
from scripts.tools.benchmarks.beside import Neighbour
from scripts.tools.cluster import processes
from scripts.tools.console import ToolError


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Path]:
    """A run folder in which something runs."""
    processes.start("kafka", (sys.executable, "-c", "import time; time.sleep(60)"), tmp_path)
    yield tmp_path
    processes.end_all(tmp_path, grace_seconds=1)


def test_a_stack_of_another_run_folder_is_seen(stack: Path) -> None:
    found = [n for n in beside.neighbours(0.1) if stack.name in n.what]
    (one,) = found
    assert one.what == f"a stack of 1 processes (run folder {stack.name})"
    assert one.remedy == f"scripts/local down --run-dir {str(stack)!r}"


def test_a_busy_process_is_seen_and_an_idle_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beside, "BUSY_PERCENT", 5.0)  # others may leave it hardly more than that
    begun = "open('begun', 'w').close()"  # to start an interpreter is work, too
    bodies = {"busy": "while True: pass", "idle": "import time; time.sleep(600)"}
    pids = {}
    try:
        for name, body in bodies.items():
            command = (sys.executable, "-c", f"{begun}\n{body}")
            pids[name] = processes.start(name, command, tmp_path / name)
        wait_for(lambda: all((tmp_path / name / "begun").exists() for name in bodies))
        time.sleep(0.1)  # from its last line to its sleep
        looked_at = [psutil.Process(pid) for pid in pids.values()]
        for process in looked_at:
            beside._percent(process)
        seen: list[Neighbour] = []

        def look() -> bool:
            seen.extend(beside._busy(looked_at))
            return bool(seen)

        wait_for(look, each=0.5)
        assert [f"pid {pids['busy']}," in one.what for one in seen] == [True]
    finally:
        for name in bodies:
            processes.end_all(tmp_path / name, grace_seconds=1)


def wait_for(reached: Callable[[], object], *, each: float = 0.01) -> None:
    deadline = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(each)


def test_a_broker_of_somebody_else_is_known_by_its_class(tmp_path: Path) -> None:
    process = subprocess.Popen(
        (sys.executable, "-c", "import time; time.sleep(60)", "kafka.Kafka"), env={}
    )
    try:
        others = [psutil.Process(process.pid)]
        deadline = time.monotonic() + 30
        while not others[0].cmdline() and time.monotonic() < deadline:
            time.sleep(0.01)  # between fork and exec a process has no command line yet
        (found,) = beside._stacks(others)
        assert found == (Neighbour(f"Kafka or Flink (pid {process.pid})"), {process.pid})
    finally:
        process.kill()
        process.wait()


def test_beside_others_it_refuses_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    other = Neighbour("a stack", "scripts/local down")
    monkeypatch.setattr(beside, "neighbours", lambda: [other])
    with pytest.raises(ToolError, match=r"got a stack: scripts/local down; or .* --beside-others"):
        beside.insist(beside_others=False)
    assert beside.insist(beside_others=True) == ["a stack"]
    monkeypatch.setattr(beside, "neighbours", list)
    assert beside.insist(beside_others=False) == []


def test_the_results_name_what_ran_beside(tmp_path: Path) -> None:
    results.write(tmp_path / "out.json", [], beside=["a stack"])
    assert json.loads((tmp_path / "out.json").read_text())["beside"] == ["a stack"]
    results.write(tmp_path / "out.json", [])
    assert "beside" not in json.loads((tmp_path / "out.json").read_text())
