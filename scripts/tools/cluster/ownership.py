"""Who a run folder belongs to: when that process is gone, however it ended, so is what it started.

A terminal that is closed, or SIGKILL, leaves no time to clean up; the supervisor does it then.
"""

import os
from pathlib import Path

import psutil

NAME = "owner"
"""File in the run folder: process id and its start, for ids are used again."""


def claim(run_dir: Path) -> None:
    """Make this process the owner."""
    (run_dir / NAME).write_text(f"{os.getpid()} {psutil.Process().create_time()}")


def release(run_dir: Path) -> None:
    """Let what runs go on without an owner."""
    (run_dir / NAME).unlink(missing_ok=True)


def is_orphaned(run_dir: Path) -> bool:
    """Return whether there was an owner that has ended."""
    try:
        pid, began = (run_dir / NAME).read_text().split()
    except (FileNotFoundError, ValueError):
        return False
    try:
        owner = psutil.Process(int(pid))
        # the clock may be set meanwhile, by less than it takes to use an id again
        same = abs(owner.create_time() - float(began)) < 2
        return not same or owner.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
