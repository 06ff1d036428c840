"""Parquet files of behaviour: their columns, checked."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from scripts.tools.console import ToolError
from scripts.tools.data.time_units import milliseconds

COLUMNS = ("user_id", "item_id", "timestamp")
_PERHAPS = ("rating",)


@dataclass(frozen=True)
class Names:
    """A column of names, each kept once."""

    distinct: list[str]
    codes: NDArray[np.int32]

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


def opened(
    path: Path, columns: Sequence[str] = COLUMNS, perhaps: Sequence[str] = _PERHAPS
) -> pq.ParquetFile:
    """Return a Parquet file of behaviour, nothing of it read yet.

    Parameters
    ----------
    columns, perhaps
        Names of those it must have, and of others it may have.

    Raises
    ------
    ToolError
        For a missing file or missing columns.
    """
    try:
        file = pq.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        message = f"{path}: expected a readable Parquet file, got: {error}"
        raise ToolError(message) from None
    names = file.schema_arrow.names
    missing = [name for name in columns if name not in names]
    if not missing:
        return file
    message = (
        f"{path}: expected the columns {', '.join(columns)}[, {', '.join(perhaps)}], got"
        f" {', '.join(names)}; rename or add {', '.join(missing)}"
    )
    raise ToolError(message)


def rows(
    path: Path, columns: Sequence[str] = COLUMNS, perhaps: Sequence[str] = _PERHAPS
) -> pa.Table:
    """Return the columns of behaviour, all rows; parameters as of `opened`.

    Raises
    ------
    ToolError
        For a file that is missing, cut off or without the columns.
    """
    file = opened(path, columns, perhaps)
    wanted = [name for name in (*columns, *perhaps) if name in file.schema_arrow.names]
    try:
        return file.read(columns=wanted)
    except (OSError, pa.ArrowException) as error:
        message = f"{path}: expected a readable Parquet file, got: {error}"
        raise ToolError(message) from None


def _column(path: Path, table: pa.Table, name: str, first: int) -> pa.Array:
    column = table.column(name).combine_chunks()
    empty = pc.is_null(column, nan_is_null=True)
    if pc.any(empty).as_py():
        row = first + pc.index(empty, value=True).as_py()
        message = f"{path}: {name}: expected a value in every row, got none in row {row}"
        raise ToolError(f"{message} ({pc.sum(empty).as_py()} of {len(table):,} rows); drop or fill")
    return column


def text(path: Path, table: pa.Table, name: str, first: int = 0) -> Names:
    """Return a column of ids; `first` is the number of its first row in the file."""
    column = _column(path, table, name, first)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if not (pa.types.is_integer(column.type) or pa.types.is_string(column.type)
            or pa.types.is_large_string(column.type)):  # fmt: skip
        message = f"{path}: {name}: expected whole numbers or text, got {column.type}; cast it"
        raise ToolError(message)
    encoded = column.dictionary_encode()
    names = encoded.dictionary.cast(pa.large_string()).to_pylist()
    return Names(names, encoded.indices.to_numpy())


def numbers(path: Path, table: pa.Table, name: str, first: int = 0) -> NDArray[Any]:
    """Return a column of numbers, timestamps as ms since 1970; `first` as in `text`."""
    column = _column(path, table, name, first)
    if _is_instant(column.type):
        column = column.cast(pa.timestamp("ms"), safe=False).cast(pa.int64())
    numeric = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    if not numeric:
        message = f"{path}: {name}: expected numbers, got {column.type}; cast it"
        raise ToolError(message)
    return np.asarray(column.to_numpy(zero_copy_only=False))


def _is_instant(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def times_of(path: Path, table: pa.Table) -> tuple[NDArray[np.int64], str]:
    """Return event times in ms, and the unit of the column: of its type, else told by size."""
    kind, column = table.schema.field("timestamp").type, numbers(path, table, "timestamp")
    if _is_instant(kind):
        return column, str(kind)
    times, unit = milliseconds(column)
    return times, f"{unit}, as their size tells"
