"""Descriptions of items by id, and the search in their titles."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from jobs.serve.replica.renewed import Renewed
from state.codec.sealed import StateError
from state.topics import catalog
from state.topics.catalog import Description

_FEW = 20_000
"""Items of some categories, at most, that are looked at one by one."""


class Catalog:
    """Newest descriptions by item."""

    def __init__(self) -> None:
        self._items: dict[str, Description] = {}
        self._titles: dict[str, str] = {}
        self._deleted: set[str] = set()
        self._gone: set[str] = set()
        self._latest = Renewed(self._ordered)
        self._members: dict[str, set[str]] = defaultdict(set)
        self.refused = 0
        """Records that are no descriptions; the item keeps what was said of it before."""

    def __len__(self) -> int:
        """Return how many items are described."""
        return len(self._items)

    def take(self, item: str, value: bytes | None) -> None:
        """Take a record; None deletes."""
        if value is None:
            self._deleted.add(item)
            self._leave(item)
            self._items.pop(item, None)
            self._titles.pop(item, None)
            self._latest.changed()
            return
        try:
            found = catalog.decode(value)
        except StateError:
            self.refused += 1
            return
        self._deleted.discard(item)
        self._leave(item)
        self._items[item] = found
        self._titles[item] = (found.title or "").casefold()
        self._latest.changed()
        for name in found.categories:
            self._members[name].add(item)

    def take_availability(self, item: str, available: bool) -> None:  # noqa: FBT001  # as decoded
        """Take what the job knows of an item: all that is left of one that was deleted long ago."""
        if available:
            self._gone.discard(item)
        else:
            self._gone.add(item)

    def get(self, item: str) -> Description | None:
        """Return what is known of an item."""
        return self._items.get(item)

    def is_available(self, item: str) -> bool:
        """Return whether an item may be shown; one that was never described may."""
        found = self._items.get(item)
        if found is not None:
            return found.available
        return item not in self._deleted and item not in self._gone

    def members(self, any_of: Iterable[str], all_of: Iterable[str]) -> set[str] | None:
        """Return the items in at least one of some categories, if any, and in all of others.

        None where they are so many that looking at all items finds some of them sooner.
        """
        empty: set[str] = set()
        every = [self._members.get(name, empty) for name in all_of]
        some = [self._members.get(name, empty) for name in any_of]
        if every:
            found = set.intersection(*every)
            return {i for i in found if any(i in one for one in some)} if some else found
        return empty.union(*some) if sum(map(len, some)) <= _FEW else None

    def search(self, text: str) -> Iterator[str]:
        """Yield the items whose title has all words of a text."""
        words = text.casefold().split()
        for item, title in list(self._titles.items()):
            if all(word in title for word in words):
                yield item

    def is_in(self, item: str, category: str) -> bool:
        """Return whether an item is of a category."""
        return item in self._members.get(category, ())

    def latest(self, only: Iterable[str] | None = None) -> list[str]:
        """Return the items (of some, or of all) that say when they were made, newest first."""
        return self._latest() if only is None else self._ordered(only)

    def _ordered(self, items: Iterable[str] | None = None) -> list[str]:
        names = list(self._items) if items is None else items
        found = [(one.created_at, item) for item in names if (one := self._items.get(item))]
        dated = [(made, item) for made, item in found if made is not None]
        return [item for _, item in sorted(dated, reverse=True)]

    def _leave(self, item: str) -> None:
        """Take an item out of its categories; one that nobody is in is no more."""
        before = self._items.get(item)
        for name in before.categories if before else ():
            members = self._members[name]
            members.discard(item)
            if not members:
                del self._members[name]
