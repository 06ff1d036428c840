"""Checksums beside a savepoint: Flink has none, and restores changed bytes without a word."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from scripts.tools.console import ToolError

NAME = "manifest.json"
METADATA = "_metadata"
"""What Flink writes last: a folder without it was never finished."""


def digest(folder: Path) -> str:
    """Return the SHA-256 of a savepoint's metadata, which says all that it is made of."""
    return str(_measure(folder / METADATA)[1])


def write(folder: Path, about: Mapping[str, Any]) -> Path:
    """Write size and SHA-256 of every file in `folder`, with some words about it.

    Returns
    -------
    Path
        The manifest.
    """
    files = {str(path.relative_to(folder)): _measure(path) for path in _files(folder)}
    path = folder / NAME
    path.write_text(json.dumps({**about, "files": files}, indent=1) + "\n")
    return path


def verify(folder: Path) -> dict[str, Any] | None:
    """Check that a savepoint is finished and every file is as it was written.

    Returns
    -------
    dict or None
        The manifest; None where there is none, as of checkpoints and of savepoints by `flink stop`.

    Raises
    ------
    ToolError
        With exit status 2, naming the first file that is missing or different.
    """
    if not (folder / METADATA).is_file():
        raise _refusal(folder, f"a finished savepoint or checkpoint with {METADATA}", "none")
    path = folder / NAME
    if not path.exists():
        return None
    try:
        manifest: dict[str, Any] = json.loads(path.read_text())
        expected = [(name, size, digest) for name, (size, digest) in manifest["files"].items()]
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise _refusal(path, "a manifest of scripts/savepoint", "other content") from None
    for name, size, digest in expected:
        file = folder / name
        if not _is_file(file):
            raise _refusal(file, "a file", "none")
        if _measure(file) != [size, digest]:
            words = f"{size} bytes with SHA-256 {str(digest)[:12]}…"
            raise _refusal(file, words, "other content")
    return manifest


def finished(*folders: Path) -> list[Path]:
    """Return the finished savepoints and checkpoints below the given folders, newest first.

    Folders whose names begin with a dot are being written, or were cut off.

    Raises
    ------
    ToolError
        With exit status 2, if there is none.
    """
    found = [
        path
        for folder in folders
        for path in folder.glob(f"**/{METADATA}")
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    if not found:
        where = ", ".join(map(str, folders))
        raise ToolError(
            f"{where}: expected a savepoint or checkpoint, got none; give its path", code=2
        )
    dated = []
    for path in found:
        try:
            dated.append((path.stat().st_mtime_ns, path.parent))
        except FileNotFoundError:  # a checkpoint that a running job has just given up
            continue
    return [folder for _, folder in sorted(dated, reverse=True)]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # no name that a file could have
        return False


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != NAME)


def _measure(path: Path) -> list[int | str]:
    with path.open("rb") as file:
        return [path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()]


def _refusal(where: Path, expected: str, got: str) -> ToolError:
    return ToolError(f"{where}: expected {expected}, got {got}; restore an older one", code=2)
