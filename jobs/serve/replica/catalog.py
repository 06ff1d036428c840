"""Descriptions of items by id, and the search in their titles."""

from collections.abc import Iterator

from state.codec.sealed import StateError
from state.topics import catalog
from state.topics.catalog import Description


class Catalog:
    """Newest descriptions by item."""

    def __init__(self) -> None:
        self._items: dict[str, Description] = {}
        self._titles: dict[str, str] = {}
        self.refused = 0
        """Records that are no descriptions; the item keeps what was said of it before."""

    def __len__(self) -> int:
        """Return how many items are described."""
        return len(self._items)

    def take(self, item: str, value: bytes | None) -> None:
        """Take a record; None deletes."""
        if value is None:
            self._items.pop(item, None)
            self._titles.pop(item, None)
            return
        try:
            found = catalog.decode(value)
        except StateError:
            self.refused += 1
            return
        self._items[item] = found
        self._titles[item] = (found.title or "").casefold()

    def get(self, item: str) -> Description | None:
        """Return what is known of an item."""
        return self._items.get(item)

    def is_available(self, item: str) -> bool:
        """Return whether an item may be shown; one that nobody described may."""
        found = self._items.get(item)
        return found is None or found.available

    def search(self, text: str) -> Iterator[str]:
        """Yield the items whose title has all words of a text."""
        words = text.casefold().split()
        for item, title in list(self._titles.items()):
            if all(word in title for word in words):
                yield item

    def latest(self) -> list[str]:
        """Return the items that say when they were made, newest first."""
        dated = [
            (one.created_at, item) for item, one in list(self._items.items()) if one.created_at
        ]
        return [item for _, item in sorted(dated, reverse=True)]
