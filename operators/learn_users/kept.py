"""What the catalogue says of items, kept in broadcast state for a restored job."""

from collections.abc import Iterator
from typing import Any

from models.catalogue.catalogue import Facts
from state.codec.sealed import StateError
from state.keyed import described, descriptors
from state.topics import availability
from state.topics.availability import Described


class KeptItems:
    """Keeps what differs from what is usual: that nothing is known, and an item is available.

    Parameters
    ----------
    limit : int
        Items whose description is kept; of further ones, whether they are available.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._unavailable: set[str] = set()
        self._facts: dict[str, int] = {}

    def keep(self, state: Any, said: Described) -> None:
        """Keep what is said of an item.

        Parameters
        ----------
        state
            Broadcast state `loop-v1`.

        Raises
        ------
        StateError
            Where as many descriptions are kept as may be.
        """
        self._keep_availability(state, said)
        entry = descriptors.described_entry(said.item)
        if said.facts == Facts():
            if self._facts.pop(said.item, None) is not None:
                state.remove(entry)
            return
        if said.item not in self._facts and len(self._facts) >= self._limit:
            message = f"catalog: expected at most {self._limit:,} items with categories, a scope or"
            hint = "raise items.limit, a tenth of that"
            raise StateError(f"{message} attributes, got one more; {hint}")
        content = described.encode(said.facts)
        if self._facts.get(said.item) != hash(content):
            self._facts[said.item] = hash(content)
            state.put(entry, content)

    def recall(self, state: Any) -> Iterator[Described]:
        """Yield what was kept before a restart."""
        facts = dict[str, Facts]()
        for entry, content in state.items():
            if item := descriptors.unavailable_item(entry):
                self._unavailable.add(item)
            elif item := descriptors.described_item(entry):
                self._facts[item] = hash(content)
                facts[item] = described.decode(content)
        for item in facts.keys() | self._unavailable:
            yield Described(item, item not in self._unavailable, facts.get(item, Facts()))

    def _keep_availability(self, state: Any, said: Described) -> None:
        if said.available == (said.item in self._unavailable):
            entry = descriptors.unavailable_entry(said.item)
            if said.available:
                self._unavailable.remove(said.item)
                state.remove(entry)
            else:
                self._unavailable.add(said.item)
                state.put(entry, availability.GONE)
