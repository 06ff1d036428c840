"""Background processes of one run folder, known by a mark in their environment.

The mark is inherited, so a Python worker whose TaskManager was killed is still found, and nothing
that another run folder or another user started ever is.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from scripts.tools.cluster.loopback import without_proxy
from scripts.tools.cluster.plain_path import plain

MARK = "STREAMREC_RUN_DIR"
PART = "STREAMREC_PART"
"""Name of the process that was started, or of the one that started it."""
SUPERVISOR = "supervisor"
"""Name of the process that starts dead ones again; it is ended before them."""
_OWNER = 0o700
_UTF8 = {"LC_ALL": "C.UTF-8"}  # in any other locale a JVM may not find a folder with an umlaut
_started: list["subprocess.Popen[bytes]"] = []  # collected while its process runs, a Popen warns


def home(run_dir: Path) -> Path:
    """Return the folder as programs are told of it, without blanks; it is made where missing.

    It is its owner's only: logs, topics and checkpoints hold what users did.
    """
    folder = run_dir.resolve()
    folder.mkdir(mode=_OWNER, parents=True, exist_ok=True)
    return plain(folder)


def make_private(run_dir: Path) -> None:
    """Make the folder, or close one that was made here before to others.

    A folder that somebody else made, as /tmp, stays as open as it is.
    """
    folder = home(run_dir).resolve()
    if any((folder / name).exists() for name in ("local.json", "logs/supervisor.out")):
        folder.chmod(_OWNER)


def temporary(run_dir: Path) -> Path:
    """Return the folder where everything of `run_dir` keeps its temporary files."""
    folder = home(run_dir) / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def marked_environment(run_dir: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this environment, marked, and without the tools' own import path."""
    left_out = ("PYTHONPATH", PART)
    inherited = {name: value for name, value in os.environ.items() if name not in left_out}
    own = {"TMPDIR": str(temporary(run_dir)), MARK: str(run_dir.resolve())}
    return {**inherited, **without_proxy(os.environ), **_UTF8, **(extra or {}), **own}


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
        (home(run_dir) / folder).mkdir(exist_ok=True)
    output_file = run_dir / "logs" / f"{name}.out"
    if output_file.exists():  # the last words of the one before
        output_file.replace(output_file.with_suffix(".out.1"))
    with output_file.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=run_dir,
            env=marked_environment(run_dir, {**(environment or {}), PART: name}),
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


def find(run_dir: Path, part: str | None = None) -> list[psutil.Process]:
    """Return every living process that belongs to `run_dir`, or to one part of it."""
    found = with_variable(MARK, str(run_dir.resolve()))
    return [each for each in found if part is None or _variable(each, PART) == part]


def named(run_dir: Path, name: str) -> psutil.Process | None:
    """Return the living process that `start` started under this name."""
    try:
        process = psutil.Process(int((run_dir / "pids" / name).read_text()))
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        return None
    return process if _variable(process, MARK) == str(run_dir.resolve()) else None


def _variable(process: psutil.Process, name: str) -> str | None:
    try:
        return process.environ().get(name)
    except psutil.Error:  # ended meanwhile, or somebody else's
        return None


def end_all(run_dir: Path, grace_seconds: float = 10) -> int:
    """End every process of `run_dir`, politely first.

    Returns
    -------
    int
        How many there were.
    """
    ended = end(run_dir, SUPERVISOR, grace_seconds)  # else it would start the others again
    ended += end(run_dir, None, grace_seconds)
    for pid_file in (run_dir / "pids").glob("*"):
        pid_file.unlink()
    return ended


def end(run_dir: Path, part: str | None, grace_seconds: float = 10) -> int:
    """End the processes of one part, those without their parent included; None = of all parts."""
    ended = 0
    for grace, signal in ((grace_seconds, psutil.Process.terminate), (5, psutil.Process.kill)):
        processes = find(run_dir, part)
        ended = max(ended, len(processes))
        for process in processes:
            try:
                signal(process)
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(processes, timeout=grace)
    return ended
