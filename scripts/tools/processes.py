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


def marked_environment(run_dir: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This environment, with the mark of `run_dir` and without the tools' own import path."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**inherited, **(extra or {}), MARK: str(run_dir.resolve())}


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
    (run_dir / "pids" / name).write_text(f"{process.pid}\n")
    return process.pid


def find(run_dir: Path) -> list[psutil.Process]:
    """Every living process with the mark of `run_dir`, except the caller and its ancestors."""
    mark = str(run_dir.resolve())
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid not in own and process.environ().get(MARK) == mark:
                found.append(process)
        except psutil.Error:  # ended meanwhile, or somebody else's
            continue
    return found


def named(run_dir: Path, name: str) -> psutil.Process | None:
    """The living process that `start` started under this name."""
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
