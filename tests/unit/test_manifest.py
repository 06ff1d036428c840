"""A savepoint is restored only if every byte is as it was saved."""

import os
from pathlib import Path

import pytest

from scripts.tools.cluster import manifest
from scripts.tools.console import ToolError


@pytest.fixture
def savepoint(tmp_path: Path) -> Path:
    folder = tmp_path / "savepoint-1"
    (folder / "part").mkdir(parents=True)
    (folder / manifest.METADATA).write_bytes(b"metadata")
    (folder / "part" / "state").write_bytes(b"state")
    manifest.write(folder, {"job": "a"})
    return folder


def refusal(folder: Path) -> str:
    with pytest.raises(ToolError) as caught:
        manifest.verify(folder)
    assert caught.value.code == 2
    return str(caught.value)


def test_an_untouched_savepoint_is_accepted(savepoint: Path) -> None:
    found = manifest.verify(savepoint)
    assert found is not None
    assert found["job"] == "a"
    assert sorted(found["files"]) == [manifest.METADATA, "part/state"]


def test_a_moved_savepoint_is_accepted(savepoint: Path, tmp_path: Path) -> None:
    assert manifest.verify(savepoint.rename(tmp_path / "moved")) is not None


def test_a_missing_file_is_refused(savepoint: Path) -> None:
    (savepoint / "part" / "state").unlink()
    assert "part/state: expected a file, got none" in refusal(savepoint)


def test_a_changed_byte_is_refused(savepoint: Path) -> None:
    (savepoint / "part" / "state").write_bytes(b"stale")
    assert "part/state: expected 5 bytes" in refusal(savepoint)


def test_an_unfinished_savepoint_is_refused(savepoint: Path) -> None:
    (savepoint / manifest.METADATA).unlink()
    assert "expected a finished savepoint" in refusal(savepoint)


def test_a_savepoint_that_flink_took_has_no_manifest(savepoint: Path) -> None:
    (savepoint / manifest.NAME).unlink()
    assert manifest.verify(savepoint) is None


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"files": 1}',
        "\0",
        '{"files": {"a": 1}}',
        '{"files": {"a": [1]}}',
        "[" * 9000,
    ],
)
def test_a_broken_manifest_is_refused(savepoint: Path, content: str) -> None:
    (savepoint / manifest.NAME).write_text(content)
    assert "expected a manifest of scripts/savepoint" in refusal(savepoint)


def test_a_checkpoint_needs_no_manifest(savepoint: Path, tmp_path: Path) -> None:
    (savepoint / manifest.NAME).unlink()
    assert manifest.verify(savepoint.rename(tmp_path / "chk-7")) is None


def test_the_newest_finished_one_is_found(savepoint: Path, tmp_path: Path) -> None:
    later = tmp_path / "checkpoints" / "job" / "chk-7"
    later.mkdir(parents=True)
    (later.parent / "chk-8").mkdir()  # being written
    (later / manifest.METADATA).touch()
    os.utime(savepoint / manifest.METADATA, (1, 1))
    part = tmp_path / ".savepoint-1-uids.part"  # a copy that was cut off
    part.mkdir()
    (part / manifest.METADATA).touch()
    assert manifest.finished(tmp_path) == [later, savepoint]


def test_no_savepoint_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="expected a savepoint or checkpoint, got none"):
        manifest.finished(tmp_path)


@pytest.mark.parametrize(
    "entry", ['"_metadata": [1, 7]', '"_metadata": [1, null]', f'"{"a" * 300}": [1, "b"]']
)
def test_entries_that_are_odd_are_refused(savepoint: Path, entry: str) -> None:
    (savepoint / manifest.NAME).write_text(f'{{"files": {{{entry}}}}}')
    assert "restore an older one" in refusal(savepoint)
