"""What `scripts/local` touches, and what it never does."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.tools.cluster import processes
from scripts.tools.cluster.instance import Local, Ports
from scripts.tools.console import ToolError

SLEEP = (sys.executable, "-c", "import time; time.sleep(60)")


def test_down_deletes_its_own_data_and_nothing_else(tmp_path: Path) -> None:
    for name in ("kafka", "checkpoints", "logs", "savepoints", "thesis"):
        (tmp_path / name).mkdir()
    (tmp_path / "notes.txt").touch()
    Local.plan(tmp_path).down()
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == ["logs", "notes.txt", "savepoints", "thesis"]


def test_data_are_kept_on_request(tmp_path: Path) -> None:
    (tmp_path / "kafka").mkdir()
    Local.plan(tmp_path).down(keep_data=True)
    assert (tmp_path / "kafka").exists()


def test_down_ends_what_was_started_in_its_folder_and_nothing_else(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    processes.start("sleeper", SLEEP, mine)
    processes.start("sleeper", SLEEP, other)
    try:
        assert Local.plan(mine).down() == 1
        assert processes.find(mine) == []
        assert processes.named(other, "sleeper") is not None
    finally:
        processes.end_all(other)


def test_down_ends_a_process_whose_parent_was_killed(tmp_path: Path) -> None:
    parent = f"import subprocess; subprocess.Popen({list(SLEEP)!r}, start_new_session=True)"
    started = subprocess.run(
        [sys.executable, "-c", parent], env=processes.marked_environment(tmp_path), check=True
    )
    assert started.returncode == 0
    assert Local.plan(tmp_path).down() == 1
    assert processes.find(tmp_path) == []


def test_a_taken_port_is_named_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        local = Local(run_dir=tmp_path, ports=Ports(kafka=port), slots=1)
        with pytest.raises(ToolError, match=rf"port {port} \(kafka\): expected a free one"):
            local.up(report=[].append)
    assert processes.find(tmp_path) == []


def test_a_port_base_gives_four_ports_in_a_row_and_zero_any_four() -> None:
    assert Ports.from_base(20_000) == Ports(
        kafka=20_000, controller=20_001, rest=20_002, rpc=20_003
    )
    free = Ports.from_base(0)
    assert len({free.kafka, free.controller, free.rest, free.rpc}) == 4


def test_the_instance_that_runs_is_found_by_its_folder(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="expected a local cluster, got none; run scripts/local up"):
        Local.load(tmp_path)
