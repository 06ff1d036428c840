"""Many users and items: everyone once, then generated behaviour of them all."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from scripts.tools.data.behaviour import BLOCK, Block, Generated
from scripts.tools.data.generator import GeneratorParams

PLACES = 100
"""Items of a cluster."""
_BEGIN_MS = 1_700_000_000_000
_PACE_MS = 20
"""Event time between two events of the round."""
_STRIDE = 7_919
"""A prime: neighbouring users begin with items far apart."""


@dataclass(frozen=True)
class Round:
    """Each user once, so that each has a record in state; items take turns."""

    users: int
    items: int

    @property
    def events(self) -> int:
        """One a user, and one an item where there are more of those."""
        return max(self.users, self.items)

    def blocks(self) -> Iterator[Block]:
        """Yield the events, block by block."""
        begin = _BEGIN_MS - _PACE_MS * self.events
        for first in range(0, self.events, BLOCK):
            numbers = range(first, min(first + BLOCK, self.events))
            yield Block(
                event_ids=[f"round-{n}" for n in numbers],
                users=[f"user-{n % self.users}" for n in numbers],
                items=[f"item-{n * _STRIDE % self.items}" for n in numbers],
                types=["view"] * len(numbers),
                times=[begin + _PACE_MS * n for n in numbers],
                values=[None] * len(numbers),
            )


@dataclass(frozen=True)
class World:
    """Users and items, and how many events they make after the round."""

    users: int
    items: int
    more: int

    @property
    def round(self) -> Round:
        """The first events."""
        return Round(self.users, self.items)

    @property
    def events(self) -> int:
        """Return how many there are."""
        return self.round.events + self.more

    def blocks(self) -> Iterator[Block]:
        """Yield the events: Zipf's law within each cluster of items, low users more often."""
        params = GeneratorParams(
            start_ms=_BEGIN_MS,
            users=self.users,
            clusters=max(1, self.items // PLACES),
            places=min(PLACES, self.items),
        )
        return chain(self.round.blocks(), Generated(self.more, params).blocks())
