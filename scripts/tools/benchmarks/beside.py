"""What else runs on this machine: figures taken beside it are not the job's."""

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from scripts.tools.cluster import processes
from scripts.tools.console import ToolError, progress

BUSY_PERCENT = 25.0
"""Of one core, from which on a process is said to be busy."""
_LOOK_SECONDS = 1.0
_MAIN_CLASSES = ("kafka.Kafka", "StandaloneSessionClusterEntrypoint", "TaskManagerRunner")
"""How stacks of other users are known: their environment cannot be read."""


@dataclass(frozen=True)
class Neighbour:
    """A stack or a busy process."""

    what: str
    """Names no path of the machine: it goes into results."""
    remedy: str = "end it"


def insist(*, beside_others: bool) -> list[str]:
    """Return what else runs, or refuse to measure beside it.

    Raises
    ------
    ToolError
        If anything runs and that was not allowed.
    """
    found = neighbours()
    names = [each.what for each in found]
    if found and not beside_others:
        told = "; ".join(f"{each.what}: {each.remedy}" for each in found)
        message = f"machine: expected nothing else to run, got {told}"
        raise ToolError(f"{message}; or measure all the same with --beside-others")
    for name in names:
        progress(f"note: measured beside {name}; figures will be lower")
    return names


def neighbours(seconds: float = _LOOK_SECONDS) -> list[Neighbour]:
    """Look for a moment at every process but this one and those that started it."""
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    others = [process for process in psutil.process_iter() if process.pid not in own]
    for process in others:
        _percent(process)  # the first call begins to count
    stacks = list(_stacks(others))
    time.sleep(seconds)
    ours = {pid for _, pids in stacks for pid in pids}
    apart = [process for process in others if process.pid not in ours]
    return [stack for stack, _ in stacks] + list(_busy(apart))


def _stacks(others: Iterable[psutil.Process]) -> Iterator[tuple[Neighbour, set[int]]]:
    marked: dict[str, set[int]] = {}
    for process in others:
        folder = _run_dir(process)
        if folder is not None:
            marked.setdefault(folder, set()).add(process.pid)
        elif any(name in " ".join(_command(process)) for name in _MAIN_CLASSES):
            yield Neighbour(f"Kafka or Flink (pid {process.pid})"), {process.pid}
    for folder, pids in marked.items():
        what = f"a stack of {len(pids)} processes (run folder {Path(folder).name})"
        yield Neighbour(what, f"scripts/local down --run-dir {folder!r}"), pids


def _busy(others: Iterable[psutil.Process]) -> Iterator[Neighbour]:
    for process in others:
        percent = _percent(process)
        if percent >= BUSY_PERCENT:
            yield Neighbour(f"{_name(process)} (pid {process.pid}, {percent:.0f} % of a core)")


def _run_dir(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(processes.MARK)
    except psutil.Error:
        return None


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.Error:
        return "a process"


def _percent(process: psutil.Process) -> float:
    try:
        return float(process.cpu_percent(None))
    except psutil.Error:  # ended meanwhile
        return 0.0
