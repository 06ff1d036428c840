"""Machine code is kept by what the source says, wherever the source lies."""

import importlib
import sys
import zipfile
from pathlib import Path
from types import ModuleType

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


def imported(folder: str, name: str = "some") -> ModuleType:
    """Import a module from a folder or a zip file, as if nothing had been imported before."""
    sys.modules.pop(name, None)
    importlib.invalidate_caches()
    sys.path.insert(0, folder)
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(folder)


def folder_of(module: ModuleType) -> Path | None:
    assert module.__file__ is not None
    return cache_folder(module.__name__, module.__file__)


def test_the_same_source_in_another_folder_finds_the_same_machine_code(home: Path) -> None:
    written(home / "wheel-1" / "some.py", SOURCE)
    written(home / "wheel-2" / "some.py", SOURCE)
    first = imported(str(home / "wheel-1"))
    assert first.twice(21) == 42
    folder = folder_of(first)
    assert folder is not None
    kept = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert kept
    second = imported(str(home / "wheel-2"))
    assert folder_of(second) == folder
    assert second.twice(21) == 42
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == kept


def test_a_wheel_imported_as_a_zip_file_finds_the_machine_code_of_its_source(home: Path) -> None:
    """Flink's workers import the shipped wheel without unpacking it."""
    written(home / "checkout" / "some.py", SOURCE)
    with zipfile.ZipFile(home / "some.whl", "w") as wheel:
        wheel.writestr("some.py", SOURCE)
    first = imported(str(home / "checkout"))
    assert first.twice(21) == 42
    zipped = imported(str(home / "some.whl"))
    assert zipped.twice(21) == 42
    assert folder_of(zipped) == folder_of(first)
    assert sum(zipped.twice.stats.cache_hits.values()) == 1


def test_changed_source_never_meets_old_machine_code(home: Path) -> None:
    written(home / "before" / "some.py", SOURCE)
    written(home / "after" / "some.py", SOURCE.replace("2 * x", "3 * x"))
    before, after = imported(str(home / "before")), imported(str(home / "after"))
    assert (before.twice(21), after.twice(21)) == (42, 63)
    sys.modules["some"] = before
    assert folder_of(before) != folder_of(after)


def test_a_module_that_was_moved_never_meets_its_old_machine_code(home: Path) -> None:
    """Machine code names the module it came from, which may be gone."""
    before, after = written(home / "some.py", SOURCE), written(home / "room" / "some.py", SOURCE)
    module = imported(str(home))
    sys.modules["room.some"] = module  # the loader reads either file
    try:
        assert cache_folder("some", before) != cache_folder("room.some", after)
    finally:
        del sys.modules["room.some"]


def test_without_a_place_for_the_cache_functions_are_compiled_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", written(tmp_path / "a file, not a folder", ""))
    written(tmp_path / "src" / "elsewhere.py", SOURCE)
    module = imported(str(tmp_path / "src"), "elsewhere")
    assert folder_of(module) is None
    assert module.twice(21) == 42


def test_a_kernel_serves_compiled_functions_and_refuses_python(home: Path) -> None:
    source = SOURCE.replace("import compiled", "import compiled, kernel")
    source = (
        source.replace("@compiled", "@kernel")
        + """
@compiled
def four_times(x):
    return twice(twice(x))
"""
    )
    written(home / "src" / "some.py", source)
    module = imported(str(home / "src"))
    for _ in range(2):
        with pytest.raises(TypeError, match=r"some\.twice: expected a call from a compiled fun"):
            module.twice(21)
        assert module.four_times(21) == 84
