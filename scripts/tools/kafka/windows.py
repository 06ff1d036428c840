"""Windows of the metrics topic: how much there was, and how good the recommendations were.

There are thousands of them, and most are only added up: they are kept as bytes, and decoded one
after the other.
"""

import functools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from state.codec import json_codec
from state.codec.sealed import StateError

_LEAST = 1_024
"""Windows that are kept whatever their age, before the old ones are looked for."""


class Windows:
    """Windows by their start, each as it was said last.

    Parameters
    ----------
    retention_ms
        Those that start this long before the newest, or earlier, are left out; None = none are.
        A topic may still hold them: under the keys of former releases, which are never used again,
        or until the next compaction.
    """

    def __init__(self, retention_ms: int | None = None) -> None:
        self._retention = retention_ms
        self._newest: int | None = None
        self._values: dict[int, tuple[int | None, bytes]] = {}
        self._room = _LEAST

    def take(self, start: int, end: int | None, value: bytes) -> None:
        """Note one."""
        if self._newest is None or start > self._newest:
            self._newest = start
        if not self._is_kept(start):
            return
        self._values[start] = end, value
        if len(self._values) > self._room:
            self._values = {at: one for at, one in self._values.items() if self._is_kept(at)}
            self._room = max(_LEAST, len(self._values) * 5 // 4)

    def since(self, since: int, newest: int | None = None) -> Iterator[dict[str, Any]]:
        """Yield the windows that end then or later, oldest first.

        Parameters
        ----------
        newest
            How many of them; None = all.
        """
        starts = [
            start
            for start, (end, _) in sorted(self._values.items())
            if self._is_kept(start) and (end or since) >= since
        ]
        for start in starts if newest is None else starts[-newest:]:
            try:
                yield json_codec.decode_object(self._values[start][1], "window")
            except StateError:  # somebody else's
                continue

    def snapshot(self) -> "Windows":
        """Return a copy that stays as it is."""
        found = Windows(self._retention)
        found._newest, found._values, found._room = self._newest, dict(self._values), self._room
        return found

    def _is_kept(self, start: int) -> bool:
        if self._retention is None or self._newest is None:
            return True
        return start > self._newest - self._retention


@dataclass(frozen=True)
class DeepQuality:
    """Hit rates on the same events, all ranked by every model."""

    scored: int
    blend: float
    online: float
    deep: float
    popularity: float


@dataclass(frozen=True)
class Quality:
    """Test-then-learn quality over windows, each weighted by the events it scored."""

    scored: int = 0
    hit_rate: float | None = None
    ndcg: float | None = None
    mrr: float | None = None
    popularity_hit_rate: float | None = None
    popularity_ndcg: float | None = None
    with_deep: DeepQuality | None = None
    """Of the windows in which a deep model was served throughout."""
    rmse: float | None = None

    @property
    def ratio(self) -> float | None:
        """Hit rate as a multiple of popularity's."""
        if not self.popularity_hit_rate or self.hit_rate is None:
            return None
        return self.hit_rate / self.popularity_hit_rate


_FIGURES = (
    "hr_at_", "ndcg_at_", "mrr", "popularity_hr_at_", "popularity_ndcg_at_", "online_hr_at_",
    "deep_hr_at_",
)  # fmt: skip
"""Begin the names of what is a mean over the events of a window; the cut-off follows."""
_OF_DEEP = ("hr_at_", "online_hr_at_", "deep_hr_at_", "popularity_hr_at_")


@dataclass
class Sums:
    """What windows add up to."""

    counts: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    _figures: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    """Figures times events, by the begin of their names."""
    _weights: Counter[str] = field(default_factory=Counter)
    _deep: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    _deep_scored: int = 0
    _squares: float = 0
    _rated: int = 0

    @classmethod
    def of(cls, windows: Iterable[dict[str, Any]]) -> "Sums":
        """Return those of some windows."""
        found = cls()
        for window in windows:
            found._add(window)
        return found

    def quality(self) -> Quality:
        """Return the quality over all windows."""
        return Quality(
            scored=int(self.counts["scored"]),
            hit_rate=self._mean("hr_at_"),
            ndcg=self._mean("ndcg_at_"),
            mrr=self._mean("mrr"),
            popularity_hit_rate=self._mean("popularity_hr_at_"),
            popularity_ndcg=self._mean("popularity_ndcg_at_"),
            with_deep=self._with_deep(),
            rmse=(self._squares / self._rated) ** 0.5 if self._rated else None,
        )

    def _add(self, window: dict[str, Any]) -> None:
        scored: int = window.get("scored") or 0
        deep = scored > 0 and window.get("deep_scored") == scored
        self._deep_scored += scored if deep else 0
        for name, value in window.items():
            if not isinstance(value, int | float):
                continue
            figure = _figure(name)
            if not figure:
                self.counts[name] += value
            elif scored:
                self._figures[figure] += value * scored
                self._weights[figure] += scored
                self._deep[figure] += value * scored if deep else 0
        if window.get("rmse") is not None:
            rated = window.get("errors") or window.get("accepted") or 0
            self._squares += window["rmse"] ** 2 * rated
            self._rated += rated

    def _mean(self, figure: str) -> float | None:
        weight = self._weights[figure]
        return self._figures[figure] / weight if weight else None

    def _with_deep(self) -> DeepQuality | None:
        scored = self._deep_scored
        if not scored:
            return None
        return DeepQuality(scored, *(self._deep[figure] / scored for figure in _OF_DEEP))


@functools.cache
def _figure(name: str) -> str:
    """Return how the name of a mean begins; empty for a count."""
    return next((figure for figure in _FIGURES if name.startswith(figure)), "")
