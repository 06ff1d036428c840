"""River's environment, one of its own: its numpy does not fit apache-flink's."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from scripts.tools.cluster.paths import ROOT, cache_dir
from scripts.tools.console import ToolError, progress

_LOCK = ROOT / "conf" / "requirements" / "requirements-river.lock"


def folder() -> Path:
    """Return where the environment of the lock file lies, or would."""
    digest = hashlib.sha256(_LOCK.read_bytes()).hexdigest()[:12]
    return cache_dir() / "river" / digest


def environment() -> Path:
    """Return the interpreter of River's environment, made first where the lock file is new.

    Raises
    ------
    ToolError
        If it cannot be made.
    """
    home = folder()
    python = home / "bin" / "python"
    if not is_there():
        progress(f"installing {_LOCK.name} into {home}")
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        _uv("venv", "--clear", "--python", version, str(home))
        _uv("pip", "sync", "--python", str(python), "--require-hashes", str(_LOCK))
        (home / "complete").touch()
    return python


def is_there() -> bool:
    """Return whether the environment has been made."""
    return (folder() / "complete").exists()


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
        message = f"{_LOCK.name}: expected to install it, got: {last_line(done.stderr)}"
        raise ToolError(message)


def last_line(text: str) -> str:
    """Return the last line that says something: what a program ended with."""
    return next((line for line in reversed(text.splitlines()) if line.strip()), "no output")
