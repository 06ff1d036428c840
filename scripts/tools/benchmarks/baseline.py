"""The River baseline: its environment, and its process."""

import contextlib
import hashlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.tools.cluster.paths import ROOT, cache_dir
from scripts.tools.console import ToolError, progress

_LOCK = ROOT / "conf" / "requirements" / "requirements-river.lock"
_PROGRAM = Path(__file__).with_name("river_peer.py")
_READY_SECONDS = 120
READY = "ready"
"""What the program prints when it has caught up."""
_SLACK_SECONDS = 60  # start of the process, fetching what was prefetched


@dataclass(frozen=True)
class RiverFigures:
    """Events that counted, in wall time and in CPU time of the process."""

    events: int
    seconds: float
    cpu_seconds: float

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds

    @property
    def per_cpu_second(self) -> float:
        """Events a second of CPU time."""
        return self.events / self.cpu_seconds


@dataclass(frozen=True)
class River:
    """River on a topic.

    Parameters
    ----------
    python
        Interpreter of its environment, see `environment`.
    brokers, topic
        Where the events are.
    """

    python: Path
    brokers: str
    topic: str

    def throughput(self, *, warm_up: float, seconds: float) -> RiverFigures:
        """Learn the topic from its beginning for some seconds, those of the warm-up left out.

        Raises
        ------
        ToolError
            If the topic ends before, or the process does.
        """
        command = self._command("throughput", "--warm-up", str(warm_up), "--seconds", str(seconds))
        limit = warm_up + seconds + _SLACK_SECONDS
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=limit
            )
        except subprocess.TimeoutExpired:
            message = f"river: expected figures within {limit:.0f} s, got none; run it alone"
            raise ToolError(message) from None
        if done.returncode != 0:
            raise ToolError(_last_line(done.stderr))
        return RiverFigures(**json.loads(done.stdout))

    @contextlib.contextmanager
    def answering(self, answers: str, log: Path) -> Iterator[None]:
        """Let River answer every new event in a topic of its own, until the block ends.

        Raises
        ------
        ToolError
            If it does not get through the events that are there, or ends early.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            command = self._command("latency", "--answers", answers)
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
            try:
                _wait_until_ready(process, log)
                yield
                _check_alive(process, log)
            finally:
                process.kill()
                process.wait()

    def _command(self, *arguments: str) -> list[str]:
        where = ("--brokers", self.brokers, "--topic", self.topic)
        return [str(self.python), "-P", str(_PROGRAM), *where, *arguments]


def environment() -> Path:
    """Return the interpreter of River's environment, made first where the lock file is new.

    Raises
    ------
    ToolError
        If it cannot be made.
    """
    digest = hashlib.sha256(_LOCK.read_bytes()).hexdigest()[:12]
    folder = cache_dir() / "river" / digest
    python, stamp = folder / "bin" / "python", folder / "complete"
    if not stamp.exists():
        progress(f"installing {_LOCK.name} into {folder}")
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        _uv("venv", "--clear", "--python", version, str(folder))
        _uv("pip", "sync", "--python", str(python), "--require-hashes", str(_LOCK))
        stamp.touch()
    return python


def _uv(*arguments: str) -> None:
    program = shutil.which("uv") or str(cache_dir() / "uv" / "bin" / "uv")
    try:
        done = subprocess.run(
            [program, *arguments, "--quiet"], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        message = "uv: expected it on PATH, got none; install uv"
        raise ToolError(message) from None
    if done.returncode != 0:
        message = f"{_LOCK.name}: expected to install it, got: {_last_line(done.stderr)}"
        raise ToolError(message)


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while _last_line(log.read_text()) != READY:
        _check_alive(process, log)
        if time.monotonic() > deadline:
            message = f"expected River to catch up in {_READY_SECONDS} s"
            raise ToolError(f"river: {message}, it has not; run it alone")
        time.sleep(0.2)


def _check_alive(process: subprocess.Popen[bytes], log: Path) -> None:
    if process.poll() is not None:
        raise ToolError(f"river: expected it to run, it ended: {_last_line(log.read_text())}")


def _last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "no output")
