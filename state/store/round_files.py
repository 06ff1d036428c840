"""Files that a trainer leaves in its folder, read as if anybody had written them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from state.codec.json_codec import Count
from state.codec.sealed import CorruptError

_T = TypeVar("_T")
_REMEDY = "the round is begun anew; see the trainer's output"
Figures = dict[str, float | None]
"""By name; None for a number that is not finite."""


class Progress(msgspec.Struct, frozen=True, omit_defaults=True):
    """Progress of the trainer."""

    step: Count | None = None
    steps: Count | None = None
    loss: float | None = None
    left_s: float | None = None

    def told(self) -> dict[str, Any]:
        """Return by name what is known."""
        return {k: v for k, v in msgspec.structs.asdict(self).items() if v is not None}


class Spent(msgspec.Struct, frozen=True):
    """Privacy that a round spends, as its trainer reports before the first step."""

    noise: float
    rate: float
    steps: Count
    """0: none fits into the budget any more."""
    epsilon: float
    """Of all rounds, this one included."""


class Expected(msgspec.Struct, frozen=True):
    """Expected gains of weights of the deep score, see `models.deep.training.expected`."""

    events: list[float | None] = []
    """[n]; empty where nothing is expected."""
    gains: list[float | None] = []
    """Sums of each weight's."""
    squares: list[float | None] = []
    variances: list[float | None] = []
    """Of the sums, users being what is drawn."""


class Report(msgspec.Struct, frozen=True):
    """The outcome of a round, see `models.deep.training.report`."""

    items: Count
    steps: Count
    seconds: float
    events: Count
    loss: list[float | None]
    champion: Figures
    challenger: Figures
    expected: Expected | None = None


def progress(folder: Path) -> Progress:
    """Return what the trainer said last; nothing where it said nothing that can be read."""
    try:
        return _read(folder / "progress.json", Progress)
    except (OSError, CorruptError):
        return Progress()


def spent(folder: Path) -> Spent | None:
    """Return what the trainer in a folder spends; None where it has not begun to.

    Raises
    ------
    CorruptError
        If the file makes no sense.
    """
    path = folder / "privacy.json"
    try:
        return _read(path, Spent)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CorruptError(f"{path.name}: expected to read, got: {error}; {_REMEDY}") from None


def report(out: Path) -> Report:
    """Return the report of a trainer that ended well.

    Raises
    ------
    CorruptError
        If there is none that makes sense.
    """
    path = out / "report.json"
    return _present(path, lambda: _read(path, Report))


def content(path: Path) -> bytes:
    """Return a file that a trainer must leave; a CorruptError where it is not there."""
    return _present(path, path.read_bytes)


def column(path: Path, kind: type[np.generic]) -> NDArray[Any]:
    """Return a column of numbers of one kind.

    Raises
    ------
    CorruptError
        If the file is missing, none of NumPy's, or holds something else.
    """
    found = _present(path, lambda: np.load(path, allow_pickle=False))
    if not isinstance(found, np.ndarray) or found.ndim != 1 or found.dtype != kind:
        raise CorruptError(
            f"{path.name}: expected the trainer's files, a column of {kind.__name__}, got another;"
            f" {_REMEDY}"
        )
    return found


def _read(path: Path, kind: type[_T]) -> _T:
    """Read JSON as Python writes it: numbers that are not finite become None."""
    data = path.read_bytes()
    try:
        return msgspec.convert(json.loads(data, parse_constant=lambda _: None), type=kind)
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise CorruptError(
            f"{path.name}: expected the trainer's files, got: {str(error)[:300]}; {_REMEDY}"
        ) from None


def _present(path: Path, read: Callable[[], _T]) -> _T:
    try:
        return read()
    except CorruptError:
        raise
    except Exception as error:  # what NumPy raises of damaged files has no common base
        raise CorruptError(
            f"{path.name}: expected the trainer's files, got: {error!r:.300}; {_REMEDY}"
        ) from None
