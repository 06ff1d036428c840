"""The wheel is what runs: exactly our packages, and nothing beside them wins over it."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from conf import event_plans
from conf.loader import load
from scripts.tools.checks.sources import sources
from scripts.tools.cluster.flink import PYTHON_ENVIRONMENT
from scripts.tools.cluster.paths import ROOT
from scripts.tools.commands import build

PACKAGES = ("conf", "jobs", "models", "operators", "state")


@pytest.fixture(scope="module")
def wheel() -> Path:
    return build.build()


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel as client and workers see it: unpacked, its root on the path."""
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def test_the_wheel_holds_every_module_and_yaml_of_the_packages_and_nothing_else(
    wheel: Path,
) -> None:
    expected = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.suffix in (".py", ".yaml") and (path.parent / "__init__.py").exists()
    }
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {name for name in names if ".dist-info/" not in name} == expected


def test_the_wheel_says_what_it_needs(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        lines = archive.read(metadata).decode().splitlines()
    needed = {line.removeprefix("Requires-Dist: ") for line in lines if "Requires-Dist" in line}
    assert "apache-flink==2.3.0" in needed
    assert any(line.startswith("torch;") and "train" in line for line in needed)


@pytest.mark.parametrize("name", event_plans.names())
def test_an_event_plan_is_in_the_wheel_and_says_there_what_it_says_here(
    name: str, wheel: Path, tmp_path: Path
) -> None:
    (tmp_path / "job.yaml").write_text(f"events: {{plan: {name}}}\n")
    program = (
        "import conf.loader as c; print(c.__file__); print(c.load('job.yaml').model_dump_json())"
    )
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=clean | PYTHON_ENVIRONMENT | {"PYTHONPATH": str(wheel)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    where, _, made = done.stdout.partition("\n")
    assert where.startswith(str(wheel))
    assert json.loads(made) == json.loads(load(tmp_path / "job.yaml").model_dump_json())


def test_every_folder_with_modules_is_a_declared_package() -> None:
    found = {
        path.parent.relative_to(ROOT) for name in PACKAGES for path in (ROOT / name).rglob("*.py")
    }
    assert found == {path.parent for path in sources() if path.suffix == ".py"}
    assert all((ROOT / folder / "__init__.py").is_file() for folder in found)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of the sources: nobody edits it meanwhile, and nobody runs its wheel."""
    for path in (*map(Path, ("setup.cfg", "pyproject.toml", "LICENSE")), *sources()):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes((ROOT / path).read_bytes())
    return tmp_path


def test_the_same_sources_make_the_same_bytes(copy: Path) -> None:
    before = build.build(copy).read_bytes()
    assert build.build(copy, force=True).read_bytes() == before


def test_a_wheel_is_built_again_only_when_a_source_has_changed(copy: Path) -> None:
    built_at = build.build(copy).stat().st_mtime_ns
    assert build.build(copy).stat().st_mtime_ns == built_at
    (copy / "state" / "added.py").write_text('"""New."""\n')
    with zipfile.ZipFile(build.build(copy)) as archive:
        assert "state/added.py" in archive.namelist()


def imported_from(package: str, folder: Path, path: Path, environment: dict[str, str]) -> Path:
    """Return where `package` comes from for a module run in `folder`, with `path` on the path."""
    (path / f"probe_{package}.py").write_text(f"import {package}\nprint({package}.__file__)\n")
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        [sys.executable, "-m", f"probe_{package}"],
        cwd=folder,
        env={**clean, **environment, "PYTHONPATH": str(path)},
        capture_output=True,
        text=True,
        check=True,
    )
    return Path(done.stdout.strip())


@pytest.mark.parametrize("package", PACKAGES)
def test_a_decoy_package_in_the_working_folder_does_not_win(
    package: str, unpacked: Path, tmp_path: Path
) -> None:
    decoy = tmp_path / package / "__init__.py"
    decoy.parent.mkdir()
    decoy.touch()
    shipped = unpacked / package / "__init__.py"
    assert imported_from(package, tmp_path, unpacked, {}) == decoy  # the danger is real
    assert imported_from(package, tmp_path, unpacked, PYTHON_ENVIRONMENT) == shipped
