"""The jars that setup fetches are those that were meant, whatever language the machine speaks."""

import os
import subprocess
from pathlib import Path

import pytest

from scripts.tools.cluster.paths import ROOT, jars_dir

_TAMPERED = "kafka-clients-4.1.1.jar"
_MAVEN = """#!/usr/bin/env bash
for option; do case $option in -DoutputDirectory=*) folder=${option#*=} ;; esac; done
for jar in "$JARS"/*.jar; do ln -sf "$jar" "$folder/"; done
echo called >>"$FOLDER/maven"
[ -z "$TAMPERED" ] || { rm "$folder/$TAMPERED"; echo tampered >"$folder/$TAMPERED"; }
"""
_GERMAN = """#!/usr/bin/env bash
set -o pipefail
PATH=$REST sha256sum "$@" 2>&1 | sed 's/: OK/: OK/; s/: FAILED/: FEHLSCHLAG/'
"""


def program(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a machine whose cache is empty, and whose tools speak German."""
    assert (jars_dir() / _TAMPERED).exists()
    tools = tmp_path / "bin"
    tools.mkdir()
    program(tools, "mvn", _MAVEN)
    program(tools, "sha256sum", _GERMAN)
    rest = os.environ["PATH"]
    return {
        **os.environ,
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "LC_ALL": "de_DE.UTF-8",
        "FOLDER": str(tmp_path),
        "JARS": str(jars_dir()),
        "PATH": f"{tools}:{rest}",
        "REST": rest,
        "TAMPERED": "",
    }


def setup(machine: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "scripts" / "setup", *options],
        env=machine,
        capture_output=True,
        text=True,
        check=False,
    )


def calls(machine: dict[str, str]) -> int:
    path = Path(machine["FOLDER"]) / "maven"
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_jars_that_are_missing_are_fetched_once(machine: dict[str, str]) -> None:
    done = setup(machine)
    assert done.returncode == 0, done.stderr
    assert calls(machine) == 1
    assert done.stderr.endswith("setup: ready\n")
    assert setup(machine).returncode == 0
    assert calls(machine) == 1


@pytest.mark.parametrize("options", [(), ("--quick",)])
def test_a_jar_with_another_checksum_is_refused(
    machine: dict[str, str], options: tuple[str, ...]
) -> None:
    done = setup(machine | {"TAMPERED": _TAMPERED}, *options)
    assert done.returncode == 1
    assert "expected the checksums of conf/jars.sha256, got others" in done.stderr
    jars = Path(machine["XDG_CACHE_HOME"]) / "streamrec" / "jars"
    assert not (jars / _TAMPERED).exists()
    assert not (jars / ".verified").exists()


def test_a_jar_that_was_changed_later_is_fetched_again(machine: dict[str, str]) -> None:
    assert setup(machine).returncode == 0
    jars = Path(machine["XDG_CACHE_HOME"]) / "streamrec" / "jars"
    (jars / _TAMPERED).unlink()
    (jars / _TAMPERED).write_text("tampered")
    assert setup(machine).returncode == 0
    assert calls(machine) == 2
    assert (jars / _TAMPERED).read_bytes() == (jars_dir() / _TAMPERED).read_bytes()
