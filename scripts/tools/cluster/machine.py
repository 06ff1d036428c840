"""Cores and memory that this process may use: those of its container, not those of the host.

A container's share lies in its control group and in those around it, of version 2 or 1.
"""

import functools
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_PROC, _GROUPS = Path("/proc"), Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Machine:
    """What the kernel says.

    Parameters
    ----------
    proc, groups
        Where it says so.
    """

    proc: Path = _PROC
    groups: Path = _GROUPS

    def cores(self) -> int:
        """Return the cores this process may run on, parts of one rounded up."""
        shares = [*self._shares_of_two(), *self._shares_of_one()]
        return max(1, math.ceil(min([len(os.sched_getaffinity(0)), *shares])))

    def memory(self) -> int:
        """Return the bytes of memory this process and those beside it may have."""
        limits = [
            _number(group / name)
            for controller, name in (("", "memory.max"), ("memory", "memory.limit_in_bytes"))
            for group in self._around(controller)
        ]
        return min([self._total(), *(limit for limit in limits if limit is not None)])

    def _total(self) -> int:
        for line in (self.proc / "meminfo").read_text().splitlines():
            name, _, rest = line.partition(":")
            if name == "MemTotal":
                return int(rest.split()[0]) * 1024
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")

    def _shares_of_two(self) -> Iterator[float]:
        for group in self._around(""):
            quota, _, period = _text(group / "cpu.max").partition(" ")
            if quota.isdecimal() and period.isdecimal():
                yield int(quota) / int(period)

    def _shares_of_one(self) -> Iterator[float]:
        for group in self._around("cpu"):
            quota = _number(group / "cpu.cfs_quota_us")
            period = _number(group / "cpu.cfs_period_us")
            if quota and period:
                yield quota / period

    def _around(self, controller: str) -> Iterator[Path]:
        """Yield the folders of the process's group and of those around it.

        A container may see its own group as the root, and be told of a path that only the host has:
        what does not exist says nothing.

        Parameters
        ----------
        controller
            Of version 1; empty for version 2.
        """
        for line in _text(self.proc / "self" / "cgroup").splitlines():
            _, _, rest = line.partition(":")
            controllers, _, path = rest.partition(":")
            if controller not in controllers.split(","):
                continue
            mounts = (controllers, controller) if controller else ("", "unified")
            inner = PurePosixPath(path.lstrip("/"))
            for mount in mounts:
                yield from (self.groups / mount / part for part in (inner, *inner.parents))


@functools.cache
def machine() -> Machine:
    """Return this one."""
    return Machine()


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _number(path: Path) -> int | None:
    """Return a file's number; None where there is no limit."""
    text = _text(path)
    return int(text) if text.isdecimal() else None
