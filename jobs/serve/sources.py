"""Where items of a list come from: what is next, similar, trending, popular, latest, on a board.

Each source yields items lazily, best first.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from jobs.serve.answers import Listed
from jobs.serve.replica.replica import Replica

Rows = NDArray[np.intp]
Scores = NDArray[np.float32] | NDArray[np.float64]
_FIRST = 100
"""Items that are found fast; the others are only sorted when somebody asks for them."""


class Sources:
    """The sources of one job.

    Parameters
    ----------
    replica
    only
        Items to look at; None: all of them. Where few are wanted, the others cost nothing.
    """

    def __init__(self, replica: Replica, only: Iterable[str] | None = None) -> None:
        self._replica, self._items = replica, replica.items
        self._only = None if only is None else frozenset(only)
        self._rows: Rows | None = None
        if self._only is not None:
            rows = [row for item in self._only if (row := self._items.row(item)) is not None]
            self._rows = np.array(sorted(rows), np.intp)

    def next(self, context: Sequence[str]) -> Iterator[Listed]:
        """Yield what followed the items of a context most often, the newest item first."""
        items = self._items
        rows = [row for item in context if (row := items.row(item)) is not None]
        if not rows:
            return
        found, scores, sources = items.follow(rows)
        for row, score, source in zip(found, scores, sources, strict=True):
            item = items.ids[row]
            if score > 0 and (self._only is None or item in self._only):
                yield Listed(item, "next", "transition", _rounded(score), items.ids[source])

    def similar(self, item: str) -> Iterator[Listed]:
        """Yield the items whose factors are nearest to those of one."""
        items = self._items
        row = items.row(item)
        if row is None:
            return
        scores = items.similar(row)
        for other in self._best(scores):
            if other == row:
                continue
            yield Listed(items.ids[other], "similar", "factors", _rounded(scores[other]), item)

    def board(self, name: str) -> Iterator[Listed] | None:
        """Return the items of a board; None where there is no such board."""
        usual = {"trending": self.trending, "popular": self.popular, "latest": self.latest}
        if name in usual:
            return usual[name]()
        return self._declared(name) if name in self._replica.boards else None

    def of_category(self, categories: Iterable[str]) -> Iterator[Listed]:
        """Yield the items of boards that are about one of some categories."""
        wanted = set(categories)
        for name, declared in self._replica.config.serve.boards.items():
            if declared.category in wanted:
                yield from self._declared(name)

    def trending(self) -> Iterator[Listed]:
        """Yield the items that are popular just now."""
        for item in self._among(self._replica.trending):
            yield Listed(item, "trending", "trending")

    def popular(self) -> Iterator[Listed]:
        """Yield all items that the job knows, by their popularity."""
        ids = self._items.ids
        for row in self._best(self._items.popularity()):
            yield Listed(ids[row], "popular", "popular")

    def latest(self) -> Iterator[Listed]:
        """Yield the newest items of the catalogue."""
        catalog = self._replica.catalog
        for item in catalog.latest(self._only):
            yield Listed(item, "latest", "new")

    def described(self) -> Iterator[Listed]:
        """Yield all items of the catalogue."""
        found = self._replica.catalog.search("") if self._only is None else iter(self._only)
        return (Listed(item, "catalog") for item in found)

    def _declared(self, name: str) -> Iterator[Listed]:
        category = self._replica.config.serve.boards[name].category
        catalog = self._replica.catalog
        for item in self._among(self._replica.boards[name].items()):
            if category is None or catalog.is_in(item, category):
                yield Listed(item, name, "popular")

    def _among(self, items: Iterable[str]) -> Iterator[str]:
        return (item for item in items if self._only is None or item in self._only)

    def _best(self, scores: Scores) -> Iterator[int]:
        """Yield rows from the highest score on: the first ones fast, all others when asked for."""
        if self._rows is not None:
            rows = self._rows[self._rows < len(scores)]
            yield from rows[np.argsort(-scores[rows], kind="stable")].tolist()
        elif len(scores) > _FIRST:
            first = np.argpartition(-scores, _FIRST)[:_FIRST]
            first = first[np.argsort(-scores[first], kind="stable")]
            yield from first.tolist()
            taken = set(first.tolist())
            every = np.argsort(-scores, kind="stable").tolist()
            yield from (row for row in every if row not in taken)
        else:
            yield from np.argsort(-scores, kind="stable").tolist()


def _rounded(score: float) -> float:
    return round(float(score), 4)
