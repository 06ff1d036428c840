"""Paths that every program bears: of letters, digits, `.`, `_` and `-` alone.

Flink starts its Python workers by a shell script that quotes nothing, splits lists of folders at
`,` and `:`, and takes the `%20` of a URI for a name; Kafka reads its properties as Latin-1. Where a
checkout lies in `~/my project`, they get a link in the system's temporary folder instead.
"""

import hashlib
import os
import re
import stat
import sys
import tempfile
from pathlib import Path

from scripts.tools.console import ToolError

_SYSTEM = Path("/tmp")  # noqa: S108
_PLAIN = re.compile(r"[A-Za-z0-9_./-]+")


def is_plain(path: Path) -> bool:
    """Return whether no shell, list or URI makes anything else of the path."""
    return _PLAIN.fullmatch(str(path)) is not None


def plain(path: Path) -> Path:
    """Return another name of an existing folder or file, the same one where it is plain already.

    Raises
    ------
    ToolError
        If the folder of the links belongs to somebody else.
    """
    if is_plain(path):
        return path
    if not path.is_dir():  # a wheel and a module keep their names
        return plain(path.parent) / path.name
    link = _links() / hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    if not link.is_symlink() or link.readlink() != path:
        fresh = link.with_name(f"{link.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(path)
        fresh.replace(link)  # never missing while somebody else runs through it
    return link


def python() -> Path:
    """Return this interpreter: its environment is linked as a whole, else it would not find it."""
    program, prefix = Path(sys.executable), Path(sys.prefix)
    return plain(prefix) / program.relative_to(prefix) if prefix in program.parents else program


def _links() -> Path:
    # the same for every TMPDIR: checkpoints name their files by it
    system = _SYSTEM if os.access(_SYSTEM, os.W_OK) else Path(tempfile.gettempdir())
    folder = system / f"streamrec-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        message = f"{folder}: expected a folder of this user, got one of user {found.st_uid};"
        raise ToolError(f"{message} remove it")
    return folder
