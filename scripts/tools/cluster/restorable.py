"""From a savepoint to what a job can start from: no state is lost unless that is meant."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts.tools.cluster import manifest, savepoint_metadata, savepoint_uids
from scripts.tools.console import ToolError

_SUFFIX = "-uids"
_SOURCE = "source_metadata"
"""In the manifest of a copy: SHA-256 of the metadata that it was made of."""


def migrated(folder: Path, report: Callable[[str], None]) -> Path:
    """Return the savepoint, or a copy with the uids of now beside it where its own are old.

    The copy shares its files with the savepoint (hard links), which stays as it is. One that is
    there already is verified and used again, unless it is of another savepoint of that name.

    Raises
    ------
    ToolError
        With exit status 2, if Flink cannot read the savepoint, the copy is not what was written, or
        it cannot be written.
    """
    found = {one.uid: one.name for one in savepoint_metadata.operators(folder) if one.uid}
    moves = savepoint_uids.moves(found)
    if not moves:
        return folder
    copy = folder.with_name(folder.name + _SUFFIX)
    if copy.exists() and _is_of(copy, folder):
        _check(copy)
    else:
        _write(folder, moves, copy)
    report(f"{folder}: its operators have uids of a former version; starting from {copy}")
    return copy


def drops_parts(
    folder: Path,
    *,
    item_buckets: int,
    deep: bool,
    feedback: bool,
    report: Callable[[str], None],
) -> bool:
    """Return whether state is left behind of parts that the job is to start without.

    Parameters
    ----------
    folder
        A savepoint with the uids of now.
    item_buckets, deep, feedback
        Of the job that is to start: `items.buckets`, whether it has a deep model, and feedback.

    Raises
    ------
    ToolError
        With exit status 2, naming them, if other operators would lose their state.
    """
    has_state = [one for one in savepoint_metadata.operators(folder) if one.has_state]
    known = savepoint_uids.operators(item_buckets, deep=deep, feedback=feedback)
    lost = [one for one in has_state if known.get(one.uid) != one.name]
    meant = savepoint_uids.optional(item_buckets)
    others = sorted(
        f"{one.name} ({one.uid or 'no uid'})" for one in lost if meant.get(one.uid) != one.name
    )
    if others:
        message = f"{folder}: expected state of operators that this job has, got also that of"
        hint = "set items.buckets as it was, or restore with the version that saved it"
        raise ToolError(f"{message} {', '.join(others)}; {hint}", code=2)
    if lost:
        names = ", ".join(sorted(one.name for one in lost))
        report(f"{folder}: of parts that are switched off the state is left behind: {names}")
    return bool(lost)


def _check(copy: Path) -> None:
    try:
        manifest.verify(copy)
    except ToolError as error:
        message = f"{copy}: expected a copy that is finished, got: {error}"
        raise ToolError(f"{message}; delete it and try again", code=2) from None


def _is_of(copy: Path, folder: Path) -> bool:
    """Return whether a copy was made of this savepoint; one that says nothing was not."""
    try:
        about = json.loads((copy / manifest.NAME).read_text())
    except (OSError, ValueError):
        return False
    return isinstance(about, dict) and about.get(_SOURCE) == manifest.digest(folder)


def _write(folder: Path, moves: dict[str, str], copy: Path) -> None:
    about: dict[str, Any] = {}
    if (folder / manifest.NAME).exists():  # those that `flink stop` takes have none
        about = manifest.verify(folder) or {}
        about.pop("files", None)
    part = folder.with_name(f".{copy.name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)  # of a run that was cut off
        _fill(part, folder, moves)
        manifest.write(part, {**about, "uids_of": folder.name, _SOURCE: manifest.digest(folder)})
        if copy.exists():  # of another savepoint of that name, or never finished
            shutil.rmtree(copy)
        part.rename(copy)
    except OSError as error:
        message = f"{copy}: expected to write a copy of {folder.name} here, got: {error}"
        hint = "copy the savepoint to a folder that can be written, and start from there"
        raise ToolError(f"{message}; {hint}", code=2) from None
    finally:  # also where somebody interrupts
        shutil.rmtree(part, ignore_errors=True)


def _fill(part: Path, folder: Path, moves: dict[str, str]) -> None:
    ours = shutil.ignore_patterns(manifest.METADATA, manifest.NAME)
    shutil.copytree(folder, part, ignore=ours, copy_function=_link)
    metadata = part / manifest.METADATA
    savepoint_metadata.rewrite(folder, moves, metadata)
    saved = (folder / manifest.METADATA).stat()  # `latest` goes by it: the copy is as old
    os.utime(metadata, ns=(saved.st_atime_ns, saved.st_mtime_ns))


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target)
