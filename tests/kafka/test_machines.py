"""The stack on an operator's machine: an awkward folder, a proxy, kills, a terminal that closes."""

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from scripts.tools.cluster import processes
from scripts.tools.cluster.broker import NAME as BROKER
from scripts.tools.cluster.flink import JOB_MANAGER, TASK_MANAGER
from scripts.tools.cluster.instance import Local
from scripts.tools.cluster.paths import ROOT
from tests.builders import NOW, event
from tests.kafka.running import RunningJob

pytestmark = pytest.mark.kafka
NOBODY = "http://127.0.0.1:9"


def until(reached: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, f"expected within {seconds:.0f} s: {what}"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    """A stack where paths, proxy, locale and file modes are as unfriendly as they get."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "ALL_PROXY"):
            patch.setenv(name, NOBODY)
        patch.setenv("LC_ALL", "C")
        umask = os.umask(0o077)
        folder = tmp_path_factory.mktemp("m") / "my pröject 100%, a:b#c" / ".run"
        local = Local.plan(folder, port_base=0, slots=1)
        try:
            local.up(owned=True)
            yield local
        finally:
            local.down()
            os.umask(umask)
    assert processes.find(folder) == []
    processes.home(folder).unlink()


@pytest.fixture(scope="module")
def job(local: Local) -> RunningJob:
    """A job that runs there."""
    return RunningJob(local, "awkward").start()


def test_a_job_runs_in_an_awkward_folder_past_a_proxy(job: RunningJob) -> None:
    job.send(event("anna", item, at=NOW + n) for n, item in enumerate(("tea", "mate")))
    assert job.settle().accepted == 2
    assert job.failures() is None


def test_its_state_is_saved_there_and_restored(job: RunningJob, local: Local) -> None:
    saved = job.stop()
    assert saved.parent == local.run_dir / "savepoints"
    job.start(state=saved)
    job.send([event("anna", "cocoa", at=NOW + 9)])
    assert job.settle().accepted == 3


def test_a_killed_task_manager_comes_back_with_its_job_and_without_orphans(
    job: RunningJob, local: Local
) -> None:
    kept = {part: processes.named(local.run_dir, part) for part in (JOB_MANAGER, BROKER)}
    workers = {worker.pid for worker in job.workers()}
    assert workers
    kill(local, TASK_MANAGER)
    until(lambda: not local.dead(), 15, "another TaskManager")
    assert not workers & {process.pid for process in processes.find(local.run_dir)}
    job.send([event("anna", "lemon", at=NOW + 19)])
    assert job.settle().accepted == 4
    assert {part: processes.named(local.run_dir, part) for part in kept} == kept


@pytest.mark.parametrize("part", [BROKER, JOB_MANAGER])
def test_a_killed_process_comes_back(local: Local, part: str) -> None:
    kill(local, part)
    until(local.is_up, 60, f"{part} again")
    assert local.status()["supervised"]


def test_up_by_hand_revives_what_is_dead_without_a_supervisor(local: Local) -> None:
    processes.end(local.run_dir, processes.SUPERVISOR)
    kept = {part: processes.named(local.run_dir, part) for part in (JOB_MANAGER, TASK_MANAGER)}
    kill(local, BROKER)
    assert local.up()
    assert local.is_up()
    assert {part: processes.named(local.run_dir, part) for part in kept} == kept
    assert not local.up()


def kill(local: Local, part: str) -> None:
    process = processes.named(local.run_dir, part)
    assert process is not None
    process.kill()
    psutil.wait_procs([process], timeout=5)


@pytest.mark.parametrize("how", ["terminal closed", "killed"])
def test_a_demo_that_is_cut_off_leaves_nothing_running(tmp_path: Path, how: str) -> None:
    control, terminal = pty.openpty()
    command = [ROOT / "scripts" / "demo", "--no-deep", "--events", "1000000", "--rate", "500"]
    demo = subprocess.Popen(
        [sys.executable, "-c", IN_TERMINAL, *command, "--run-dir", tmp_path / ".run"],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    try:
        seen = _read_until(control, tmp_path / ".run")
        if how == "terminal closed":
            os.close(control)
        else:
            demo.send_signal(signal.SIGKILL)
        demo.wait(30)
        until(lambda: not processes.find(tmp_path / ".run"), 30, f"all ended; {seen[-500:]!r}")
    finally:
        processes.end_all(tmp_path / ".run", grace_seconds=1)
        if how != "terminal closed":
            os.close(control)


IN_TERMINAL = """
import fcntl, os, signal, sys, termios
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # a demo under nohup ignores it, as it must
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


def _read_until(control: int, run_dir: Path) -> bytes:
    """Read what the demo shows until its broker, cluster and supervisor run."""
    seen = b""
    names = (BROKER, JOB_MANAGER, TASK_MANAGER, processes.SUPERVISOR)
    until(lambda: all(processes.named(run_dir, name) for name in names), 60, "a demo that runs")
    os.set_blocking(control, False)
    try:
        while chunk := os.read(control, 65536):
            seen += chunk
    except BlockingIOError:
        pass
    return seen
