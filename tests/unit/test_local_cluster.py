"""What `scripts/local` touches, and what it never does."""

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from scripts.tools.cluster import processes
from scripts.tools.cluster.instance import Local, Ports
from scripts.tools.commands import local as local_command
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
            local.up(report=lambda _: None)
    assert processes.find(tmp_path) == []


def test_a_port_base_gives_four_ports_in_a_row_and_zero_any_four() -> None:
    assert Ports.from_base(20_000) == Ports(
        kafka=20_000, controller=20_001, rest=20_002, rpc=20_003
    )
    free = Ports.from_base(0)
    assert len({free.kafka, free.controller, free.rest, free.rpc}) == 4


@pytest.fixture
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(folder: Path) -> int:
    return stat.S_IMODE(folder.stat().st_mode)


@pytest.mark.usefixtures("usual_umask")
def test_the_run_folder_is_its_owners_only(tmp_path: Path) -> None:
    run_dir = tmp_path / "a" / "run"
    processes.start("sleeper", SLEEP, run_dir)
    try:
        assert mode(run_dir) == 0o700
    finally:
        processes.end_all(run_dir)


@pytest.mark.usefixtures("usual_umask")
def test_a_run_folder_of_before_is_closed_and_one_of_somebody_else_is_not(tmp_path: Path) -> None:
    ours, other = tmp_path / "ours", tmp_path / "other"
    for folder in (ours, other):
        folder.mkdir()
        (folder / "thesis").touch()
    (ours / "local.json").touch()
    processes.make_private(ours)
    processes.make_private(other)
    assert (mode(ours), mode(other)) == (0o700, 0o755)


def test_no_page_of_another_origin_may_read_what_flink_answers(tmp_path: Path) -> None:
    local = Local.plan(tmp_path, port_base=20_000, slots=1)
    local.flink.prepare()
    written = yaml.safe_load((tmp_path / "flink" / "conf" / "config.yaml").read_text())
    assert written["web.access-control-allow-origin"] == "http://127.0.0.1:20002"


def test_the_help_says_whose_machine_it_is_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["local", "--help"])
    with pytest.raises(SystemExit):
        local_command.main()
    assert "For a machine of one's own: any local user" in " ".join(capsys.readouterr().out.split())


def test_the_instance_that_runs_is_found_by_its_folder(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="expected a local cluster, got none; run scripts/local up"):
        Local.load(tmp_path)
