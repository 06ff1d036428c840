"""Behaviour to replay: rows of files or generated ones, as blocks of columns."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from scripts.tools.console import progress
from scripts.tools.data import rows as rows_of
from scripts.tools.data.columns import Columns
from scripts.tools.data.generator import EVENT_TYPES, Generator, GeneratorParams
from scripts.tools.data.ids import Names

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
    typed: bool = True
    """Whether the types are the source's own; else they are `rating`, or `view` without one."""

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.users)

    def part(self, rows: slice) -> "Block":
        """Return some of the events."""
        return Block(
            self.event_ids[rows],
            self.users[rows],
            self.items[rows],
            self.types[rows],
            self.times[rows],
            self.values[rows],
            self.typed,
        )


class Blocks(Protocol):
    """Events, block by block."""

    @property
    def events(self) -> int:
        """Return how many there are."""

    def blocks(self) -> Iterator[Block]:
        """Yield all events, in order; the same ones at every call."""


class Source(Blocks, Protocol):
    """Where events come from."""

    @property
    def times(self) -> NDArray[np.int64]:
        """Return when they happened, ms since 1970; of generated ones the first and last time."""

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
    """Rows of files, see `scripts.tools.data.rows`; those without a type are ratings or views.

    They come in the order of their times, rows of the same time as they are stored.

    Parameters
    ----------
    paths
        Files, and folders of them.
    columns
        Names of their columns, see `scripts.tools.data.columns`.
    events
        Take only that many rows, the first ones stored; None = all of them.
    start_ms
        Shift event times so that the oldest event is at this instant; None = leave them.
    repeat
        Replay the rows that many times, each time with new users: more data of the same kind.

    Raises
    ------
    ToolError
        For a missing file, missing columns or unusable values.
    """

    def __init__(
        self,
        *paths: Path,
        columns: Columns = MappingProxyType({}),
        events: int | None = None,
        start_ms: int | None = None,
        repeat: int = 1,
    ) -> None:
        rows = rows_of.read(paths, rows_of.files(paths, columns), events)
        assert rows.times is not None  # noqa: S101  # a column that must be there
        self.events = len(rows) * repeat
        self.where = rows_of.where(paths)
        self.unit = rows.unit
        self.mark = ""
        self._repeat = repeat
        order = np.argsort(rows.times, kind="stable")
        self.sorted = bool((np.diff(order) > 0).all())
        self.times = rows.times
        self._labels, self._rows = rows.labels, rows.numbers
        self.users, self.items = rows.names["user"], rows.names["item"]
        self.types = rows.names.get("type")
        self.values = rows.values.get("rating")
        """Ratings, NaN where there is none; None where no row has one."""
        self._order(order)
        if start_ms is not None:
            self.times = self.times - self.times[:1] + start_ms

    def _order(self, at: NDArray[np.intp]) -> None:
        """Take these rows, in this order."""
        self.times, self._rows = self.times[at], self._rows[at]
        self._labels = self._labels.ordered(at)
        self.users, self.items = self.users.ordered(at), self.items.ordered(at)
        self.types = None if self.types is None else self.types.ordered(at)
        self.values = None if self.values is None else self.values[at]

    def ratings(self, rating_type: str) -> NDArray[np.float64] | None:
        """Return the values that are ratings, NaN where there is none; None where no row has one.

        Where rows have types, those of one are ratings: values of others may be prices.
        """
        if self.types is None or self.values is None:
            return self.values
        rating = np.array([name == rating_type for name in self.types.distinct], np.bool_)
        return np.where(rating[self.types.codes], self.values, np.nan)

    def row(self, at: int) -> int:
        """Return the number of a row in its file."""
        return int(self._rows[at])

    def repeated(self, times: int) -> "Recorded":
        """Return the same rows that many times, see `repeat`."""
        found = copy.copy(self)
        found.events, found._repeat = len(self.times) * times, times  # noqa: SLF001  # a copy
        return found

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
        chosen = copy.copy(self)
        chosen._order(np.flatnonzero(rows))  # noqa: SLF001  # a copy
        return chosen.repeated(self._repeat)

    def blocks(self) -> Iterator[Block]:
        """Yield all events, in order; the same ones at every call."""
        rows = len(self.users)
        for repetition in range(self._repeat):
            mark = f".{repetition}" if repetition else ""
            users = self.users if not mark else self.users.marked(mark)
            for first in range(0, rows, BLOCK):
                yield self._block(users, slice(first, min(first + BLOCK, rows)), mark)

    def _block(self, users: Names, rows: slice, mark: str) -> Block:
        labels, numbers = self._labels.take(rows), self._rows[rows].tolist()
        values = self._values(rows)
        rated = ["view" if value is None else "rating" for value in values]
        return Block(
            event_ids=[
                f"{label}{self.mark}{mark}-{n}" for label, n in zip(labels, numbers, strict=True)
            ],
            users=users.take(rows),
            items=self.items.take(rows),
            types=rated if self.types is None else self.types.take(rows),
            times=self.times[rows].tolist(),
            values=values,
            typed=self.types is not None,
        )

    def _values(self, rows: slice) -> list[float | None]:
        if self.values is None:
            return [None] * (rows.stop - rows.start)
        return [None if value != value else value for value in self.values[rows].tolist()]


def recorded(
    data: Sequence[Path],
    *,
    columns: Columns = MappingProxyType({}),
    events: int | None,
    start_ms: int | None = None,
    repeat: int = 1,
) -> Recorded:
    """Return the events of files, and say what they are; parameters as of `Recorded`."""
    found = Recorded(*data, columns=columns, events=events, start_ms=start_ms, repeat=repeat)
    told = f"{found.where}: {found.events:,} events; timestamps are in {found.unit}"
    progress(told if found.sorted else f"{told}; rows sorted by them")
    return found


def source(
    data: Sequence[Path] | None,
    *,
    columns: Columns = MappingProxyType({}),
    events: int | None,
    start_ms: int | None = None,
    repeat: int = 1,
    seed: int = 1,
) -> Source:
    """Return the events of files, or generated ones where there are none."""
    if data is not None:
        return recorded(data, columns=columns, events=events, start_ms=start_ms, repeat=repeat)
    params = GeneratorParams(seed=seed)
    if start_ms is not None:
        params = GeneratorParams(seed=seed, start_ms=start_ms)
    return Generated(200_000 if events is None else events, params)


def _moved_by(days: int) -> str:
    """Return a part of an event id: at another time it is another event."""
    return f"@{days:+d}d" if days else ""
