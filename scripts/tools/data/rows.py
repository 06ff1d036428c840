"""Rows of behaviour out of files: those with all that they need, the others counted."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from scripts.tools.console import ToolError, progress
from scripts.tools.data import columns as columns_of
from scripts.tools.data.columns import EVENTS, PERHAPS, Columns
from scripts.tools.data.ids import Names, Place, ids, ratings
from scripts.tools.data.tables import Table, tables
from scripts.tools.data.times import Times, factor_of, times

_NUMBERS = ("rating", "period")
_TIME, _RATING = "time", "rating"


@dataclass(frozen=True)
class File:
    """A file, and which of its columns are what."""

    table: Table
    columns: Columns

    def place(self, role: str, first: int = 0) -> Place:
        """Return where a part of a column is."""
        return Place(self.table.path, self.columns[role], first, self.table.is_text)

    def batches(self, roles: Sequence[str]) -> Iterator[tuple[int, dict[str, pa.Array]]]:
        """Yield the number of its first row, and the columns of a part, by what they are."""
        first, names = 0, [self.columns[role] for role in roles]
        for batch in self.table.batches(list(dict.fromkeys(names))):
            yield (
                first,
                {role: batch.column(name) for role, name in zip(roles, names, strict=True)},
            )
            first += len(batch)


@dataclass(frozen=True)
class Part:
    """Some rows of a file, none of them without what it needs; columns by what they are.

    Parameters
    ----------
    rows : int64[n]
        Numbers of the rows in their file.
    names
        Ids and types, as large_string.
    numbers : float64[n]
        NaN for a rating that is not there.
    times
        None where the file has none.
    """

    rows: NDArray[np.int64]
    names: dict[str, pa.Array]
    numbers: dict[str, NDArray[np.float64]]
    times: Times | None

    def __len__(self) -> int:
        return len(self.rows)


@dataclass
class Gaps:
    """Rows of a file that are left out, by what they have not."""

    path: Path
    rows: int = 0
    without: Counter[str] = field(default_factory=Counter)

    def tell(self) -> None:
        """Say in a line what was left out.

        Raises
        ------
        ToolError
            Where it was more than half.
        """
        out = self.without.total()
        if not out:
            return
        several = len(self.without) > 1
        why = ", ".join(f"no {name}{f' ({n:,})' * several}" for name, n in self.without.items())
        words = f"{out:,} of {self.rows:,} rows left out: {why}"
        if 2 * out > self.rows:
            message = f"{self.path}: expected values in most rows, got {words}"
            raise ToolError(f"{message}; fill them, or name other columns by --columns")
        progress(f"{self.path}: {words}")


def files(
    paths: Iterable[Path],
    given: Columns,
    roles: Sequence[str] = EVENTS,
    perhaps: Sequence[str] = PERHAPS,
) -> list[File]:
    """Return the files at some paths and in folders, and say which of their columns are taken.

    Raises
    ------
    ToolError
        For what is no table or lacks columns, and for files of several kinds.
    """
    found = [File(table, columns_of.found(table, given, roles, perhaps)) for table in tables(paths)]
    for other in found:
        if other.columns.keys() != found[0].columns.keys():
            mine, first = (", ".join(one.columns) for one in (other, found[0]))
            message = f"{other.table.path}: expected columns for {first}, as in"
            raise ToolError(f"{message} {found[0].table.path}, got {mine}; take them one by one")
    ways: dict[tuple[str, ...], list[File]] = {}
    for one in found:
        ways.setdefault(tuple(one.columns.values()), []).append(one)
    for alike in ways.values():
        also = f"; {len(alike) - 1:,} more files alike" if len(alike) > 1 else ""
        progress(columns_of.told(alike[0].table, alike[0].columns) + also)
    return found


def parts(file: File, gaps: Gaps, limit: int | None = None) -> Iterator[Part]:
    """Yield the rows of a file that have all they need.

    Parameters
    ----------
    gaps
        Is told of all others.
    limit
        Look at so many rows only, the first ones stored.

    Raises
    ------
    ToolError
        For values that cannot be what they stand for.
    """
    for first, whole in file.batches(tuple(file.columns)):
        batch = whole
        if limit is not None:
            batch = {role: column[: max(0, limit - first)] for role, column in whole.items()}
        yield _part(file, batch, first, gaps)
        if limit is not None and first + len(next(iter(whole.values()))) >= limit:
            return


def _part(file: File, batch: dict[str, pa.Array], first: int, gaps: Gaps) -> Part:
    names: dict[str, pa.Array] = {}
    numbers: dict[str, NDArray[np.float64]] = {}
    found, size = None, len(next(iter(batch.values())))
    kept = np.ones(size, np.bool_)
    for role, column in batch.items():
        place = file.place(role, first)
        if role == _TIME:
            found = times(column, place)
            missing = found.missing
        elif role in _NUMBERS:
            numbers[role] = ratings(column, place)
            missing = np.isnan(numbers[role]) & (role != _RATING)
        else:
            names[role] = ids(column, place)
            missing = np.asarray(pc.is_null(names[role]).to_numpy(zero_copy_only=False), np.bool_)
        if (missing & kept).any():
            gaps.without[place.name] += int(np.count_nonzero(missing & kept))
            kept &= ~missing
    gaps.rows += size
    if not kept.all():
        mask = pa.array(kept)
        names = {role: column.filter(mask) for role, column in names.items()}
        numbers = {role: column[kept] for role, column in numbers.items()}
        if found is not None:
            found = Times(found.values[kept], found.missing[kept], found.unit)
    return Part(first + np.flatnonzero(kept), names, numbers, found)


@dataclass(frozen=True)
class Rows:
    """All rows of some files, in stored order; columns by what they are.

    Parameters
    ----------
    labels
        Name of each row's file, no two files the same.
    numbers
        Number of each row in its file.
    names, values
        Ids and types; numbers.
    times : int64[n]
        Milliseconds since 1970; None where the files have none.
    unit
        What times were in, in words.
    """

    labels: Names
    numbers: NDArray[np.int64]
    names: dict[str, Names]
    values: dict[str, NDArray[np.float64]]
    times: NDArray[np.int64] | None
    unit: str

    def __len__(self) -> int:
        return len(self.numbers)


def where(paths: Sequence[Path]) -> str:
    """Return some paths in words.

    >>> where([Path("a.csv"), Path("b.csv"), Path("c.csv")])
    'a.csv and 2 more'
    """
    return str(paths[0]) if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"


def read(paths: Sequence[Path], found: Sequence[File], limit: int | None = None) -> Rows:
    """Return all rows of some files.

    Parameters
    ----------
    paths
        As they were given, for messages.
    found
        The files there.
    limit
        Take only that many rows, the first ones stored.

    Raises
    ------
    ToolError
        For files without rows, or with values that cannot be what they stand for.
    """
    kept, clocks, units, left = list[list[Part]](), [], dict[str, None](), limit
    for file in found:
        gaps = Gaps(file.table.path)
        kept.append(list(parts(file, gaps, left)))
        gaps.tell()
        left = None if left is None else left - gaps.rows
        if _TIME in file.columns:
            ms, unit = _clock(file, kept[-1])
            clocks.append(ms)
            units[unit] = None
    whole, sizes = [part for mine in kept for part in mine], [sum(map(len, mine)) for mine in kept]
    if not sum(sizes):
        raise ToolError(f"{where(paths)}: expected at least one row, got none; choose another file")
    return Rows(
        Names(_labels(found), np.repeat(np.arange(len(found), dtype=np.int32), sizes)),
        np.concatenate([part.rows for part in whole]),
        {role: Names.of([part.names[role] for part in whole]) for role in whole[0].names},
        {role: np.concatenate([part.numbers[role] for part in whole]) for role in whole[0].numbers},
        np.concatenate(clocks) if clocks else None,
        " and ".join(units),
    )


def _clock(file: File, mine: Sequence[Part]) -> tuple[NDArray[np.int64], str]:
    """Return the times of a file, ms, and the unit they were in: its type's, or told by size."""
    found = [part.times for part in mine if part.times is not None]
    largest = max((one.largest for one in found if one.unit is None), default=0.0)
    unit, factor = factor_of(largest, file.place(_TIME))
    typed = next((one.unit for one in found if one.unit is not None), None)
    ms = np.concatenate([np.empty(0, np.int64), *(one.ms(factor) for one in found)])
    return ms, typed or f"{unit}, as their size tells"


def _labels(found: Sequence[File]) -> list[str]:
    """Return a name for each file, no two the same."""
    seen, labels = Counter[str](), []
    for file in found:
        label = file.table.label
        seen[label] += 1
        labels.append(label if seen[label] == 1 else f"{label}~{seen[label]}")
    return labels
