"""Watches over one run folder: starts again what has died, ends everything after its owner."""

import argparse
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from scripts.tools.cluster import ownership
from scripts.tools.cluster.flink import JOB_MANAGER
from scripts.tools.cluster.instance import Local
from scripts.tools.cluster.plain_path import plain
from scripts.tools.console import ToolError, progress, run

_LOOK_SECONDS = 0.5
_LONGEST_WAIT = 30.0
_STABLE_SECONDS = 60.0
"""A process that lives as long has recovered: the next death is not the old one's repetition."""


@dataclass
class Patience:
    """How long to wait before the next start of a process that dies again and again."""

    _failures: int = 0
    _last: float = float("-inf")

    def due(self, now: float) -> bool:
        """Return whether a dead process may be started; the first time at once."""
        if now - self._last > _STABLE_SECONDS:
            self._failures = 0
        wait = min(2.0 ** (self._failures - 1), _LONGEST_WAIT) if self._failures else 0.0
        if now - self._last < wait:
            return False
        self._failures, self._last = self._failures + 1, now
        return True


@dataclass
class Supervisor:
    """Looks after a run folder.

    Parameters
    ----------
    local
        What shall run there.
    revives
        Whether a dead process is started again; a benchmark must not go on as if nothing was.
    """

    local: Local
    revives: bool
    _patience: dict[str, Patience] = field(default_factory=dict)

    def look(self) -> bool:
        """Do what is to be done now; return False where nothing is left to look after."""
        if ownership.is_orphaned(self.local.run_dir):
            progress(f"{_clock()} the owner has ended: ending all")
            self.local.down()
            return False
        for folder in (self.local.run_dir, Path(sys.prefix)):
            plain(folder)  # some systems delete links in their temporary folder after days
        dead = self.local.dead() if self.revives and self.local.was_up else []
        now = time.monotonic()
        due = [part for part in dead if self._patience.setdefault(part, Patience()).due(now)]
        for part in self.local.revive(due):
            progress(f"{_clock()} {part}: expected to run, got its end; started it again")
            if part == JOB_MANAGER:
                progress(f"{_clock()} its jobs are gone; go on by scripts/restore latest")
        return True


def _clock() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S")


def main() -> None:
    """Read the command line and watch until the end."""
    parser = argparse.ArgumentParser(prog="supervisor", description=__doc__)
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("--guard", action="store_true", help="end after the owner, revive nothing")
    options = parser.parse_args()
    supervisor = Supervisor(Local.load(options.run_dir), revives=not options.guard)
    while True:
        try:
            if not supervisor.look():
                return
        except (ToolError, OSError) as error:  # as a full disk: the next look may go well
            progress(f"{_clock()} error: {error}")
        time.sleep(_LOOK_SECONDS)


if __name__ == "__main__":
    run(main)
