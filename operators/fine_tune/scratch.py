"""A folder for files that nobody misses: made when it is needed, and gone with its process.

A process that is killed leaves its folder. Each holds a lock that the system lets go with the
process, so that the next one knows which are left over, on a machine where process numbers come
again, and in containers that share a folder but no process numbers.
"""

import contextlib
import fcntl
import logging
import os
import shutil
import signal
import tempfile
import threading
import time
from pathlib import Path

_LOG = logging.getLogger(__name__)
_LOCK = "lock"
_BEING_MADE_NS = 3_600 * 1_000_000_000
"""Age at which a folder without a lock is no longer being made."""


class Scratch:
    """One folder in the system's temporary one, or where it is told.

    Parameters
    ----------
    prefix : str
        Begins the folder's name, and those of former ones.
    parent : Path, optional
        Where it lies; the system's temporary folder unless given.
    """

    def __init__(self, prefix: str, parent: Path | None = None) -> None:
        self._prefix, self._parent = prefix, parent
        self._folder: Path | None = None
        self._lock = -1

    def folder(self) -> Path:
        """Return the folder, made anew where it is not there (any more).

        Raises
        ------
        OSError
            If it cannot be made: the disk is full, say.
        """
        if self._folder is not None and (self._folder / _LOCK).exists():
            os.utime(self._folder / _LOCK)  # for those who remove what is old
        else:
            self.close()
            made = Path(tempfile.mkdtemp(prefix=self._prefix, dir=self._parent))
            self._lock = os.open(made / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._folder = made
        return self._folder

    def sweep(self) -> None:
        """Begin to remove folders of dead processes, and to end what still runs in them."""
        threading.Thread(target=self._sweep, daemon=True).start()

    def close(self) -> None:
        """Remove the folder."""
        folder, self._folder = self._folder, None
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        self._release()

    def _release(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
        self._lock = -1

    def _sweep(self) -> None:
        with contextlib.suppress(OSError):
            parent = self._parent or Path(tempfile.gettempdir())
            for left in parent.glob(f"{self._prefix}*"):
                if left != self._folder and _is_left(left):
                    _end_those_in(left)
                    shutil.rmtree(left, ignore_errors=True)
                    _LOG.info("removed %s, whose process is gone", left)


def _is_left(folder: Path) -> bool:
    """Return whether a folder is this user's, and nobody holds its lock."""
    try:
        if folder.is_symlink() or folder.stat().st_uid != os.getuid():
            return False
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:  # one that is just being made, or that somebody tidied up
        return time.time_ns() - folder.stat().st_mtime_ns > _BEING_MADE_NS
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(lock)
    return True


def _end_those_in(folder: Path) -> None:
    """End processes that work in a folder: a stopped trainer does not see that its worker died."""
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "cwd").readlink().is_relative_to(folder):
                os.kill(int(entry.name), signal.SIGKILL)
