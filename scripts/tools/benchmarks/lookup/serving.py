"""A service that runs beside a benchmark."""

import contextlib
import json
import socket
import subprocess
import time
import urllib.error
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from scripts.tools.cluster import loopback
from scripts.tools.cluster.paths import ROOT
from scripts.tools.console import ToolError

_LIMIT_SECONDS = 300
_END_SECONDS = 20


@dataclass(frozen=True)
class Serving:
    """A service that has read everything.

    Parameters
    ----------
    port
        Of this machine.
    process
    ready_seconds
        From its start until it was ready.
    """

    port: int
    process: psutil.Process
    ready_seconds: float

    def cpu_seconds(self) -> float:
        """Return the processor time it has taken."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def get(self, path: str) -> Any:
        """Return an answer."""
        return _get(self.port, path)


@contextlib.contextmanager
def serving(overrides: Sequence[str], log: Path) -> Iterator[Serving]:
    """Run a service until the block ends.

    Raises
    ------
    ToolError
        If it is not ready in time.
    """
    subprocess.run([ROOT / "scripts" / "setup", "--serve", "--quick"], check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    settings = [part for one in overrides for part in ("--set", one)]
    begin = time.monotonic()
    with log.open("wb") as out:
        command = [str(ROOT / "scripts" / "serve"), "--port", str(port), *settings]
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
    try:
        while not _is_ready(port):
            if process.poll() is not None or time.monotonic() - begin > _LIMIT_SECONDS:
                last = log.read_text(errors="replace").strip().splitlines()[-1:]
                message = "scripts/serve: expected it to get ready, got"
                raise ToolError(f"{message}: {' '.join(last) or 'nothing'}")
            time.sleep(0.05)
        yield Serving(port, psutil.Process(process.pid), time.monotonic() - begin)
    finally:
        process.terminate()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()


def _is_ready(port: int) -> bool:
    try:
        return bool(_get(port, "/v1/ready")["ready"])
    except (urllib.error.URLError, OSError):
        return False


def _get(port: int, path: str) -> Any:
    url = f"http://127.0.0.1:{port}{path}"
    with loopback.opener(url).open(url, timeout=10) as answer:
        return json.load(answer)
