"""The River baseline: its process."""

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.tools.cluster.river import last_line
from scripts.tools.console import ToolError

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
        Interpreter of its environment, see `scripts.tools.cluster.river`.
    brokers, topic
        Where the events are.
    """

    python: Path
    brokers: str
    topic: str

    def throughput(
        self, *, warm_up: float, seconds: float, recommending: bool = False
    ) -> RiverFigures:
        """Learn the topic from its beginning for some seconds, those of the warm-up left out.

        Parameters
        ----------
        recommending
            Whether every user of a window of half a second gets the ten best of all items.

        Raises
        ------
        ToolError
            If the topic ends before, or the process does.
        """
        times = ("--warm-up", str(warm_up), "--seconds", str(seconds))
        command = self._command("throughput", *times, *["--recommend"] * recommending)
        limit = warm_up + seconds + _SLACK_SECONDS
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=limit
            )
        except subprocess.TimeoutExpired:
            message = f"river: expected figures within {limit:.0f} s, got none; run it alone"
            raise ToolError(message) from None
        if done.returncode != 0:
            raise ToolError(last_line(done.stderr))
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


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while last_line(log.read_text()) != READY:
        _check_alive(process, log)
        if time.monotonic() > deadline:
            message = f"expected River to catch up in {_READY_SECONDS} s"
            raise ToolError(f"river: {message}, it has not; run it alone")
        time.sleep(0.2)


def _check_alive(process: subprocess.Popen[bytes], log: Path) -> None:
    if process.poll() is not None:
        raise ToolError(f"river: expected it to run, it ended: {last_line(log.read_text())}")
