"""What is known of items besides behaviour, and what rules of lists ask for.

Most items share what is known of them with others. So each distinct combination, a kind, has a
number, and what a rule says of kinds it says of items through one column of the item table.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

NOTHING = 0
"""The kind of items of which nothing is known."""
_SPARE = 1_000


class Facts(NamedTuple):
    """What is known of an item."""

    scope: str = ""
    """Users of the same scope only are recommended the item; "" for everybody."""
    categories: tuple[str, ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()


class Catalogue:
    """Kinds of items, by the items' keys.

    Attributes
    ----------
    kinds : list of Facts
        By number; more are appended, and none changes within a version.
    version : int
        Grows when kinds are numbered anew.
    scopes : dict of str to int
        Number of each scope that items are of, from 1.
    """

    def __init__(self) -> None:
        self._of: dict[int, int] = {}
        self.version = 0
        self._begin()

    def _begin(self) -> None:
        self.kinds = [Facts()]
        self.scopes = dict[str, int]()
        self._numbers = {Facts(): NOTHING}
        self._categories: dict[str, int] = {}
        self._start, self._members = [0, 0], list[int]()
        self._arrays = (np.zeros(2, np.int32), np.empty(0, np.int32))

    def put(self, key: int, facts: Facts) -> bool:
        """Keep what is known of an item; return whether all kinds were numbered anew."""
        number = self._number(facts)
        if number == NOTHING:
            self._of.pop(key, None)
        else:
            self._of[key] = number
        if len(self.kinds) <= 2 * len(self._of) + _SPARE:
            return False
        self._renumber()
        return True

    def kind_of(self, key: int) -> int:
        """Return the kind of an item."""
        return self._of.get(key, NOTHING)

    def kinds_of(self, keys: NDArray[np.uint64]) -> NDArray[np.int32]:
        """Return the kind of each item."""
        if not self._of:
            return np.zeros(len(keys), np.int32)
        return np.fromiter(map(self.kind_of, keys.tolist()), np.int32, len(keys))

    def categories(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return the numbers of categories of all kinds: where each kind's begin, and the numbers.

        Returns
        -------
        int32[K + 1], int32[m]
        """
        if len(self._arrays[0]) != len(self._start):
            self._arrays = np.array(self._start, np.int32), np.array(self._members, np.int32)
        return self._arrays

    def _number(self, facts: Facts) -> int:
        number = self._numbers.get(facts)
        if number is None:
            number = self._numbers[facts] = len(self.kinds)
            self.kinds.append(facts)
            if facts.scope:
                self.scopes.setdefault(facts.scope, len(self.scopes) + 1)
            names = dict.fromkeys(facts.categories)
            self._members += [
                self._categories.setdefault(name, len(self._categories)) for name in names
            ]
            self._start.append(len(self._members))
        return number

    def _renumber(self) -> None:
        """Forget kinds that are nobody's any more."""
        before = {key: self.kinds[number] for key, number in self._of.items()}
        self._begin()
        self._of = {key: self._number(facts) for key, facts in before.items()}
        self.version += 1
