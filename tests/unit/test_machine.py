"""Cores and memory of the container, whichever control groups it is in."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.tools.cluster import instance
from scripts.tools.cluster.instance import Local
from scripts.tools.cluster.machine import Machine

GIB = 1 << 30
NO_LIMIT = 9_223_372_036_854_771_712
"""What version 1 says where there is none."""


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Host":
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))
    return Host(tmp_path)


class Host:
    """A machine of 16 cores and 64 GiB, in whose groups a process lies."""

    def __init__(self, folder: Path) -> None:
        self.machine = Machine(folder / "proc", folder / "cgroup")
        self.write("proc/meminfo", f"MemFree: 1 kB\nMemTotal: {64 * GIB // 1024} kB\n", folder)
        self.folder = folder

    def write(self, path: str, text: object, folder: Path | None = None) -> None:
        file = (folder or self.folder) / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")

    def groups(self, *lines: str) -> None:
        self.write("proc/self/cgroup", "\n".join(lines))

    def found(self) -> tuple[int, int]:
        return self.machine.cores(), self.machine.memory() // GIB


def test_without_groups_all_of_the_machine_is_usable(host: Host) -> None:
    assert host.found() == (16, 64)
    host.groups("0::/")
    assert host.found() == (16, 64)


@pytest.mark.parametrize(
    ("quota", "cores"),
    [("max 100000", 16), ("150000 100000", 2), ("10000 100000", 1), ("9900000 100000", 16)],
)
def test_parts_of_a_core_are_rounded_up(host: Host, quota: str, cores: int) -> None:
    host.groups("0::/")
    host.write("cgroup/cpu.max", quota)
    assert host.machine.cores() == cores


def test_the_tightest_of_all_groups_around_counts(host: Host) -> None:
    host.groups("0::/kube/pod/box")
    host.write("cgroup/kube/cpu.max", "800000 100000")
    host.write("cgroup/kube/pod/cpu.max", "300000 100000")
    host.write("cgroup/kube/pod/box/cpu.max", "max 100000")
    host.write("cgroup/kube/memory.max", 8 * GIB)
    host.write("cgroup/kube/pod/memory.max", "max")
    host.write("cgroup/kube/pod/box/memory.max", 16 * GIB)
    assert host.found() == (3, 8)


def test_a_container_that_sees_its_group_as_the_root(host: Host) -> None:
    host.groups("0::/docker/of-the-host")
    host.write("cgroup/cpu.max", "200000 100000")
    host.write("cgroup/memory.max", 4 * GIB)
    assert host.found() == (2, 4)


@pytest.mark.parametrize("mount", ["cpu,cpuacct", "cpu"])
def test_groups_of_version_one(host: Host, mount: str) -> None:
    host.groups("5:memory:/docker/box", "3:cpu,cpuacct:/docker/box", "0::/")
    host.write(f"cgroup/{mount}/docker/box/cpu.cfs_quota_us", 250_000)
    host.write(f"cgroup/{mount}/docker/box/cpu.cfs_period_us", 100_000)
    host.write(f"cgroup/{mount}/cpu.cfs_quota_us", -1)
    host.write(f"cgroup/{mount}/cpu.cfs_period_us", 100_000)
    host.write("cgroup/memory/docker/box/memory.limit_in_bytes", 2 * GIB)
    host.write("cgroup/memory/memory.limit_in_bytes", NO_LIMIT)
    assert host.found() == (3, 2)


def test_a_process_of_one_core_plans_one_slot(tmp_path: Path) -> None:
    core = min(os.sched_getaffinity(0))
    plan = f"from pathlib import Path; from scripts.tools.cluster.instance import Local; \
print(Local.plan(Path({str(tmp_path)!r})).slots)"
    command = [sys.executable, "-c", plan]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, [core]),
    )
    assert done.stdout == "1\n"


def test_too_little_memory_is_told_in_one_line(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instance, "machine", lambda: host.machine)
    local = Local.plan(tmp_path / "run", port_base=20_000, slots=2)
    assert local.short_of_memory() == ""
    host.groups("0::/")
    host.write("cgroup/memory.max", 2 * GIB)
    words = "or more for 2 slots, got 2.0 GiB; pass fewer --slots, or allow more"
    assert words in local.short_of_memory()
    one = Local.plan(tmp_path / "run", port_base=20_000, slots=1)
    assert "got 2.0 GiB; allow more, or" in one.short_of_memory()
