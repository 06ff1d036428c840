"""The trainer process: started, watched, ended. Files in, files out; nobody waits for it."""

import collections
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import models
from state.store import round_files
from state.store.round_files import Progress

_KEPT_OUTPUT = 8_192
"""Last bytes of its output that are kept, however much it prints."""
_SILENT_SECONDS = 120.0
"""Without a word from the trainer until it is named as silent."""
_DYING_SECONDS = 0.05
"""Waited for a process that was killed, and for its last words."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a trainer."""

    ok: bool
    reason: str
    """Exit code and the end of its output, where it is not well."""
    seconds: float


@dataclass(frozen=True, kw_only=True)
class TrainerParams:
    """Parameters of the trainer's process."""

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
        self._begin = self._received = time.monotonic()
        self._said = Progress()
        self._output: collections.deque[bytes] = collections.deque()
        self._failed: str | None = None
        self._process: subprocess.Popen[bytes] | None = None
        interpreter = params.python or sys.executable
        if shutil.which(_absolute(interpreter)) is None:
            self._failed = f"expected the interpreter {interpreter}, got none there"
            return
        try:
            # standard input stays open as long as this process lives: its end ends the trainer
            self._process = subprocess.Popen(  # noqa: S603  # the configured interpreter
                self._command(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=self._environment(),
                start_new_session=True,
            )
        except OSError as error:
            self._failed = (
                f"expected the interpreter {params.python or sys.executable}, got: {error}"
            )
            return
        _offer_to_the_kernel(self._process.pid)
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
        if code != 0:
            self._end_group()
        self._reader.join(_DYING_SECONDS)
        if code == 0 and (self.folder / "out" / "report.json").exists():
            return Ended(ok=True, reason="", seconds=seconds)
        tail = b"".join(self._output)[-_KEPT_OUTPUT:].decode(errors="replace").strip()
        last = tail.splitlines()[-1] if tail else "no output"
        return Ended(ok=False, reason=f"{_how(code)}: {last[:500]}", seconds=seconds)

    def trouble(self) -> str:
        """Return what is wrong with a trainer that has not ended: stopped, or silent for long."""
        if self._process is None or self._process.poll() is not None:
            return ""
        if _state_of(self._process.pid) in ("T", "t"):
            return "stopped by a signal; kill -CONT lets it go on"
        said = self.progress()
        if said != self._said:
            self._said, self._received = said, time.monotonic()
        silent = time.monotonic() - self._received
        return f"silent for {silent // 60:.0f} min" if silent > _SILENT_SECONDS else ""

    def kill(self) -> None:
        """End the process at once."""
        if self._process is not None and self._process.poll() is None:
            self._end_group()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_DYING_SECONDS)

    def _end_group(self) -> None:
        """End all processes of a round; one that sleeps in the kernel may take its time."""
        if self._process is not None:
            with contextlib.suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _command(self) -> list[str]:
        params = self._params
        module = ["-m", "models.deep.training", str(self.folder), "--with-parent"]
        if params.processes > 1:
            several = ["--standalone", "--nproc-per-node", str(params.processes)]
            module = ["-m", "torch.distributed.run", *several, *module]
        return ["nice", "-n", str(params.nice), _absolute(params.python or sys.executable), *module]

    def _environment(self) -> dict[str, str]:
        threads = str(self._params.threads)
        # the folder or wheel that this very code came from
        code = str(Path(models.__path__[0]).parent)
        own = {
            "PYTHONPATH": code,
            "PYTHONSAFEPATH": "1",
            "OMP_NUM_THREADS": threads,
            "MKL_NUM_THREADS": threads,
        }
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        return {**inherited, **own, **self._params.environment}


def _absolute(interpreter: str) -> str:
    """Return the path of an interpreter: the trainer has another working directory."""
    return str(Path(interpreter).absolute()) if "/" in interpreter else interpreter


def _offer_to_the_kernel(pid: int) -> None:
    """Let the kernel end the trainer first where memory runs out, and no worker."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/oom_score_adj").write_text("1000")


def _state_of(pid: int) -> str:
    """Return the letter of a process's state, see proc(5); empty where it is not known."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    told = f"killed by signal {-code}"
    return f"{told}; out of memory?" if -code == signal.SIGKILL else told


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
