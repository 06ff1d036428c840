"""Behaviour to replay: a Parquet file's rows or generated ones, as blocks of columns."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from scripts.tools.console import ToolError, progress
from scripts.tools.data.generator import EVENT_TYPES, Generator, GeneratorParams

BLOCK = 5_000
COLUMNS = ("user_id", "item_id", "timestamp")
UNITS = (("s", 2**32, 1e3), ("ms", 2**32 * 1e3, 1.0), ("us", 2**32 * 1e6, 1e-3),
         ("ns", 2**32 * 1e9, 1e-6))  # fmt: skip
"""Unit of a timestamp, what it stays below (until the year 2106), and its milliseconds.

So s are told from ms of February 20, 1970 and later, and ms from us.
"""
DAY_MS = 86_400_000


@dataclass(slots=True)
class Block:
    """Columns of n events in order, ready to be written as JSON."""

    event_ids: list[str]
    users: list[str]
    items: list[str]
    types: list[str]
    times: list[int]
    """Event time, ms since 1970."""
    values: list[float | None]

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.users)


class Source(Protocol):
    """Where events come from."""

    @property
    def events(self) -> int:
        """How many there are."""

    @property
    def times(self) -> NDArray[np.int64]:
        """When they happened, ms since 1970; of generated ones the first and last time."""

    def moved(self, days: int) -> "Source":
        """Return the same behaviour as other events, so many days later."""

    def blocks(self) -> Iterator[Block]:
        """Yield all events, in order; the same ones at every call."""


@dataclass(frozen=True)
class Generated:
    """Events of `scripts.tools.data.generator`."""

    events: int
    params: GeneratorParams = GeneratorParams()  # noqa: RUF009  # frozen
    mark: str = ""
    """Part of every event id."""

    @property
    def times(self) -> NDArray[np.int64]:
        """The first time and about the last one."""
        first, pace = self.params.start_ms, self.params.events_per_second
        return np.array([first, first + int(1000 * self.events / pace)])

    def moved(self, days: int) -> "Generated":
        """Return the same behaviour as other events, so many days later."""
        start_ms = self.params.start_ms + days * DAY_MS
        return replace(self, params=replace(self.params, start_ms=start_ms), mark=_moved_by(days))

    def blocks(self) -> Iterator[Block]:
        """Yield all events, in order; the same ones at every call."""
        generator = Generator(self.params)
        prefix = f"g{self.params.seed}{self.mark}"
        users = [f"user-{number}" for number in range(self.params.users)]
        items: list[str] = []
        for first in range(0, self.events, BLOCK):
            columns = generator.block(min(BLOCK, self.events - first))
            items += [f"item-{number}" for number in range(len(items), generator.items)]
            yield Block(
                event_ids=[f"{prefix}-{n}" for n in range(first, first + len(columns.user))],
                users=[users[number] for number in columns.user.tolist()],
                items=[items[number] for number in columns.item.tolist()],
                types=[EVENT_TYPES[kind] for kind in columns.event_type.tolist()],
                times=columns.time.tolist(),
                values=[None if value != value else value for value in columns.value.tolist()],
            )


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


class Recorded:
    """Rows of a Parquet file with the columns user_id, item_id, timestamp and perhaps rating.

    They come in the order of their times, rows of the same time as they are stored.

    Parameters
    ----------
    path
        The file.
    events
        Take only that many rows, the first ones stored; None = all of them.
    start_ms
        Shift event times so that the oldest event is at this instant; None = leave them.
    repeat
        Replay the rows that many times, each time with new users: more data of the same kind.

    Raises
    ------
    ToolError
        For a missing file, missing columns, empty values or unusable types.
    """

    def __init__(
        self,
        path: Path,
        *,
        events: int | None = None,
        start_ms: int | None = None,
        repeat: int = 1,
    ) -> None:
        rows = _read(path).slice(0, events)
        if len(rows) == 0:
            message = f"{path}: expected at least one row, got none; choose another file"
            raise ToolError(message)
        self.events = len(rows) * repeat
        self._name = path.stem
        self.mark = ""
        self._repeat = repeat
        times, self.unit = times_of(path, rows)
        self._rows = np.argsort(times, kind="stable")
        self.sorted = bool((np.diff(self._rows) > 0).all())
        times = times[self._rows]
        self.times = times if start_ms is None else times - times[:1] + start_ms
        self._users = text(path, rows, "user_id").ordered(self._rows)
        self._items = text(path, rows, "item_id").ordered(self._rows)
        self._values: NDArray[np.float64] | None = None
        if "rating" in rows.column_names:
            self._values = numbers(path, rows, "rating").astype(np.float64)[self._rows]

    def moved(self, days: int) -> "Recorded":
        """Return the same behaviour as other events, so many days later."""
        moved = copy.copy(self)
        moved.times = self.times + days * DAY_MS
        moved.mark = _moved_by(days)
        return moved

    def blocks(self) -> Iterator[Block]:
        """Yield all events, in order; the same ones at every call."""
        rows = len(self._users)
        for repetition in range(self._repeat):
            mark = f".{repetition}" if repetition else ""
            users = self._users if not mark else self._users.marked(mark)
            for first in range(0, rows, BLOCK):
                yield self._block(users, slice(first, min(first + BLOCK, rows)), mark)

    def _block(self, users: "Names", rows: slice, mark: str) -> Block:
        size = rows.stop - rows.start
        return Block(
            event_ids=[f"{self._name}{self.mark}{mark}-{n}" for n in self._rows[rows].tolist()],
            users=users.take(rows),
            items=self._items.take(rows),
            types=["view" if self._values is None else "rating"] * size,
            times=self.times[rows].tolist(),
            values=[None] * size if self._values is None else self._values[rows].tolist(),
        )


def source(
    data: Path | None,
    *,
    events: int | None,
    start_ms: int | None = None,
    repeat: int = 1,
    seed: int = 1,
) -> Source:
    """Return a file's events, or generated ones where there is no file."""
    if data is not None:
        recorded = Recorded(data, events=events, start_ms=start_ms, repeat=repeat)
        told = f"{data}: {recorded.events:,} events; timestamps are in {recorded.unit}"
        progress(told if recorded.sorted else f"{told}; rows sorted by them")
        return recorded
    params = GeneratorParams(seed=seed)
    if start_ms is not None:
        params = GeneratorParams(seed=seed, start_ms=start_ms)
    return Generated(200_000 if events is None else events, params)


