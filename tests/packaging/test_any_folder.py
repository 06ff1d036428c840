"""The scripts work wherever the checkout lies, whoever calls, and without a home to write to."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from scripts.tools.checks.sources import sources
from scripts.tools.cluster.paths import ROOT
from scripts.tools.commands import build


def cache_home(environment: dict[str, str]) -> Path:
    """Return where the scripts keep what can be fetched again."""
    done = subprocess.run(
        ["bash", "-euc", '. scripts/tools/cache_home.sh; echo "${XDG_CACHE_HOME:-$HOME/.cache}"'],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return Path(done.stdout.strip())


def test_a_home_that_can_be_written_is_used(tmp_path: Path) -> None:
    home = tmp_path / "my höme"
    home.mkdir()
    assert cache_home({"HOME": str(home)}) == home / ".cache"
    elsewhere = tmp_path / "cache"
    assert cache_home({"HOME": "/proc", "XDG_CACHE_HOME": str(elsewhere)}) == elsewhere


@pytest.mark.parametrize("home", [None, "", "/nonexistent/home", "/proc", "/dev/null"])
def test_without_one_a_private_folder_takes_its_place(home: str | None) -> None:
    found = cache_home({} if home is None else {"HOME": home})
    assert found == Path(f"/tmp/streamrec-{os.getuid()}/cache")
    assert found.parent.stat().st_mode & 0o022 == 0
    assert not Path("/nonexistent").exists()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout in an awkward folder, its `.venv` ready."""
    folder = tmp_path / "my pröject 100%" / "it's"
    folder.mkdir(parents=True)
    for name in ("setup.cfg", "pyproject.toml", "LICENSE"):
        shutil.copyfile(ROOT / name, folder / name)
    for name in ("scripts", *{path.parts[0] for path in sources()} - {"setup.cfg"}):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    return folder


@pytest.mark.parametrize("how", ["directly", "folder linked", "script linked", "relative", "umask"])
def test_a_script_finds_its_checkout(checkout: Path, tmp_path: Path, how: str) -> None:
    link = tmp_path / "a link"
    cwd, script, before = tmp_path, checkout / "scripts" / "local", ""
    if how == "folder linked":
        link.symlink_to(checkout)
        script = link / "scripts" / "local"
    elif how == "script linked":
        link.symlink_to(script)
        script = link
    elif how == "relative":
        cwd, script = checkout, Path("scripts/local")
        (tmp_path / "scripts").mkdir()  # CDPATH leads here
    elif how == "umask":
        before = "umask 077; "
    done = subprocess.run(
        ["bash", "-c", f'{before}exec "$0" status --json', script],
        cwd=cwd,
        env={**os.environ, "CDPATH": str(tmp_path), "LC_ALL": "C"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 3, done.stderr  # not up
    assert os.fsencode(checkout.name) in done.stdout or b"100%" in done.stdout


def test_the_wheel_is_built_in_an_awkward_folder(checkout: Path) -> None:
    assert build.build(checkout).read_bytes() == build.build().read_bytes()


def test_a_strict_umask_makes_the_same_wheel(checkout: Path) -> None:
    before = build.build(checkout).read_bytes()
    umask = os.umask(0o077)
    try:
        assert build.build(checkout, force=True).read_bytes() == before
    finally:
        os.umask(umask)
