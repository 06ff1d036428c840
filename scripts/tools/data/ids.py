"""Columns of ids of any type, as text; and names kept once each."""

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from scripts.tools.console import ToolError


@dataclass(frozen=True)
class Place:
    """Where a part of a column is, for messages.

    Parameters
    ----------
    path, name
        The file and its column.
    first
        Number of the part's first row in the file.
    is_text
        Whether the file has no types: whatever stands in a cell came as text.
    """

    path: Path
    name: str
    first: int = 0
    is_text: bool = False

    def error(self, row: int | None, expected: str, got: object, advice: str) -> ToolError:
        """Return what is wrong with the column, or with one row of the part."""
        where = "" if row is None else f" in row {self.first + row}"
        message = f"{self.path}: {self.name}: expected {expected}, got {got}{where}"
        return ToolError(f"{message}; {advice}")


@dataclass(frozen=True)
class Names:
    """A column of names, each kept once."""

    distinct: list[str]
    codes: NDArray[np.int32]

    @classmethod
    def of(cls, parts: list[pa.Array]) -> "Names":
        """Return a column of its parts, none of them with an empty row."""
        column = pa.chunked_array(parts, pa.large_string()).combine_chunks()
        encoded = column.dictionary_encode()
        if isinstance(encoded, pa.ChunkedArray):  # where there is nothing
            encoded = encoded.combine_chunks()
        return cls(encoded.dictionary.to_pylist(), encoded.indices.to_numpy())

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, rows: slice) -> list[str]:
        """Return the names of some rows."""
        return [self.distinct[code] for code in self.codes[rows].tolist()]

    def ordered(self, order: NDArray[np.intp]) -> "Names":
        """Return the same column in another order."""
        return Names(self.distinct, self.codes[order])

    def marked(self, mark: str) -> "Names":
        """Return the same column with other names."""
        return Names([name + mark for name in self.distinct], self.codes)


def ids(column: pa.Array, place: Place) -> pa.Array:
    """Return a column of ids as large_string; null where there is none.

    Whole numbers are the same id whatever their type: 7, 7.0 and the decimal 7.00 are "7".

    Raises
    ------
    ToolError
        For numbers that are not whole, and for types that are no ids.
    """
    column = decoded(column)
    kind = column.type
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        column = _whole(column, place)
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        if place.is_text:
            column = pc.utf8_trim_whitespace(column)
            column = pc.replace_substring_regex(column, r"^(-?[0-9]+)\.0+$", r"\1")
    elif not (pa.types.is_integer(kind) or pa.types.is_null(kind)):
        raise place.error(None, "whole numbers or text", kind, "cast it")
    text = column.cast(pa.large_string())
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.large_string()), text)


def decoded(column: pa.Array) -> pa.Array:
    """Return a column without a dictionary, and bytes that are text as text."""
    if isinstance(column.type, pa.DictionaryType):
        column = column.dictionary_decode()
    if pa.types.is_binary(
        column.type
    ):  # text without the mark that it is, as some writers leave it
        with contextlib.suppress(pa.ArrowInvalid):  # it is none
            column = column.cast(pa.string())
    return column


def _whole(column: pa.Array, place: Place) -> pa.Array:
    numbers = column.cast(pa.float64(), safe=False)
    values = numbers.to_numpy(zero_copy_only=False)
    wrong = np.flatnonzero(~np.isnan(values) & (np.floor(values) != values) | np.isinf(values))
    if len(wrong):
        got = column[int(wrong[0])].as_py()
        raise place.error(int(wrong[0]), "whole numbers or text", got, "cast or mend it")
    if pa.types.is_decimal(column.type):
        text = column.cast(pa.string())
        return pc.replace_substring_regex(text, r"\.0+$", "")
    far = np.flatnonzero(np.abs(values) > 2.0**53)
    if len(far):
        got = values[far[0]]
        advice = "write the column as integers or text: floats of this size are not exact"
        raise place.error(int(far[0]), "ids up to 2^53", f"{got:.0f}", advice)
    return pc.if_else(pc.is_nan(numbers), None, numbers).cast(pa.int64())


def ratings(column: pa.Array, place: Place) -> NDArray[np.float64]:
    """Return a column of numbers, NaN where there is none.

    Raises
    ------
    ToolError
        For what is no number.
    """
    return np.asarray(floats(decoded(column), place), np.float64)


def floats(column: pa.Array, place: Place) -> NDArray[Any]:
    """Return numbers of any type, also as text, as float64; NaN where there is none."""
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        column = pc.utf8_trim_whitespace(column)
        column = pc.if_else(pc.equal(column, ""), pa.scalar(None, kind), column)
        try:
            column = column.cast(pa.float64())
        except pa.ArrowInvalid:
            row = next(n for n, one in enumerate(column.to_pylist()) if not _is_number(one))
            advice = "mend it, or name another column by --columns"
            raise place.error(row, "numbers", repr(column[row].as_py()), advice) from None
    elif not (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_null(kind)
    ):
        advice = "cast it, or name another column by --columns"
        raise place.error(None, "numbers", kind, advice)
    found = column.cast(pa.float64(), safe=False)
    return np.asarray(found.to_numpy(zero_copy_only=False), np.float64)


def _is_number(text: str | None) -> bool:
    if text is None:
        return True
    try:
        pa.array([text]).cast(pa.float64())
    except pa.ArrowInvalid:
        return False
    return True
