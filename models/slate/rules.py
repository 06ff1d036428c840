"""Rules of the house: what lists may hold, what is raised, how much of a category there is."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from models.catalogue.catalogue import Catalogue, Facts
from models.columns.lists import Recommended
from models.compiled import Integer, entry
from models.items.table import Items
from models.params.slate import Rules


class RuleBook:
    """What rules say of the kinds of a catalogue.

    Parameters
    ----------
    catalogue : Catalogue
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._version = catalogue.version
        self._hidden: dict[Rules, NDArray[np.bool_]] = {}
        self._scopes: dict[None, NDArray[np.int32]] = {}
        self._boosts: dict[Rules, NDArray[np.float32]] = {}

    def scope(self, name: str) -> str:
        """Return the scope that a user is in; "" where no item is of it."""
        return name if name in self._catalogue.scopes else ""

    def hidden(self, rules: Rules, scope: str) -> NDArray[np.bool_]:
        """Return which kinds are in no list by some rules, for users of a scope."""
        known = self._known(self._hidden, rules, np.bool_)
        more = self._catalogue.kinds[len(known) :]
        if more:
            found = [_hides(rules, facts) for facts in more]
            known = self._hidden[rules] = np.append(known, np.array(found, np.bool_))
        numbers = self._catalogue.scopes
        if not numbers:
            return known
        scopes = self._scopes_of_kinds()
        others: NDArray[np.bool_] = (scopes > 0) & (scopes != numbers.get(scope, 0))
        return known | others

    def boosts(self, rules: Rules) -> NDArray[np.float32]:
        """Return what rules add to the scores of kinds."""
        known = self._known(self._boosts, rules, np.float32)
        more = self._catalogue.kinds[len(known) :]
        if more:
            found = [sum(by for one, by in rules.boosts if matches(one, f)) for f in more]
            known = self._boosts[rules] = np.append(known, np.array(found, np.float32))
        return known

    @contextmanager
    def hiding(self, items: Items, rules: Rules, scope: str) -> Iterator[None]:
        """Take for unavailable what is hidden, for as long as lists are made."""
        hidden = self.hidden(rules, scope)
        if not hidden.any():
            yield
            return
        before = items.arrays
        unavailable = before.unavailable | hidden[before.kind]
        items.arrays = before._replace(unavailable=unavailable)
        try:
            yield
        finally:
            items.arrays = before

    def _scopes_of_kinds(self) -> NDArray[np.int32]:
        """Return the number of the scope of each kind; 0 for everybody."""
        known = self._known(self._scopes, None, np.int32)
        more, numbers = self._catalogue.kinds[len(known) :], self._catalogue.scopes
        if more:
            found = [numbers.get(facts.scope, 0) for facts in more]
            known = self._scopes[None] = np.append(known, np.array(found, np.int32))
        return known

    def _known(self, cache: dict, name: object, kind: type[np.generic]) -> NDArray:  # type: ignore[type-arg]
        if self._version != self._catalogue.version:
            self._version = self._catalogue.version
            self._hidden.clear()
            self._boosts.clear()
            self._scopes.clear()
        found: NDArray = cache.get(name, np.empty(0, kind))  # type: ignore[type-arg]
        return found


def matches(condition: str, facts: Facts) -> bool:
    """Return whether `category=NAME` or `ATTRIBUTE=VALUE` holds of an item."""
    name, _, value = condition.partition("=")
    return value in facts.categories if name == "category" else (name, value) in facts.attributes


def boost(longer: Recommended, boosts: NDArray[np.float32], kinds: NDArray[np.int32]) -> None:
    """Raise the scores of lists by the kinds of their items, and bring them into order again.

    Parameters
    ----------
    longer : Recommended
        U lists, changed in place.
    boosts : float32[K]
        By kind.
    kinds : int32[R]
        Of the rows of the item table.
    """
    there = longer.rows >= 0
    raised = np.where(there, boosts[kinds[np.maximum(longer.rows, 0)]], 0)
    if not raised.any():
        return
    scores = np.where(there, longer.scores + raised, -np.inf)
    order = np.argsort(-scores, axis=1, kind="stable")
    for column in (longer.rows, longer.reasons, longer.sources):
        column[:] = np.take_along_axis(column, order, axis=1)
    longer.scores[:] = np.take_along_axis(np.where(there, scores, 0), order, axis=1)


def limit(longer: Recommended, items: Items, most: int) -> None:
    """Leave out of each list what would be more than `most` items of a category.

    Whatever is then drawn from the rest of a list for its first places keeps to that, too.

    Parameters
    ----------
    longer : Recommended
        U lists, changed in place.
    """
    start, members = items.catalogue.categories()
    held = np.zeros(members.max(initial=0) + 1, np.int32)
    columns = longer.rows, longer.scores, longer.reasons, longer.sources
    _limit(*columns, items.arrays.kind, start, members, most, held)


@entry
def _limit(  # noqa: PLR0913  # columns
    rows: NDArray[np.int32],
    scores: NDArray[np.float32],
    reasons: NDArray[np.uint8],
    sources: NDArray[np.int32],
    kinds: NDArray[np.int32],
    start: NDArray[np.int32],
    members: NDArray[np.int32],
    most: Integer,
    held: NDArray[np.int32],
) -> None:
    for u in range(len(rows)):
        to = 0
        for at in range(rows.shape[1]):
            row = rows[u, at]
            if row < 0:
                break
            begin, end = start[kinds[row]], start[kinds[row] + 1]
            full = False
            for n in range(begin, end):
                full = full or held[members[n]] >= most
            if full:
                continue
            for n in range(begin, end):
                held[members[n]] += 1
            rows[u, to], scores[u, to] = row, scores[u, at]
            reasons[u, to], sources[u, to] = reasons[u, at], sources[u, at]
            to += 1
        for at in range(to):
            row = rows[u, at]
            for n in range(start[kinds[row]], start[kinds[row] + 1]):
                held[members[n]] = 0
        for at in range(to, rows.shape[1]):
            rows[u, at], scores[u, at], reasons[u, at], sources[u, at] = -1, 0, 0, -1


def _hides(rules: Rules, facts: Facts) -> bool:
    if any(matches(one, facts) for one in rules.hide):
        return True
    return bool(rules.only) and not any(matches(one, facts) for one in rules.only)
