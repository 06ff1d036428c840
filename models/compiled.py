"""`compiled`: numba's njit with a cache that is keyed by what the source says, not where it lies.

A wheel is unpacked into a new folder for every job; numba's own cache, keyed by path, would
compile everything again. Import numba nowhere else: PyFlink's worker needs the line below first.
"""

import builtins
import functools
import hashlib
import importlib.resources
import os
import sys
from collections.abc import Callable, Iterator
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

# PyFlink's worker replaces builtins.print by a method of its main module, and numba looks that
# name up in the module when it is imported.
_worker = sys.modules.get("pyflink.fn_execution.beam.beam_sdk_worker_main")
if _worker is not None and not hasattr(_worker, "print"):
    _worker.print = builtins.print  # type: ignore[attr-defined]

import numba  # noqa: E402
from numba.core import caching  # noqa: E402

Integer: TypeAlias = Any
Real: TypeAlias = Any
Truth: TypeAlias = Any
"""A number inside a compiled function: numba knows its type, Python does not."""

_Function = TypeVar("_Function", bound=Callable[..., Any])

_FAST = {"reassoc", "contract", "arcp", "nsz"}
"""Freedom to vectorise sums; NaN and infinity keep their meaning, guards rely on them."""


def compiled(function: _Function) -> _Function:
    """Compile a function of numbers, arrays and named tuples of them; division by 0 gives inf.

    The machine code is kept in `$XDG_CACHE_HOME/streamrec/numba` (`~/.cache/…` without it),
    in a folder named by the content of the function's file and of `models/`. Where that cannot
    be written to, the function is compiled anew in each process.
    """
    return _decorated(function)


def entry(function: _Function) -> _Function:
    """Compile a kernel that Python calls: one that begins the work on many elements.

    Python's way in unpacks every array of the named tuples it is given: with some hundred of them,
    it takes longer to compile than most kernels themselves.
    """
    return _decorated(function, _nrt=False)


def kernel(function: _Function) -> _Function:
    """Compile a function that makes no array: it neither allocates nor counts references.

    A function that is run once an element must be a kernel, and call kernels only. Counting the
    references to every array of the named tuples it passes on costs more than its work: learning
    an event takes four times as long without this. Compiled functions call it, Python cannot:
    what begins the work is an `entry`.
    """
    dispatcher: Any = _decorated(
        function, _nrt=False, no_cpython_wrapper=True, no_cfunc_wrapper=True
    )
    # without Python's way in, numba would jump to address 0
    dispatcher.add_overload = lambda made: dispatcher.overloads.update(
        {tuple(made.signature.args): made}
    )
    dispatcher._compile_for_args = functools.partial(_refuse, function)  # noqa: SLF001
    return dispatcher  # type: ignore[no-any-return]


def _refuse(function: Callable[..., Any], *_: object, **__: object) -> None:
    message = "expected a call from a compiled function, got one from Python; make it an entry"
    raise TypeError(f"{function.__module__}.{function.__qualname__}: {message}")


def _decorated(function: _Function, **options: bool) -> _Function:
    # numba's declared options lack these
    njit: Callable[..., Callable[[_Function], _Function]] = numba.njit
    return njit(
        cache=cache_folder(function.__module__, function.__code__.co_filename) is not None,
        nogil=True,
        error_model="numpy",
        fastmath=_FAST,
        **options,
    )(function)


@functools.cache
def cache_folder(module: str, source: str) -> Path | None:
    """Return the folder for the machine code of a module; None where none can be made.

    Its source is asked for as Python imports it: from a folder, or from the wheel as a zip file.
    """
    try:
        folder = _root() / _digest(module, source)[:24]
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except (OSError, RuntimeError):  # the latter: nobody's home
        return None
    return folder if os.access(folder, os.W_OK) and folder.stat().st_uid == os.geteuid() else None


class ContentLocator(caching._CacheLocator):  # noqa: SLF001
    """Tells numba where the machine code of a file is kept: see `cache_folder`."""

    def __init__(self, function: Callable[..., Any], source: str, folder: Path) -> None:
        self._line = function.__code__.co_firstlineno
        self._py_file = source
        self._folder = folder

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> "ContentLocator | None":
        """Return the locator of a function of this project."""
        folder = cache_folder(py_func.__module__, py_file)
        return None if folder is None else cls(py_func, py_file, folder)

    def get_cache_path(self) -> str:
        """Return the folder."""
        return str(self._folder)

    def get_source_stamp(self) -> str:
        """Return what has to change for the machine code to be stale: the folder's name."""
        return self._folder.name

    def get_disambiguator(self) -> str:
        """Tell functions of one name apart."""
        return str(self._line)


def _root() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(home) / "streamrec" / "numba"


def _digest(module: str, source: str) -> str:
    """Return the digest of a module and of all in `models/` that it may have compiled into it."""
    # machine code names its module, so a file that was moved is another one
    digest = hashlib.sha256(f"{numba.__version__} {module}".encode())
    loader: Any = sys.modules[module].__loader__
    for content in [*_inlinable(), loader.get_data(source)]:
        digest.update(content)
    return digest.hexdigest()


@functools.cache
def _inlinable() -> list[bytes]:
    """Return the contents of the files in `models/`: functions, and constants, are compiled in."""
    return [file.read_bytes() for file in _sources(importlib.resources.files("models"))]


def _sources(folder: Traversable) -> Iterator[Traversable]:
    """Yield the Python files under a folder, in the order of their names."""
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _sources(entry)
        elif entry.name.endswith(".py"):
            yield entry


_locators: list[type[object]] = caching.CacheImpl._locator_classes  # noqa: SLF001
_locators.insert(0, ContentLocator)
