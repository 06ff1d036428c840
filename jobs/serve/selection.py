"""Lists that are never short: the user's own, then what is next, similar, trending and popular."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from jobs.serve.answers import Listed, Recommended
from jobs.serve.replica.replica import Replica

BOARDS = ("trending", "popular", "latest")
_CONTEXT = 10
"""Last items of somebody that others follow or resemble."""


@dataclass(frozen=True)
class Wish:
    """What somebody asks for.

    Parameters
    ----------
    n
        Items, at most.
    exclude
        Items that are not wanted.
    category
        Only items of this category; None: of any.
    described
        Whether the catalogue's words are wanted, too.
    """

    n: int = 10
    exclude: frozenset[str] = field(default_factory=frozenset)
    category: str | None = None
    described: bool = False


class Selection:
    """Makes lists of what a replica holds."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica

    def for_user(self, user: str, wish: Wish) -> Recommended:
        """Return the newest list of a user, filled up where it is short."""
        replica = self._replica
        now = time.time_ns() // 1_000_000
        found, context = replica.lists.get(user), replica.behaviour.context(user)
        hidden = replica.behaviour.hidden(user, now)
        own: list[Listed] = []
        if found is not None:
            own = [
                Listed(one.item_id, "list", one.reason, one.score, one.source)
                for one in found.items
            ]
            if not context:  # what they come from is what the user had last, as far as one knows
                context = list(dict.fromkeys(one.origin for one in own if one.origin))
                hidden |= set() if replica.behaviour.repeats() else set(context)
        past = wish.exclude | hidden
        items = self._filled(own, context, replace(wish, exclude=past))
        if found is None:
            return Recommended(user, None, None, None, None, items)
        return Recommended(
            user,
            found.rec_id,
            found.generated_at,
            max(0, now - found.generated_at),
            found.model_version,
            items,
        )

    def for_guest(self, context: Sequence[str], wish: Wish) -> list[Listed]:
        """Return a list for somebody of whom only some items are known, the newest first."""
        past = wish.exclude | set(context)
        return self._filled([], context, replace(wish, exclude=past))

    def similar(self, item: str, wish: Wish) -> list[Listed]:
        """Return the items whose factors are nearest, by their cosine."""
        return self._taken(self._similar(item), wish, {item})

    def following(self, item: str, wish: Wish) -> list[Listed]:
        """Return the items that most often came next."""
        return self._taken(self._next([item]), wish, {item})

    def board(self, name: str, wish: Wish) -> list[Listed] | None:
        """Return a board's items; None where there is no such board."""
        boards = {"trending": self._trending, "popular": self._popular, "latest": self._latest}
        return self._taken(boards[name](), wish, set()) if name in boards else None

    def search(self, text: str, wish: Wish) -> list[Listed]:
        """Return the items whose title, or id, has all words of a text, popular ones first."""
        if not text.strip():
            return self._taken(self._popular_or_described(), wish, set())
        rank = {item: n for n, item in enumerate(self._by_popularity())}
        found = sorted(
            self._replica.catalog.search(text), key=lambda item: rank.get(item, len(rank))
        )
        exact = [text.strip()] if self._replica.items.row(text.strip()) is not None else []
        return self._taken((Listed(one, "search") for one in [*exact, *found]), wish, set())

    def _filled(self, own: list[Listed], context: Sequence[str], wish: Wish) -> list[Listed]:
        """Return a list in the order: own, next, similar, trending, popular, latest."""

        def candidates() -> Iterator[Listed]:
            yield from own
            yield from self._next(context[:_CONTEXT])
            if context:
                yield from self._similar(context[0])
            yield from self._trending()
            yield from self._popular()
            yield from self._latest()

        return self._taken(candidates(), wish, set())

    def _taken(self, candidates: Iterable[Listed], wish: Wish, seen: set[str]) -> list[Listed]:
        """Return the first candidates that are allowed, each once."""
        catalog, taken = self._replica.catalog, list[Listed]()
        for one in candidates:
            if len(taken) >= wish.n:
                break
            if one.item_id in seen or one.item_id in wish.exclude:
                continue
            seen.add(one.item_id)
            described = catalog.get(one.item_id)
            if described is not None and not described.available:
                continue
            if wish.category is not None and (
                described is None or wish.category not in described.categories
            ):
                continue
            if wish.described:
                one.item = described
            taken.append(one)
        return taken

    def _next(self, context: Sequence[str]) -> Iterator[Listed]:
        items = self._replica.items
        rows = [row for item in context if (row := items.row(item)) is not None]
        if not rows:
            return
        scores = items.follow(rows)
        for row in _best(scores):
            if scores[row] <= 0:
                return
            yield Listed(items.ids[row], "next", "transition", _rounded(scores[row]), context[0])

    def _similar(self, item: str) -> Iterator[Listed]:
        items = self._replica.items
        row = items.row(item)
        if row is None:
            return
        scores = items.similar(row)
        for other in _best(scores):
            yield Listed(items.ids[other], "similar", "factors", _rounded(scores[other]), item)

    def _trending(self) -> Iterator[Listed]:
        for item in self._replica.trending:
            yield Listed(item, "trending", "trending")

    def _popular(self) -> Iterator[Listed]:
        for item in self._by_popularity():
            yield Listed(item, "popular", "popular")

    def _latest(self) -> Iterator[Listed]:
        for item in self._replica.catalog.latest():
            yield Listed(item, "latest", "new")

    def _popular_or_described(self) -> Iterator[Listed]:
        yield from self._popular()
        yield from (Listed(item, "search") for item in self._replica.catalog.search(""))

    def _by_popularity(self) -> Iterator[str]:
        items = self._replica.items
        ids = items.ids
        for row in _best(items.popularity()):
            yield ids[row]


def _best(scores: NDArray[np.float32] | NDArray[np.float64]) -> Iterator[int]:
    """Yield rows from the highest score on: the first hundred fast, all others when asked for."""
    first = 100
    if len(scores) > first:
        rows = np.argpartition(-scores, first)[:first]
        rows = rows[np.argsort(-scores[rows], kind="stable")]
        yield from rows.tolist()
        taken = set(rows.tolist())
        yield from (row for row in np.argsort(-scores, kind="stable").tolist() if row not in taken)
    else:
        yield from np.argsort(-scores, kind="stable").tolist()


def _rounded(score: float) -> float:
    return round(float(score), 4)
