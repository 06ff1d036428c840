"""Files of tables, Parquet or text, and folders of them: their columns, read batch by batch.

What a file is, its first bytes say, not its name. Cells of text files stay text: what they mean is
for those who know the column.
"""

import csv
import gzip
import io
import itertools
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from scripts.tools.console import ToolError

BATCH = 131_072
"""Rows of a batch of a Parquet file, at most."""
_SUFFIXES = (".parquet", ".csv", ".csv.gz", ".tsv", ".tsv.gz")
_SEPARATORS = (",", "\t", ";")
"""Between two cells, besides MovieLens' `::`."""
_DOUBLE, _UNIT = "::", "\x1f"
"""MovieLens' separator, and one character in its place: ASCII's separator of units."""
_RATINGS = ("user_id", "item_id", "rating", "timestamp")
"""Columns of MovieLens' files without a header."""
_LATER = 1e8
"""A number above is a time in s or smaller units, not a rating: of 1973 and later."""
_HEAD = 1 << 16
_ANY = re.compile(r"(part|data|events|file|chunk|export|run)?[-_.]?[0-9]*([-_.][0-9a-f-]+)*")
"""Names that the files of many folders have."""
_NULLS = ("", "NaN", "nan", "NULL", "null", "None", "NA", "N/A", "\\N", "<NA>")


@dataclass(frozen=True)
class Table:
    """A file of which nothing but the names of its columns has been read."""

    path: Path
    names: tuple[str, ...]

    @property
    def is_text(self) -> bool:
        """Return whether all cells are text."""
        return False

    @property
    def label(self) -> str:
        """The file's name without its suffix, with those of folders that tell it from others.

        It is the same whether the file was named itself or found in a folder.
        """
        *folders, _ = self.path.resolve().parts
        stem = _stem(self.path)
        parts = [*itertools.takewhile(lambda name: "=" in name, reversed(folders))][::-1]
        if not parts and folders and _ANY.fullmatch(stem):
            parts = folders[-1:]
        return "/".join([*parts, stem])

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield some columns, part by part.

        Raises
        ------
        ToolError
            For a file that is cut off or damaged.
        """
        try:
            with pq.ParquetFile(self.path) as file:
                yield from file.iter_batches(BATCH, columns=list(columns))
        except (OSError, pa.ArrowException) as error:
            raise _unreadable(self.path, "Parquet file", error) from None


@dataclass(frozen=True)
class TextTable(Table):
    """A file of lines.

    Parameters
    ----------
    separator
        Between two cells.
    header
        Whether the first line names the columns.
    encoding
        Of the text.
    """

    separator: str
    header: bool
    encoding: str = "utf-8"

    @property
    def is_text(self) -> bool:
        """Return whether all cells are text."""
        return True

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield some columns, part by part.

        Raises
        ------
        ToolError
            For a line with more or fewer cells than there are columns, or bytes that are no UTF-8.
        """
        broken: list[pc.InvalidRow] = []

        def refuse(row: pc.InvalidRow) -> str:
            broken.append(row)
            return "error"

        double = self.separator == _DOUBLE
        try:
            with _stream(self.path, double=double) as stream:
                yield from pc.open_csv(
                    stream,
                    pc.ReadOptions(
                        column_names=list(self.names),
                        skip_rows=int(self.header),
                        use_threads=False,
                        encoding=self.encoding,
                    ),
                    pc.ParseOptions(
                        delimiter=_UNIT if double else self.separator,
                        quote_char=False if double else '"',  # MovieLens quotes nothing
                        invalid_row_handler=refuse,
                        newlines_in_values=True,
                    ),
                    pc.ConvertOptions(
                        include_columns=list(columns),
                        column_types={name: pa.string() for name in columns},
                        null_values=_NULLS,
                        strings_can_be_null=True,
                    ),
                )
        except (OSError, EOFError, pa.ArrowException) as error:
            if broken:
                raise self._ragged(broken[0]) from None
            raise _unreadable(self.path, "text file in UTF-8", error) from None

    def _ragged(self, row: pc.InvalidRow) -> ToolError:
        return ToolError(
            f"{self.path}: expected {row.expected_columns} cells in every line, got"
            f" {row.actual_columns} in line {row.number}; mend the line, or quote cells that hold"
            " the separator"
        )


