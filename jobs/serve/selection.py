"""Lists that are never short: the user's own, then what is next, similar, trending and popular."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain

from jobs.serve.answers import Listed, Recommended
from jobs.serve.replica.replica import Replica
from jobs.serve.sources import Sources
from jobs.serve.wish import Wish

_CONTEXT = 10
"""Last items of somebody that others follow or resemble."""


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
        items = self._filled(own, context, replace(wish, exclude=wish.exclude | hidden))
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
        return self._taken(self._sources(wish).similar(item), wish, {item})

    def following(self, item: str, wish: Wish) -> list[Listed]:
        """Return the items that most often came next."""
        return self._taken(self._sources(wish).next([item]), wish, {item})

    def boards(self) -> list[str]:
        """Return the names of all boards."""
        return ["trending", "popular", "latest", *self._replica.boards]

    def board(self, name: str, wish: Wish) -> list[Listed] | None:
        """Return a board's items; None where there is no such board."""
        found = self._sources(wish).board(name)
        return None if found is None else self._taken(found, wish, set())

    def search(self, text: str, wish: Wish) -> list[Listed]:
        """Return the items whose title, or id, has all words of a text, popular ones first."""
        sources = self._sources(wish)
        if not text.strip():
            return self._taken(chain(sources.popular(), sources.described()), wish, set())
        items, catalog, name = self._replica.items, self._replica.catalog, text.strip()
        popularity = items.popularity()

        def unpopular(item: str) -> float:
            row = items.row(item)
            return 0.0 if row is None or row >= len(popularity) else -popularity[row]

        found = sorted(catalog.search(text), key=unpopular)
        exact = [name] if items.row(name) is not None or catalog.get(name) else []
        return self._taken((Listed(one, "search") for one in [*exact, *found]), wish, set())

    def _sources(self, wish: Wish) -> Sources:
        if not wish.filtered:
            return Sources(self._replica)
        members = self._replica.catalog.members(wish.categories, wish.all_categories)
        return Sources(self._replica, members)  # of too many, all items are looked at

    def _filled(self, own: list[Listed], context: Sequence[str], wish: Wish) -> list[Listed]:
        """Return own items, then next, similar, of the categories, trending, popular, latest."""

        def candidates() -> Iterator[Listed]:
            yield from own
            sources = self._sources(wish)
            yield from sources.next(context[:_CONTEXT])
            if context:
                yield from sources.similar(context[0])
            yield from sources.of_category((*wish.categories, *wish.all_categories))
            yield from sources.trending()
            yield from sources.popular()
            yield from sources.latest()
            yield from sources.described()

        return self._taken(candidates(), wish, set())

    def _taken(self, candidates: Iterable[Listed], wish: Wish, seen: set[str]) -> list[Listed]:
        """Return the first candidates that are allowed, each once."""
        catalog, taken = self._replica.catalog, list[Listed]()
        any_of, all_of = set(wish.categories), set(wish.all_categories)
        for one in candidates:
            if one.item_id in seen or one.item_id in wish.exclude:
                continue
            seen.add(one.item_id)
            described = catalog.get(one.item_id)
            if not catalog.is_available(one.item_id):
                continue
            if wish.filtered:
                its = set(described.categories) if described else set()
                if not all_of <= its or (any_of and not any_of & its):
                    continue
            if wish.described:
                one.item = described
            taken.append(one)
            if len(taken) >= wish.n:
                break  # before another candidate is looked for
        return taken
