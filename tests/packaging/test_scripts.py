"""Every script explains itself, from any folder."""

import subprocess
from pathlib import Path

import pytest

from scripts.tools.cluster.paths import ROOT

SCRIPTS = sorted(
    path.name
    for path in (ROOT / "scripts").iterdir()
    if path.is_file() and not path.suffix and path.name != "with-venv"
)


@pytest.fixture(scope="session", autouse=True)
def environment_of_the_service() -> None:
    """Made at first use, with a word about it."""
    subprocess.run([ROOT / "scripts" / "setup", "--serve", "--quick"], check=True)


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_says_how_to_use_it(name: str, tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()  # a decoy: where one calls from must not matter
    (tmp_path / "scripts" / "__init__.py").write_text("raise SystemExit('decoy')")
    done = subprocess.run(
        [ROOT / "scripts" / name, "--help"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: scripts/{name}")


@pytest.mark.parametrize("name", SCRIPTS)
def test_an_unknown_option_is_refused_with_status_2(name: str) -> None:
    done = subprocess.run(
        [ROOT / "scripts" / name, "--no-such-option"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "usage:" in done.stderr


def test_a_tool_has_one_name_in_all_rooms_and_another_name_is_refused() -> None:
    rooms = [path for path in (ROOT / "scripts" / "tools").iterdir() if path.is_dir()]
    names = [path.stem for room in rooms for path in room.glob("[!_]*.py")]
    assert len(names) == len(set(names))
    done = subprocess.run(
        [ROOT / "scripts" / "with-venv", "no_such_tool"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "expected a tool" in done.stderr
