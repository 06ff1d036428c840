"""Read a rating matrix from a CSV file: users in rows, items in columns.

Cells are separated by commas, or by semicolons or tabs where the first line has these. A first line
without a number is a header; a first column without a number has names. A cell that is empty, `0`
or `NaN` is unknown. Empty lines are passed over. The text is UTF-8, with or without a mark (BOM).
"""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scripts.tools.console import ToolError

LARGEST = 1_000
"""Rows, and columns."""
_BYTES = 20_000_000
_LEAST, _MOST = 1e-6, 1e6
"""Sizes of a rating; their squares can be added up."""


class Table(NamedTuple):
    """A matrix with NaN where a rating is unknown, and the names of its rows and columns."""

    users: list[str]
    items: list[str]
    ratings: NDArray[np.float64]


class _Line(NamedTuple):
    """The cells of a line, and its number in the file."""

    number: int
    cells: list[str]


def read(path: Path) -> Table:
    """Return the matrix of a file.

    Raises
    ------
    ToolError
        Where something else stands than was expected, and what to do.
    """
    lines = list(_lines(path, _text(path)))
    if not lines:
        raise _wrong(path, None, "a row for each user", "an empty file", "write ratings into it")
    for line in lines:
        _same_length(path, line, lines[0])
    header = _is_header(lines[0].cells)
    rows = lines[1:] if header else lines
    if not rows:
        raise _wrong(path, None, "rows below the header", "none", "add a row for each user")
    named = len(rows[0].cells) > 1 and all(_is_name(line.cells[0]) for line in rows)
    columns = range(1 if named else 0, len(rows[0].cells))
    ratings = np.array([[_rating(path, line, c) for c in columns] for line in rows])
    if max(ratings.shape) > LARGEST:
        raise _too_large(path, f"{len(rows):,} x {ratings.shape[1]:,}")
    if np.isnan(ratings).all():
        raise _wrong(path, None, "a known rating", "only unknown cells", "fill in some numbers")
    users = [line.cells[0] if named else f"user {n}" for n, line in enumerate(rows)]
    items = [lines[0].cells[c] if header else f"item {n}" for n, c in enumerate(columns)]
    return Table(users, items, ratings)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_BYTES + 1)
    except OSError as error:
        raise _wrong(
            path, None, "a file that can be read", error.strerror or "an error", "check the path"
        ) from error
    if len(data) > _BYTES:
        raise _too_large(path, f"more than {_BYTES:,} bytes")
    if b"\0" in data:
        line = data[: data.index(b"\0")].count(b"\n") + 1
        raise _wrong(path, line, "text", "a NUL byte", "save the file as CSV in UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        got = f"byte 0x{data[error.start]:02x}"
        raise _wrong(path, line, "UTF-8", got, "save the file as CSV in UTF-8") from error


def _lines(path: Path, text: str) -> Iterator[_Line]:
    """Yield the lines that are not empty; one more row than is allowed is enough to refuse it."""
    first = text.lstrip().partition("\n")[0]
    separator = next((mark for mark in ";\t" if mark in first), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        for count, cells in enumerate(filter(None, reader)):
            if count > LARGEST + 1 or len(cells) > LARGEST + 1:
                raise _too_large(path, "more")
            yield _Line(reader.line_num, [cell.strip() for cell in cells])
    except csv.Error as error:
        raise _wrong(path, reader.line_num, "CSV", str(error), "check its quotes") from error


def _same_length(path: Path, line: _Line, first: _Line) -> None:
    if len(line.cells) != len(first.cells):
        raise _wrong(
            path,
            line.number,
            f"{len(first.cells)} cells, as in line {first.number}",
            str(len(line.cells)),
            "leave unknown cells empty, without leaving out their separators",
        )


def _is_header(cells: list[str]) -> bool:
    """Say whether there are names only; the corner above the names of rows may be empty."""
    corner, *others = cells
    return all(map(_is_name, others)) and (_is_name(corner) or (corner == "" and bool(others)))


def _is_name(cell: str) -> bool:
    try:
        float(cell or "nan")
    except ValueError:
        return True
    return False


def _rating(path: Path, line: _Line, column: int) -> float:
    """Return the number of a cell, NaN if it is unknown."""
    cell = line.cells[column]
    where = f"a number, or nothing for an unknown rating, in cell {column + 1}"
    if _is_name(cell):
        advice = "use a decimal point, and names only in a whole first line or column"
        raise _wrong(path, line.number, where, repr(cell), advice)
    value = float(cell or "nan")
    if value == 0 or np.isnan(value):
        return np.nan
    if np.isinf(value):
        raise _wrong(path, line.number, f"a finite {where[2:]}", repr(cell), "correct it")
    if not _LEAST <= abs(value) <= _MOST:
        expected = f"0 or a size from {_LEAST:f} to {_MOST:,.0f} in cell {column + 1}"
        raise _wrong(path, line.number, expected, repr(cell), "scale the ratings")
    return value


def _too_large(path: Path, got: str) -> ToolError:
    limit = f"at most {LARGEST:,} rows and {LARGEST:,} columns"
    return _wrong(path, None, limit, got, "take a part of it; the job itself is for more")


def _wrong(path: Path, line: int | None, expected: str, got: str, advice: str) -> ToolError:
    where = f"{path}" if line is None else f"{path}, line {line}"
    return ToolError(f"{where}: expected {expected}, got {got}; {advice}", 2)