def _moved_by(days: int) -> str:
    """Return a part of an event id: at another time it is another event."""
    return f"@{days:+d}d" if days else ""


def times_of(path: Path, table: pa.Table) -> tuple[NDArray[np.int64], str]:
    """Return event times in ms, and the unit of the column: of its type, else told by size."""
    kind, column = table.schema.field("timestamp").type, numbers(path, table, "timestamp")
    if _is_instant(kind):
        return column, str(kind)
    times, unit = milliseconds(column)
    return times, f"{unit}, as their size tells"


def milliseconds(times: NDArray[Any]) -> tuple[NDArray[np.int64], str]:
    """Return timestamps in ms, and the unit they were in, told by the largest one.

    >>> milliseconds(np.array([956703836]))
    (array([956703836000]), 's')
    """
    unit, factor = unit_of(float(np.abs(times).max(initial=0)))
    return scaled(times, factor), unit


def unit_of(largest: float) -> tuple[str, float]:
    """Return the unit that the largest timestamp shows, and its milliseconds.

    >>> unit_of(956703836)
    ('s', 1000.0)
    """
    for unit, limit, factor in UNITS:
        if largest < limit:
            return unit, factor
    message = f"timestamp: expected s, ms, us or ns since 1970, up to 2106, got {largest:g}"
    raise ToolError(message)


def scaled(times: NDArray[Any], factor: float) -> NDArray[np.int64]:
    """Return timestamps of a known unit in ms."""
    found = times * factor if factor >= 1 else times // round(1 / factor)
    return found.astype(np.int64)


def opened(path: Path) -> pq.ParquetFile:
    """Return a Parquet file of behaviour, nothing of it read yet.

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
    missing = [name for name in COLUMNS if name not in names]
    if not missing:
        return file
    message = (
        f"{path}: expected the columns user_id, item_id, timestamp[, rating], got"
        f" {', '.join(names)}; rename or add {', '.join(missing)}"
    )
    raise ToolError(message)


def _read(path: Path) -> pa.Table:
    file = opened(path)
    wanted = [name for name in (*COLUMNS, "rating") if name in file.schema_arrow.names]
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
