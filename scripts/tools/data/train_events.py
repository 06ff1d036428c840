"""Training events out of files larger than memory, as the parts that the trainer reads.

Files are read by batches; a batch's ids are hashed once each. What is kept of
an event, on disk, are 24 bytes: its user's and item's key and its time.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conf.parameters import event_policy
from conf.schema import JobConfig
from models.keys import key_of
from scripts.tools.console import ToolError, progress
from scripts.tools.data import rows, times
from scripts.tools.data.columns import EVENTS, Columns
from scripts.tools.data.ids import Names
from scripts.tools.data.rows import File, Gaps, Part

EVENT_BYTES = 24
SORTING_BYTES = 150
"""What the trainer holds of an event while it sorts, measured with 4 million."""
_BATCH = 131_072
"""Events of a part."""
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
        """Return how many there are."""
        return self.ends[-1]

    def lay_out(self, folder: Path, slices: int) -> None:
        """Link the parts of the first slices into a round's folder."""
        for part in sorted(self.folder.iterdir()):
            if int(part.stem.split("-")[1]) < slices:
                os.link(part, folder / part.name)


@dataclass(frozen=True)
class Scanned:
    """A file of which times have been looked at.

    Parameters
    ----------
    rows
        How many it has.
    factor
        Milliseconds of the unit of its times, if they are numbers: told by the largest of the
        whole file, since a part could mislead.
    """

    file: File
    rows: int
    factor: float


def scanned(paths: Sequence[Path], columns: Columns) -> list[Scanned]:
    """Return the files, their times looked at.

    Raises
    ------
    ToolError
        For a missing file, missing columns, or times that are none.
    """
    return [_scanned(file) for file in rows.files(paths, columns, EVENTS, ("type",))]


def _scanned(file: File) -> Scanned:
    size, largest = 0, 0.0
    for first, batch in file.batches(("time",)):
        found = times.times(batch["time"], file.place("time", first))
        size += len(found.missing)
        if found.unit is None:
            largest = max(largest, found.largest)
    return Scanned(file, size, times.factor_of(largest, file.place("time"))[1])


def prepare(files: Sequence[Scanned], folder: Path, slices: int, report: Report) -> Prepared:
    """Read the files and write their events as parts, sorted by time where they are not.

    Events of the same time keep the order of the files and of their rows. Where there is a column
    of types, only events that the job learns as liked by default are taken.

    Parameters
    ----------
    report
        Is told how many rows have been read.

    Raises
    ------
    ToolError
        If a file cannot be read or there are fewer events than slices.
    """
    size = sum(one.rows for one in files)
    _enough(size, slices)
    spool = folder / "spool"
    spool.mkdir(parents=True)
    columns = {name: _spooled(spool / name, kind, size) for name, kind in _PARTS.items()}
    done, unliked = 0, Counter[str]()
    for read, *part in _events(files, unliked):
        for column, values in zip(columns.values(), part, strict=True):
            column[done : done + len(values)] = values
        done += len(part[0])
        report(read)
    _tell(unliked, size)
    _enough(done, slices)
    parts = folder / "parts"
    parts.mkdir()
    ends = tuple(done * (n + 1) // slices for n in range(slices))
    _write_parts({name: column[:done] for name, column in columns.items()}, parts, ends)
    for name in _PARTS:
        (spool / name).unlink()
    return Prepared(parts, ends)


def _enough(events: int, slices: int) -> None:
    if events < max(1, slices):
        message = f"--data: expected at least {max(1, slices)} events, got {events}"
        raise ToolError(f"{message}; choose other files or fewer --rounds")


def _tell(unliked: Counter[str], size: int) -> None:
    if unliked:
        kinds = ", ".join(f"{kind} {n:,}" for kind, n in unliked.most_common())
        progress(f"{unliked.total():,} of {size:,} rows left out: events of no liking: {kinds}")


def _spooled(path: Path, kind: type, size: int) -> NDArray[Any]:
    return np.memmap(path, dtype=kind, mode="w+", shape=(size,))


def _events(
    files: Sequence[Scanned], unliked: Counter[str]
) -> Iterator[tuple[int, NDArray[np.uint64], NDArray[np.uint64], NDArray[np.int64]]]:
    """Yield rows read so far, and keys of users, keys of items and times in ms of a part."""
    weights = event_policy(JobConfig()).weights
    liked = {kind for kind, weight in weights.items() if weight > 0}
    before = 0
    for one in files:
        gaps = Gaps(one.file.table.path)
        for part in rows.parts(one.file, gaps):
            assert part.times is not None  # noqa: S101  # a column that must be there
            kept = _liked(part, liked, unliked)
            yield (
                before + gaps.rows,
                _keys(Names.of([part.names["user"]]))[kept],
                _keys(Names.of([part.names["item"]]))[kept],
                part.times.ms(one.factor)[kept],
            )
        gaps.tell()
        before += gaps.rows


def _liked(part: Part, liked: set[str], unliked: Counter[str]) -> NDArray[np.bool_]:
    """Return which rows are events of liking; all where there are no types."""
    if "type" not in part.names:
        return np.ones(len(part), np.bool_)
    kinds = Names.of([part.names["type"]])
    good = np.array([kind in liked for kind in kinds.distinct], np.bool_)
    counts = np.bincount(kinds.codes, minlength=len(good)).tolist()
    for kind, is_good, n in zip(kinds.distinct, good, counts, strict=True):
        if not is_good:
            unliked[kind] += n
    return np.asarray(good[kinds.codes], np.bool_)


def _keys(names: Names) -> NDArray[np.uint64]:
    distinct = np.fromiter(map(key_of, names.distinct), np.uint64, len(names.distinct))
    return distinct[names.codes]


def _write_parts(columns: dict[str, NDArray[Any]], folder: Path, ends: Sequence[int]) -> None:
    order = _order(columns["times"])
    begin = 0
    for number, end in enumerate(ends):
        for at in range(begin, end, _BATCH):
            some = slice(at, min(at + _BATCH, end))
            for name, column in columns.items():
                part = column[some] if order is None else column[order[some]]
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
