"""The environment with torch, made while other things go on."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from scripts.tools.cluster.paths import ROOT, TRAINER_PYTHON


class Torch:
    """Runs `scripts/setup --train`; `ready` waits for its end, and leaving the block makes it end.

    Parameters
    ----------
    say : function of str
        Tells the user.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say, self._begin = say, time.monotonic()
        self._known: bool | None = None
        if not TRAINER_PYTHON.exists():
            say("installing torch for the trainer meanwhile (scripts/setup --train)")
        self._process = subprocess.Popen(
            [str(ROOT / "scripts" / "setup"), "--train", "--quick"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # so that all it starts can be ended with it
        )

    def __enter__(self) -> Self:
        """Go on; the process has begun."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End what is still being downloaded."""
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)
            self._process.wait()

    def ready(self, meanwhile: Callable[[], object]) -> bool:
        """Wait for torch, doing something else meanwhile; False where it cannot be had."""
        if self._known is None:
            while self._process.poll() is None:
                meanwhile()
            self._known = self._process.returncode == 0 and TRAINER_PYTHON.exists()
            seconds = time.monotonic() - self._begin
            if self._known:
                self._say(f"torch is ready after {seconds:.0f} s")
            else:
                self._say("torch: expected it installed, got an error; run scripts/setup --train")
        return self._known
