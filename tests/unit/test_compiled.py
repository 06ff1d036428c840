"""Machine code is kept by what the source says, wherever the source lies."""

import importlib.util
from pathlib import Path

import pytest

from models.compiled import cache_folder

SOURCE = "from models.compiled import compiled\n\n@compiled\ndef twice(x):\n    return 2 * x\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def written(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def run(path: str) -> int:
    spec = importlib.util.spec_from_file_location("some_module", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.twice(21)


def test_the_same_source_in_another_folder_finds_the_same_machine_code(home: Path) -> None:
    first = written(home / "wheel-1" / "some.py", SOURCE)
    second = written(home / "wheel-2" / "some.py", SOURCE)
    assert run(first) == 42
    folder = cache_folder(first)
    assert folder is not None
    kept = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert kept
    assert cache_folder(second) == folder
    assert run(second) == 42
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == kept


def test_changed_source_never_meets_old_machine_code(home: Path) -> None:
    before = written(home / "before" / "some.py", SOURCE)
    after = written(home / "after" / "some.py", SOURCE.replace("2 * x", "3 * x"))
    assert (run(before), run(after)) == (42, 63)
    assert cache_folder(before) != cache_folder(after)


def test_without_a_place_for_the_cache_functions_are_compiled_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", written(tmp_path / "a file, not a folder", ""))
    source = written(tmp_path / "some.py", SOURCE)
    assert cache_folder(source) is None
    assert run(source) == 42


def test_source_inside_a_zip_file_has_no_folder(home: Path) -> None:
    assert cache_folder(str(home / "some.whl" / "models" / "some.py")) is None
