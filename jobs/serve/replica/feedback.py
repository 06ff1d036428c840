"""What became of impressions: sums over all users, and click-through by arm over time."""

from collections import Counter
from collections.abc import Iterator

import msgspec

from state.keyed.feedback_counts import Cell, FeedbackRecord

WINDOW_MS = 10_000
_WINDOWS = 360
Arms = dict[str, Cell]
_decode = msgspec.json.Decoder(FeedbackRecord).decode


class FeedbackSums:
    """The newest counts of each bucket, and what was decided in each window of time."""

    def __init__(self) -> None:
        self._buckets: dict[int, FeedbackRecord] = {}
        self._lineage, self._newest = "", (0, 0)
        self._windows: dict[int, Arms] = {}

    def take(self, value: bytes) -> None:
        """Take a record `feedback/<bucket>` of `recommendation_metrics`.

        Counts of a job before this one, of no state in common, are left out.
        """
        try:
            found = _decode(value)
        except (msgspec.MsgspecError, ValueError):
            return
        order = (found.epoch, found.generated_at)
        if found.lineage != self._lineage:
            if order < self._newest:
                return
            self._buckets.clear()
            self._windows.clear()
            self._lineage = found.lineage
        self._newest = max(self._newest, order)
        before = self._buckets.get(found.bucket)
        if before is not None and found.total.acted < found.total.decided:
            self._note(found, before.arms)
        self._buckets[found.bucket] = found

    def _note(self, found: FeedbackRecord, before: Arms) -> None:
        """Add what has been decided since the bucket's last record to its window of time.

        Not what was decided before there was one; nor while all have an action, as nothing that was
        ignored can have been decided yet.
        """
        start = found.generated_at // WINDOW_MS * WINDOW_MS
        for arm, cell in found.arms.items():
            old = before.get(arm, Cell())
            if cell.decided > old.decided:
                more = Cell(cell.decided - old.decided, max(cell.acted - old.acted, 0))
                _add(self._windows.setdefault(start, {}).setdefault(arm, Cell()), more)
        if len(self._windows) > _WINDOWS:
            del self._windows[min(self._windows)]

    def impressions(self) -> dict[str, int]:
        """Return impressions by fate."""
        found = Counter[str]()
        for one in self._buckets.values():
            found.update(one.impressions)
        return dict(found)

    def total(self) -> Cell:
        """Return the outcomes of all impressions."""
        found = Cell()
        for one in self._buckets.values():
            _add(found, one.total)
        return found

    def by(self, part: str) -> Arms:
        """Return outcomes by `arms`, `positions`, `reasons` or `models`."""
        found: Arms = {}
        for one in self._buckets.values():
            for name, cell in getattr(one, part).items():
                _add(found.setdefault(name, Cell()), cell)
        return found

    def windows(self, n: int) -> Iterator[tuple[int, Arms]]:
        """Yield start and outcomes by arm of the newest windows, in the order of time."""
        for start in sorted(self._windows)[-n:]:
            yield start, self._windows[start]


def _add(total: Cell, cell: Cell) -> None:
    total.decided += cell.decided
    total.acted += cell.acted
    total.reward += cell.reward
