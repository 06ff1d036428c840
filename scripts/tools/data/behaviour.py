"""Behaviour to replay: a Parquet file's rows or generated ones, as blocks of columns."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from scripts.tools.console import ToolError, progress
from scripts.tools.data import parquet
from scripts.tools.data.generator import EVENT_TYPES, Generator, GeneratorParams

BLOCK = 5_000
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


class Blocks(Protocol):
    """Events, block by block."""

    @property
    def events(self) -> int:
        """How many there are."""

    def blocks(self) -> Iterator[Block]:
        """Yield all events, in order; the same ones at every call."""


class Source(Blocks, Protocol):
    """Where events come from."""

    @property
    def times(self) -> NDArray[np.int64]:
        """When they happened, ms since 1970; of generated ones the first and last time."""

    def moved(self, days: int) -> "Source":
        """Return the same behaviour as other events, so many days later."""


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
        rows = parquet.rows(path).slice(0, events)
        if len(rows) == 0:
            message = f"{path}: expected at least one row, got none; choose another file"
            raise ToolError(message)
        self.events = len(rows) * repeat
        self._name = path.stem
        self.mark = ""
        self._repeat = repeat
        times, self.unit = parquet.times_of(path, rows)
        self._rows = np.argsort(times, kind="stable")
        self.sorted = bool((np.diff(self._rows) > 0).all())
        times = times[self._rows]
        self.times = times if start_ms is None else times - times[:1] + start_ms
        self.users = parquet.text(path, rows, "user_id").ordered(self._rows)
        self.items = parquet.text(path, rows, "item_id").ordered(self._rows)
        self.values: NDArray[np.float64] | None = None
        if "rating" in rows.column_names:
            self.values = parquet.numbers(path, rows, "rating").astype(np.float64)[self._rows]

    def moved(self, days: int) -> "Recorded":
        """Return the same behaviour as other events, so many days later."""
        moved = copy.copy(self)
        moved.times = self.times + days * DAY_MS
        moved.mark = _moved_by(days)
        return moved

    def chosen(self, rows: NDArray[np.bool_]) -> "Recorded":
        """Return some rows as a stream of their own.

        Parameters
        ----------
        rows : bool[n]
            Of one replay, in the order of times.
        """
        at = np.flatnonzero(rows)
        chosen = copy.copy(self)
        chosen.events = len(at) * self._repeat
        chosen.times, chosen._rows = self.times[at], self._rows[at]  # noqa: SLF001  # a copy
        chosen.users, chosen.items = self.users.ordered(at), self.items.ordered(at)
        chosen.values = None if self.values is None else self.values[at]
        return chosen

    def blocks(self) -> Iterator[Block]:
        """Yield all events, in order; the same ones at every call."""
        rows = len(self.users)
        for repetition in range(self._repeat):
            mark = f".{repetition}" if repetition else ""
            users = self.users if not mark else self.users.marked(mark)
            for first in range(0, rows, BLOCK):
                yield self._block(users, slice(first, min(first + BLOCK, rows)), mark)

    def _block(self, users: parquet.Names, rows: slice, mark: str) -> Block:
        size = rows.stop - rows.start
        return Block(
            event_ids=[f"{self._name}{self.mark}{mark}-{n}" for n in self._rows[rows].tolist()],
            users=users.take(rows),
            items=self.items.take(rows),
            types=["view" if self.values is None else "rating"] * size,
            times=self.times[rows].tolist(),
            values=[None] * size if self.values is None else self.values[rows].tolist(),
        )


def recorded(
    data: Path, *, events: int | None, start_ms: int | None = None, repeat: int = 1
) -> Recorded:
    """Return a file's events, and say what they are; parameters as of `Recorded`."""
    found = Recorded(data, events=events, start_ms=start_ms, repeat=repeat)
    told = f"{data}: {found.events:,} events; timestamps are in {found.unit}"
    progress(told if found.sorted else f"{told}; rows sorted by them")
    return found


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
        return recorded(data, events=events, start_ms=start_ms, repeat=repeat)
    params = GeneratorParams(seed=seed)
    if start_ms is not None:
        params = GeneratorParams(seed=seed, start_ms=start_ms)
    return Generated(200_000 if events is None else events, params)


def _moved_by(days: int) -> str:
    """Return a part of an event id: at another time it is another event."""
    return f"@{days:+d}d" if days else ""
