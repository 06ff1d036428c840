"""The trainer process: started, watched, ended. Files in, files out; nobody waits for it."""

import collections
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import models
from state import round_files
from state.round_files import Progress

_KEPT_OUTPUT = 8_192
"""Last bytes of its output that are kept, however much it prints."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a trainer ended."""

    ok: bool
    reason: str
    """Exit code and the end of its output, where it is not well."""
    seconds: float


@dataclass(frozen=True, kw_only=True)
class TrainerParams:
    """How the process is run."""

    python: str
    """Interpreter of an environment with torch; empty: this process's own, without."""
    threads: int = 1
    processes: int = 1
    nice: int = 10
    seconds: float = 3600.0
    """Longest it may take."""
    environment: Mapping[str, str] = field(default_factory=dict)


class Trainer:
    """One trainer process over a folder; see `models.deep.training.__main__`."""

    def __init__(self, params: TrainerParams, folder: Path) -> None:
        self._params, self.folder = params, folder
        self._begin = time.monotonic()
        self._output: collections.deque[bytes] = collections.deque()
        self._failed: str | None = None
        self._process: subprocess.Popen[bytes] | None = None
        try:
            # standard input stays open as long as this process lives: its end ends the trainer
            self._process = subprocess.Popen(  # noqa: S603  # the configured interpreter
                self._command(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=self._environment(),
            )
        except OSError as error:
            self._failed = (
                f"expected the interpreter {params.python or sys.executable}, got: {error}"
            )
            return
        self._reader = threading.Thread(
            target=_keep_end, args=(self._process.stdout, self._output), daemon=True
        )
        self._reader.start()

    def progress(self) -> Progress:
        """Return what the trainer said last."""
        return round_files.progress(self.folder)

    def poll(self) -> Ended | None:
        """Return how it ended, None while it runs; one that takes too long is ended."""
        seconds = time.monotonic() - self._begin
        if self._process is None:
            return Ended(ok=False, reason=self._failed or "", seconds=seconds)
        code = self._process.poll()
        if code is None:
            if seconds <= self._params.seconds:
                return None
            self.kill()
            return Ended(
                ok=False,
                reason=f"expected an end within {self._params.seconds:g} s, got none",
                seconds=seconds,
            )
        self._reader.join(1)
        if code == 0 and (self.folder / "out" / "report.json").exists():
            return Ended(ok=True, reason="", seconds=seconds)
        tail = b"".join(self._output)[-_KEPT_OUTPUT:].decode(errors="replace").strip()
        last = tail.splitlines()[-1] if tail else "no output"
        return Ended(ok=False, reason=f"exit code {code}: {last[:500]}", seconds=seconds)

    def kill(self) -> None:
        """End the process at once."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _command(self) -> list[str]:
        params = self._params
        module = ["-m", "models.deep.training", str(self.folder), "--with-parent"]
        if params.processes > 1:
            several = ["--standalone", "--nproc-per-node", str(params.processes)]
            module = ["-m", "torch.distributed.run", *several, *module]
        return ["nice", "-n", str(params.nice), params.python or sys.executable, *module]

    def _environment(self) -> dict[str, str]:
        threads = str(self._params.threads)
        # the folder or wheel that this very code came from
        code = str(Path(models.__path__[0]).parent)
        own = {"PYTHONPATH": code, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        return {**inherited, **own, **self._params.environment}


def _keep_end(stream: IO[bytes] | None, kept: collections.deque[bytes]) -> None:
    """Read output to its end and keep the last of it."""
    size = 0
    if stream is None:
        return
    while part := os.read(stream.fileno(), 65_536):
        kept.append(part)
        size += len(part)
        while size - len(kept[0]) > _KEPT_OUTPUT:
            size -= len(kept.popleft())
