"""The console of a demonstration: the lookup service beside the job, and what items are called."""

import socket
import sys
import time
import urllib.error
from collections.abc import Callable, Sequence
from pathlib import Path

from scripts.tools.cluster import loopback, processes
from scripts.tools.cluster.instance import Local
from scripts.tools.cluster.paths import ROOT
from scripts.tools.console import progress

PORT = 8090
NAME = "console"
"""Of the process."""
_WAIT_SECONDS = 0.5


class DemoConsole:
    """A service that runs beside the job, and ends with the local cluster.

    Parameters
    ----------
    local
    config, overrides
        As the job has them.
    say
        Tells the user.
    """

    def __init__(
        self, local: Local, config: Path, overrides: Sequence[str], say: Callable[[str], None]
    ) -> None:
        self._say, self._said = say, False
        port = PORT if loopback.is_free(PORT) else _free_port()
        self.url = f"http://127.0.0.1:{port}"
        settings = [part for one in overrides for part in ("--set", one)]
        serve = str(ROOT / "scripts" / "serve")
        command = [serve, "--config", str(config.resolve()), "--port", str(port), *settings]
        processes.start(NAME, command, local.run_dir)

    def announce(self) -> None:
        """Say once where it is, as soon as it answers."""
        if self._said:
            return
        try:
            with loopback.opener(self.url).open(f"{self.url}/v1/health", timeout=_WAIT_SECONDS):
                self._said = True
        except (urllib.error.URLError, OSError):
            return
        self._say(f"console: {self.url} (choose a user, click, and see the list change)")


def address(run_dir: Path) -> str | None:
    """Return where the console of a run folder is; None where none runs."""
    process = processes.named(run_dir, NAME)
    if process is None:
        return None
    words = process.cmdline()
    return f"http://127.0.0.1:{words[words.index('--port') + 1]}" if "--port" in words else None


def wait_for_the_user(url: str) -> None:
    """Stay until Ctrl-C where somebody sits at a terminal."""
    if not (sys.stdin and sys.stdin.isatty() and sys.stdout.isatty()):
        return
    progress(f"the console stays at {url} until you press Ctrl-C")
    try:
        while True:
            time.sleep(1)
    except KeyboardInterrupt:
        progress("")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
