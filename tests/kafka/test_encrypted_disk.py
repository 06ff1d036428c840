"""The recipe of `conf/privacy.md`: with all folders on an encrypted disk no file holds an id."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.tools.cluster.instance import Local
from tests.builders import NOW, event
from tests.kafka.running import RunningJob
from tests.kafka.warm import WarmLocal

_NEEDED = ("gocryptfs", "fusermount")
pytestmark = [
    pytest.mark.kafka,
    pytest.mark.skipif(
        not all(map(shutil.which, _NEEDED)) or not Path("/dev/fuse").exists(),
        reason="needs gocryptfs and FUSE",
    ),
]
USER = "grace-hopper-1906"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """Return a folder that is encrypted, and the one in which it is seen in clear."""
    key, hidden, clear = (tmp_path / name for name in ("key", "hidden", "clear"))
    key.write_text("not a good key\n")
    for folder in (hidden, clear):
        folder.mkdir()
    for command in (["-init"], [str(clear)]):
        options, more = (command, []) if command == ["-init"] else ([], command)
        subprocess.run(
            ["gocryptfs", "-q", *options, "-passfile", str(key), str(hidden), *more], check=True
        )
    yield hidden, clear
    subprocess.run(["fusermount", "-u", "-z", str(clear)], check=True)


@pytest.fixture
def cluster(disk: tuple[Path, Path]) -> Iterator[Local]:
    """A broker and a cluster whose folder is on it."""
    local = WarmLocal.plan(disk[1] / "run", port_base=0, slots=2)
    try:
        local.up(owned=True)
        with local.client():
            yield local
    finally:
        local.down()


def holds(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file()
            and USER.encode() in path.read_bytes()]  # fmt: skip


def test_an_encrypted_disk_holds_no_id(job: RunningJob, disk: tuple[Path, Path]) -> None:
    hidden, clear = disk
    job.settings = ("deep.enabled=false",)
    job.start()
    job.send(event(USER, f"item-{n}", at=NOW + n) for n in range(20))
    job.settle()
    saved = job.stop()
    assert saved.is_relative_to(clear)
    assert holds(saved)
    assert holds(clear)
    assert holds(hidden) == []
    job.start(state=saved)
    job.send(event(USER, f"item-{n}", at=NOW + 100 + n) for n in range(20))
    assert job.settle().accepted == 40
