"""What has died is started again, what lives is left alone; after its owner everything ends."""

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from scripts.tools.cluster import ownership, processes
from scripts.tools.cluster.broker import NAME as BROKER
from scripts.tools.cluster.flink import JOB_MANAGER, TASK_MANAGER
from scripts.tools.cluster.instance import Local
from scripts.tools.cluster.signals import interruptible, undisturbed
from scripts.tools.cluster.supervisor import Patience, Supervisor

PARTS = (JOB_MANAGER, TASK_MANAGER, BROKER)
WORKER = "import time; time.sleep(60)"
PARENT = (
    "import subprocess, sys, time;"
    f"subprocess.Popen([sys.executable, '-c', {WORKER!r}], start_new_session=True);"
    "time.sleep(60)"
)


class Sleepers(Local):
    """Processes that do nothing, each with a worker in a session of its own."""

    def _prepare(self) -> None:
        """Need no settings."""

    def _start(self, part: str) -> None:
        processes.start(part, (sys.executable, "-c", PARENT), self.run_dir)


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Local]:
    """Three parts that run, and were up."""
    local = Sleepers.plan(tmp_path, port_base=0)
    local._save(owned=False)
    local.revive(PARTS)
    local._ready.touch()
    for part in PARTS:
        wait_for(local, part, 2)
    yield local
    processes.end_all(tmp_path, grace_seconds=1)


def wait_for(local: Local, part: str, count: int) -> None:
    deadline = time.monotonic() + 10
    while len(processes.find(local.run_dir, part)) != count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def pid(local: Local, part: str) -> int:
    process = processes.named(local.run_dir, part)
    assert process is not None
    return process.pid


def kill(local: Local, part: str) -> None:
    process = psutil.Process(pid(local, part))
    process.kill()
    while processes.named(local.run_dir, part) is not None:
        time.sleep(0.02)


@pytest.mark.parametrize("part", PARTS)
def test_a_killed_process_is_started_again_and_the_others_run_on(local: Local, part: str) -> None:
    before = {each: processes.find(local.run_dir, each) for each in PARTS}
    kill(local, part)
    assert Supervisor(local, revives=True).look()
    wait_for(local, part, 2)  # with one worker: that of the dead one is gone
    now = {each: processes.find(local.run_dir, each) for each in PARTS}
    assert not {p.pid for p in now[part]} & {p.pid for p in before[part]}
    assert all(now[each] == before[each] for each in PARTS if each != part)


def test_up_by_hand_starts_what_is_dead_and_leaves_the_rest(local: Local) -> None:
    kill(local, TASK_MANAGER)
    kept = {part: pid(local, part) for part in (JOB_MANAGER, BROKER)}
    assert local.runs()
    assert local.revive(local.dead()) == [TASK_MANAGER]
    assert {part: pid(local, part) for part in kept} == kept
    assert local.revive(PARTS) == []  # nothing twice


def test_what_never_answered_is_not_started_again_and_again(local: Local) -> None:
    local._ready.unlink()
    kill(local, BROKER)
    assert Supervisor(local, revives=True).look()
    assert local.dead() == [BROKER]


def test_a_benchmark_does_not_go_on_as_if_nothing_was(local: Local) -> None:
    kill(local, TASK_MANAGER)
    assert Supervisor(local, revives=False).look()
    assert local.dead() == [TASK_MANAGER]


def test_everything_ends_after_an_owner_that_was_killed(local: Local) -> None:
    owner = subprocess.Popen((sys.executable, "-c", WORKER))
    began = psutil.Process(owner.pid).create_time()
    (local.run_dir / ownership.NAME).write_text(f"{owner.pid} {began}")
    supervisor = Supervisor(local, revives=True)
    assert supervisor.look()
    owner.kill()
    owner.wait()
    assert not supervisor.look()
    assert processes.find(local.run_dir) == []


def test_what_was_released_runs_on_without_its_owner(local: Local) -> None:
    (local.run_dir / ownership.NAME).write_text("1 0.0")  # an id that somebody else has now
    assert ownership.is_orphaned(local.run_dir)
    local.release()
    assert not ownership.is_orphaned(local.run_dir)
    ownership.claim(local.run_dir)
    assert not ownership.is_orphaned(local.run_dir)


def test_down_ends_the_supervisor_first(local: Local) -> None:
    again = """
import sys, time
from pathlib import Path
from tests.unit.test_supervisor import Sleepers, Supervisor
supervisor = Supervisor(Sleepers.load(Path(sys.argv[1])), revives=True)
while True:
    supervisor.look()
    Path("looked").touch()
"""
    root = str(Path(__file__).parents[2])
    command = (sys.executable, "-c", again, str(local.run_dir))
    processes.start(processes.SUPERVISOR, command, local.run_dir, {"PYTHONPATH": root})
    deadline = time.monotonic() + 60
    while not (local.run_dir / "looked").exists():
        assert time.monotonic() < deadline, "no supervisor that looks"
        time.sleep(0.02)
    local.down()
    time.sleep(0.5)  # in which one that was left would start something
    assert processes.find(local.run_dir) == []


def test_a_process_that_dies_again_and_again_is_started_ever_more_rarely() -> None:
    patience, now, starts = Patience(), 0.0, []
    while now < 120:
        if patience.due(now):
            starts.append(now)
        now += 0.5
    assert starts[0] == 0
    waits = [later - earlier for earlier, later in itertools.pairwise(starts)]
    assert waits == [1, 2, 4, 8, 16, 30, 30]
    assert patience.due(starts[-1] + 61)  # it had recovered


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_closed_terminal_ends_a_tool_like_ctrl_c(number: signal.Signals) -> None:
    def hang_up() -> None:
        with interruptible():
            os.kill(os.getpid(), number)
            time.sleep(1)

    before = signal.signal(number, signal.SIG_DFL)  # tests may run under nohup
    try:
        with pytest.raises(KeyboardInterrupt):
            hang_up()
    finally:
        signal.signal(number, before)
    with undisturbed():
        for each in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            os.kill(os.getpid(), each)


def test_under_nohup_a_closed_terminal_changes_nothing() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
