"""Background processes of one run folder, known by a mark in their environment.

The mark is inherited, so a Python worker whose TaskManager was killed is still found, and nothing
that another run folder or another user started ever is.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

MARK = "STREAMREC_RUN_DIR"
_started: list["subprocess.Popen[bytes]"] = []  # collected while its process runs, a Popen warns


def temporary(run_dir: Path) -> Path:
    """Return the folder where everything of `run_dir` keeps its temporary files."""
    folder = run_dir.resolve() / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def marked_environment(run_dir: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this environment, marked, and without the tools' own import path."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    own = {"TMPDIR": str(temporary(run_dir)), MARK: str(run_dir.resolve())}
    return {**inherited, **(extra or {}), **own}


def start(
    name: str, command: Sequence[str], run_dir: Path, environment: Mapping[str, str] | None = None
) -> int:
    """Start `command` in a session of its own; its output goes to `logs/NAME.out`.

    Returns
    -------
    int
        The process id, also kept in `pids/NAME`.
    """
    for folder in ("logs", "pids"):
        (run_dir / folder).mkdir(parents=True, exist_ok=True)
    with (run_dir / "logs" / f"{name}.out").open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=run_dir,
            env=marked_environment(run_dir, environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _started.append(process)
    (run_dir / "pids" / name).write_text(f"{process.pid}\n")
    return process.pid


def with_variable(name: str, value: str) -> list[psutil.Process]:
    """Return every living process with this in its environment, but not the caller's parents."""
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid not in own and process.environ().get(name) == value:
                found.append(process)
        except psutil.Error:  # ended meanwhile, or somebody else's
            continue
    return found


def find(run_dir: Path) -> list[psutil.Process]:
    """Return every living process that belongs to `run_dir`."""
    return with_variable(MARK, str(run_dir.resolve()))


def named(run_dir: Path, name: str) -> psutil.Process | None:
    """Return the living process that `start` started under this name."""
    try:
        pid = int((run_dir / "pids" / name).read_text())
    except (FileNotFoundError, ValueError):
        return None
    return next((process for process in find(run_dir) if process.pid == pid), None)


def end_all(run_dir: Path, grace_seconds: float = 10) -> int:
    """End every process of `run_dir`, politely first.

    Returns
    -------
    int
        How many there were.
    """
    ended = 0
    for grace, signal in ((grace_seconds, psutil.Process.terminate), (5, psutil.Process.kill)):
        processes = find(run_dir)
        ended = max(ended, len(processes))
        for process in processes:
            try:
                signal(process)
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(processes, timeout=grace)
    for pid_file in (run_dir / "pids").glob("*"):
        pid_file.unlink()
    return ended
