"""A checkout may lie anywhere; shell scripts, lists and URIs are told of a name they bear."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.tools.cluster import plain_path, processes
from scripts.tools.cluster.plain_path import is_plain, plain

AWKWARD = ("my project", "pröject", "100%", "a,b", "a:b", "a#b", "it's", 'so "called"', "a+b~c")


@pytest.mark.parametrize("name", AWKWARD)
def test_an_awkward_folder_has_another_name_that_stays(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    found = plain(folder)
    try:
        assert is_plain(found)
        assert found.as_uri() == f"file://{found}"  # nothing to quote
        assert found.resolve() == folder
        assert plain(folder) == found
        (folder / "streamrec-1.whl").touch()
        assert plain(folder / "streamrec-1.whl") == found / "streamrec-1.whl"
    finally:
        found.unlink()


def test_a_plain_folder_keeps_its_name(tmp_path: Path) -> None:
    assert plain(tmp_path) == tmp_path


def test_a_link_that_was_deleted_or_bent_is_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "my project"
    folder.mkdir()
    found = plain(folder)
    found.unlink()
    assert plain(folder).resolve() == folder
    found.unlink()
    found.symlink_to(tmp_path)
    assert plain(folder).resolve() == folder
    found.unlink()


def test_the_links_lie_in_a_folder_that_nobody_else_can_write(tmp_path: Path) -> None:
    folder = tmp_path / "my project"
    folder.mkdir()
    found = plain(folder)
    assert found.parent.stat().st_mode & 0o022 == 0
    assert found.parent.stat().st_uid == os.getuid()
    found.unlink()


def test_an_interpreter_named_by_its_link_finds_its_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "my project"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / ".venv"], check=True)
    monkeypatch.setattr(sys, "prefix", str(folder / ".venv"))
    monkeypatch.setattr(sys, "executable", str(folder / ".venv" / "bin" / "python"))
    found = plain_path.python()
    told = subprocess.run(
        [found, "-c", "import sys; print(sys.prefix != sys.base_prefix, sys.prefix)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.split() == ["True", str(found.parent.parent)]
    found.parent.parent.unlink()


def test_children_write_their_temporary_files_at_a_plain_path(tmp_path: Path) -> None:
    run_dir = tmp_path / "my pröject 100%"
    environment = processes.marked_environment(run_dir)
    assert is_plain(Path(environment["TMPDIR"]))
    assert Path(environment["TMPDIR"]).resolve() == run_dir / "tmp"
    assert environment[processes.MARK] == str(run_dir)
    processes.home(run_dir).unlink()