def tables(paths: Iterable[Path]) -> list[Table]:
    """Return files, and those in folders by name, nothing of them read yet.

    Raises
    ------
    ToolError
        For a path that does not exist, a folder without files, and what is no table.
    """
    return [opened(path) for given in paths for path in _files(given)]


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = [one for one in sorted(path.rglob("*")) if _counts(one.relative_to(path), one)]
    if not found:
        message = f"{path}: expected files named {', '.join(f'*{name}' for name in _SUFFIXES)}"
        raise ToolError(f"{message}, got none; name another folder, or the files themselves")
    return found


def _counts(name: Path, path: Path) -> bool:
    hidden = any(part.startswith((".", "_")) for part in name.parts)
    named = not hidden and path.name.lower().endswith(_SUFFIXES)
    return named and path.is_file() and path.stat().st_size > 0  # empty parts are usual


def _stem(path: Path) -> str:
    name = path.name
    for suffix in sorted(_SUFFIXES, key=len, reverse=True):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return path.stem


def opened(path: Path) -> Table:
    """Return a file, nothing of it read but its columns' names.

    Raises
    ------
    ToolError
        For a file that is missing or no table.
    """
    head = _head(path)
    if head.startswith(b"PAR1"):
        try:
            return Table(path, tuple(pq.read_schema(path).names))
        except (OSError, pa.ArrowException) as error:
            raise _unreadable(path, "Parquet file", error) from None
    if not head.strip():
        raise ToolError(f"{path}: expected at least one row, got none; choose another file")
    if b"\0" in head:
        message = f"{path}: expected a readable Parquet file, or a text file in UTF-8"
        raise ToolError(f"{message}, got other bytes; convert it, or unpack an archive first")
    return _text(path, head.decode("utf-8-sig", "replace").splitlines()[0])


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
        if not head.startswith(b"\x1f\x8b"):
            return head
        with gzip.open(path) as packed:
            return packed.read(_HEAD)
    except (OSError, EOFError) as error:
        raise _unreadable(path, "Parquet file, or a text file in UTF-8", error) from None


def _stream(path: Path, *, double: bool) -> pa.NativeFile:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    stream = pa.input_stream(str(path), compression="gzip" if packed else None)
    return pa.PythonFile(_Single(stream), mode="r") if double else stream


class _Single(io.RawIOBase):
    """A stream of text with a separator of one character where there were two: pyarrow's wish."""

    def __init__(self, stream: pa.NativeFile) -> None:
        super().__init__()
        self._stream, self._carried = stream, b""

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return about so many bytes; none at the end."""
        part = self._stream.read(size if size >= 0 else None)
        data = self._carried + part
        # a separator may be cut in two: of an odd number of colons the last one waits
        colons = len(data) - len(data.rstrip(b":"))
        cut = len(data) - colons % 2 if part else len(data)
        self._carried = data[cut:]
        found = data[:cut].replace(_DOUBLE.encode(), _UNIT.encode())
        return found if found or not part else self.read(size)

    def close(self) -> None:
        """Close the stream below, too."""
        self._stream.close()
        super().close()


def _text(path: Path, line: str) -> TextTable:
    double = "::" in line and not any(one in line for one in _SEPARATORS)
    separator = "::" if double else max(_SEPARATORS, key=line.count)
    cells = [cell.strip() for cell in next(csv.reader([line.replace("::", ":") if double else line],
                                                      delimiter=separator[0]))]  # fmt: skip
    if not (all(map(_is_number, cells)) or any(map(_is_later, cells))):
        return TextTable(path, tuple(cells), separator, header=True)
    names = tuple(str(n) for n in range(1, len(cells) + 1))
    if len(cells) == len(_RATINGS) and _is_number(cells[2]) and _is_later(cells[3]):
        names = _RATINGS
    return TextTable(path, names, separator, header=False)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _is_later(cell: str) -> bool:
    return _is_number(cell) and _LATER < float(cell) < math.inf


def _unreadable(path: Path, expected: str, error: Exception) -> ToolError:
    if isinstance(error, FileNotFoundError):
        return ToolError(f"{path}: expected a readable {expected}, got no such file; mind the path")
    told = (getattr(error, "strerror", None) or str(error)).splitlines()[0][:200].rstrip(" .")
    return ToolError(f"{path}: expected a readable {expected}, got: {told}; fetch or write it anew")
