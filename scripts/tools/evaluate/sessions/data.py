"""The clicks of files of sessions as a stream of events."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from scripts.tools.console import ToolError, progress
from scripts.tools.data import rows as rows_of
from scripts.tools.data.behaviour import BLOCK, Block
from scripts.tools.data.columns import Columns
from scripts.tools.data.ids import Names
from scripts.tools.data.rows import Rows

COLUMNS = ("session", "item", "period")
_START_MS = 946_684_800_000
"""2000-01-01: when the first click of a file without times is said to have happened."""
_STEP_MS = 1_000


@dataclass(frozen=True)
class Clicks:
    """Clicks by period, inside a period in stored order, or in that of their times.

    A session is one of a period: the same id in another period is another session.
    """

    session: NDArray[np.int64]
    """(n,) numbered from 0."""
    items: Names
    period: NDArray[np.int64]
    times: NDArray[np.int64]
    """Event time, ms since 1970; one click a second where the file does not say."""

    @property
    def events(self) -> int:
        """Number of clicks."""
        return len(self.session)

    @classmethod
    def of(
        cls, paths: Sequence[Path], limit: int | None, columns: Columns = MappingProxyType({})
    ) -> "Clicks":
        """Return the clicks of files.

        Parameters
        ----------
        limit
            Take only that many rows, the first ones stored.
        columns
            Names of columns, see `scripts.tools.data.columns`.

        Raises
        ------
        ToolError
            For a missing file, missing columns, unusable values; where there is no click, or none
            after period 0.
        """
        rows = rows_of.read(paths, rows_of.files(paths, columns, COLUMNS, ("time",)), limit)
        where = rows_of.where(paths)
        period = _periods(where, rows)
        if period.max() < 1:
            message = f"{where}: period: expected clicks of a period after 0 (0 is only learnt)"
            raise ToolError(f"{message}, got none in {len(rows):,} rows; take more rows")
        timed = rows.times is not None
        times = np.arange(len(rows)) if rows.times is None else rows.times
        order = np.lexsort((np.arange(len(rows)), times, period))
        ids = rows.names["session"].codes.astype(np.int64)
        _, session = np.unique(np.stack([period, ids])[:, order], axis=1, return_inverse=True)
        progress(
            f"{where}: {len(rows):,} clicks of {session.max() + 1:,} sessions in periods"
            f" {period.min()} to {period.max()}{'' if timed else '; no times: one click a second'}"
        )
        return cls(
            session=session.reshape(-1),
            items=rows.names["item"].ordered(order),
            period=period[order],
            times=times[order] if timed else _START_MS + _STEP_MS * times,
        )

    def blocks(self) -> Iterator[Block]:
        """Yield all clicks, in order; the same ones at every call."""
        for first in range(0, self.events, BLOCK):
            rows = slice(first, min(first + BLOCK, self.events))
            size = rows.stop - rows.start
            yield Block(
                event_ids=[f"click-{n}" for n in range(rows.start, rows.stop)],
                users=[f"session-{n}" for n in self.session[rows].tolist()],
                items=self.items.take(rows),
                types=["view"] * size,
                times=self.times[rows].tolist(),
                values=[None] * size,
            )


def _periods(where: str, rows: Rows) -> NDArray[np.int64]:
    column = rows.values["period"]
    period = column.astype(np.int64)
    wrong = np.flatnonzero((period != column) | (period < 0))
    if len(wrong):
        message = f"{where}: period: expected whole numbers from 0, got {column[wrong[0]]:g}"
        raise ToolError(f"{message} in row {rows.numbers[wrong[0]]}; number the periods")
    return period
