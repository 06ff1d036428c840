"""Training events out of Parquet files larger than memory, as the parts that the trainer reads.

Files are read by batches of their row groups; a batch's ids are hashed once each. What is kept of
an event, on disk, are 24 bytes: its user's and item's key and its time.
"""

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from models.keys import key_of
from scripts.tools.console import ToolError
from scripts.tools.data import parquet, time_units
from scripts.tools.data.parquet import COLUMNS, Names

EVENT_BYTES = 24
SORTING_BYTES = 150
"""What the trainer holds of an event while it sorts, measured with 4 million."""
_BATCH = 131_072
"""Rows read at once, and events of a part."""
_PARTS = {"users": np.uint64, "items": np.uint64, "times": np.int64}

Report = Callable[[int], None]


@dataclass(frozen=True)
class Prepared:
    """Events in the order of their times, in slices of as many events each.

    Parameters
    ----------
    folder
        Where the parts lie.
    ends
        Events up to the end of each slice.
    """

    folder: Path
    ends: tuple[int, ...]

    @property
    def events(self) -> int:
        """How many there are."""
        return self.ends[-1]

    def lay_out(self, folder: Path, slices: int) -> None:
        """Link the parts of the first slices into a round's folder."""
        for part in sorted(self.folder.iterdir()):
            if int(part.stem.split("-")[1]) < slices:
                os.link(part, folder / part.name)


def rows(paths: Sequence[Path]) -> int:
    """Return how many events the files hold.

    Raises
    ------
    ToolError
        For a missing file or missing columns.
    """
    found = 0
    for path in paths:
        with parquet.opened(path) as file:
            found += file.metadata.num_rows
    return found


def prepare(paths: Sequence[Path], folder: Path, slices: int, report: Report) -> Prepared:
    """Read the files and write their events as parts, sorted by time where they are not.

    Events of the same time keep the order of the files and of their rows.

    Raises
    ------
    ToolError
        If a file cannot be read or there are fewer events than slices.
    """
    size = rows(paths)
    if size < max(1, slices):
        message = f"--data: expected at least {max(1, slices)} events, got {size}"
        raise ToolError(f"{message}; choose other files or fewer --rounds")
    spool = folder / "spool"
    spool.mkdir(parents=True)
    columns = {name: _spooled(spool / name, kind, size) for name, kind in _PARTS.items()}
    done = 0
    for users, items, times in itertools.chain.from_iterable(map(_events, paths)):
        for column, values in zip(columns.values(), (users, items, times), strict=True):
            column[done : done + len(values)] = values
        done += len(users)
        report(done)
    parts = folder / "parts"
    parts.mkdir()
    ends = tuple(size * (n + 1) // slices for n in range(slices))
    _write_parts(columns, parts, ends)
    for name in _PARTS:
        (spool / name).unlink()
    return Prepared(parts, ends)


def _spooled(path: Path, kind: type, size: int) -> NDArray[Any]:
    return np.memmap(path, dtype=kind, mode="w+", shape=(size,))


def _events(
    path: Path,
) -> Iterator[tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.int64]]]:
    """Yield keys of users, keys of items and times in ms."""
    factor = _factor(path)
    for first, table in _batches(path, COLUMNS):
        times = parquet.numbers(path, table, "timestamp", first)
        yield (
            _keys(parquet.text(path, table, "user_id", first)),
            _keys(parquet.text(path, table, "item_id", first)),
            time_units.scaled(times, factor),
        )


def _factor(path: Path) -> float:
    """Return a timestamp's ms, told by the largest of the whole file: a batch could mislead."""
    largest = 0.0
    for first, table in _batches(path, ("timestamp",)):
        times = parquet.numbers(path, table, "timestamp", first)
        largest = max(largest, float(np.abs(times).max(initial=0)))
    return time_units.unit_of(largest)[1]


def _batches(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, pa.Table]]:
    """Yield the number of its first row, and a part of the file."""
    first = 0
    with parquet.opened(path) as file:
        for batch in _readable(path, file, columns):
            yield first, pa.Table.from_batches([batch])
            first += len(batch)


def _readable(path: Path, file: pq.ParquetFile, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    batches = file.iter_batches(_BATCH, columns=list(columns))
    while True:
        try:
            batch = next(batches, None)
        except (OSError, pa.ArrowException) as error:
            message = f"{path}: expected a readable Parquet file, got: {error}"
            raise ToolError(message) from None
        if batch is None:
            return
        yield batch


def _keys(names: Names) -> NDArray[np.uint64]:
    distinct = np.fromiter(map(key_of, names.distinct), np.uint64, len(names.distinct))
    return distinct[names.codes]


def _write_parts(columns: dict[str, NDArray[Any]], folder: Path, ends: Sequence[int]) -> None:
    order = _order(columns["times"])
    begin = 0
    for number, end in enumerate(ends):
        for at in range(begin, end, _BATCH):
            rows = slice(at, min(at + _BATCH, end))
            for name, column in columns.items():
                part = column[rows] if order is None else column[order[rows]]
                path = folder / f"{name}-{number:05}-{(at - begin) // _BATCH:08}.npy"
                np.save(path, part, allow_pickle=False)
        begin = end


def _order(times: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Return where the events lie by time; None where they lie so already."""
    sorted_already = all(
        bool((np.diff(times[at : at + _BATCH + 1]) >= 0).all())
        for at in range(0, len(times), _BATCH)
    )
    return None if sorted_already else np.argsort(times, kind="stable")
