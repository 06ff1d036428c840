"""Slate: from the best items of users to the lists they get, by the arm each user is in."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.arrays.deep import DeepArrays
from models.catalogue.catalogue import Facts
from models.columns.lists import BY_FACTORS, BY_NEW, Recommended
from models.columns.users import Users
from models.items.table import Items
from models.keys import key_of
from models.params.slate import Arm, SlateParams
from models.rating.stars import Stars
from models.slate.assign import Assign
from models.slate.discount import discount
from models.slate.diversity import Diversity, Figures
from models.slate.explore import explore
from models.slate.newcomers import Newcomers
from models.slate.rules import RuleBook, boost, limit
from models.slate.yardsticks import Yardsticks
from operators.learn_users.stages.learn import Learn


def as_ratings(lists: Recommended, stars: Stars) -> NDArray[np.float32]:
    """Return the scores (U, k) of lists: those that are predictions in the ratings' own scale."""
    predicted = (lists.reasons == BY_FACTORS) | (lists.reasons == BY_NEW)
    return np.where(predicted, stars.ratings(lists.scores), lists.scores)


@dataclass(slots=True)
class Slates:
    """Lists of U users, k items each."""

    lists: Recommended
    propensities: NDArray[np.float32]
    """(U, k) probability with which each item came to its place."""
    arms: list[str]
    """(U,) arm of each user; "" without an experiment."""

    def named(self, items: Items) -> NDArray[np.uint64]:
        """Return the keys of the items of the lists, (U, k), 0 for none."""
        rows = self.lists.rows
        if not items.size:  # views teach a model of ratings no item
            return np.zeros(rows.shape, np.uint64)
        return np.where(rows >= 0, items.keys[np.maximum(rows, 0)], np.uint64(0))


class Slate:
    """Makes the lists of one worker.

    Parameters
    ----------
    params : SlateParams
    k : int
        Items of a list.
    items : Items
        All that the worker knows.
    stars : Stars, optional
        How ratings were turned into what is learnt: predictions are given in their own scale.
    """

    def __init__(
        self, params: SlateParams, k: int, items: Items, stars: Stars | None = None
    ) -> None:
        self._params, self._k, self._stars = params, k, stars
        self._assign = Assign(params)
        self._yardsticks = Yardsticks()
        self._items = items
        self._book = RuleBook(items.catalogue)
        self._newcomers = Newcomers(params.new_item_impressions)
        self._diversity = Diversity()

    def renew(self, params: SlateParams) -> None:
        """Make lists by other parameters from now on."""
        self._params, self._assign = params, Assign(params)

    def diversity(self) -> Figures | None:
        """Return how diverse lists have been lately; None before the first."""
        return self._diversity.figures(self._items)

    @property
    def hides(self) -> bool:
        """Return whether rules keep some items out of lists."""
        return any(arm.rules.hide or arm.rules.only for arm in self._params.arms)

    @property
    def scoped(self) -> bool:
        """Return whether items are for users of some scope only."""
        return bool(self._items.catalogue.scopes)

    def describe(self, item: str, facts: Facts, *, available: bool) -> None:
        """Take what is known of an item."""
        key = key_of(item)
        self._items.set_available(key, available=available)
        self._items.describe(key, facts)
        if self._params.new_item_impressions and available and facts != Facts():
            self._newcomers.meet(key, item, facts, self._items)
        else:
            self._newcomers.leave(key)

    def __call__(
        self,
        learn: Learn,
        users: Users,
        names: Sequence[str],
        keys: Sequence[int],
        ignored: Sequence[Mapping[int, float]],
        scopes: Sequence[str] = (),
    ) -> Slates:
        """Return the lists of users.

        Parameters
        ----------
        keys
            (U,) of the triggering events: what is drawn is drawn by them.
        ignored
            (U,) how often each user has lately ignored an item, by its key.
        scopes
            (U,) of the users; without, nobody has one.
        """
        assigned = np.fromiter(map(self._assign, names), np.intp, len(names))
        out = Recommended.empty(len(users), self._k)
        propensities = np.ones(out.rows.shape, np.float32)
        seeds = np.array(keys, np.uint64)
        for arm, scope, rows in self._groups(assigned, scopes):
            everyone = len(rows) == len(users)
            some = users if everyone else users.take(rows)
            theirs = [ignored[u] for u in rows.tolist()] if arm.ignored_weight else ()
            with self._book.hiding(self._items, arm.rules, scope):
                made, chances = self._lists(arm, learn, some, seeds[rows], theirs)
            if self._params.new_item_impressions and arm.source == "model" and not learn.waits:
                hidden = self._book.hidden(arm.rules, scope)
                self._newcomers.join(
                    made, chances, some, seeds[rows], self._items, hidden,
                    arm.rules.most_per_category, learn.share.workers,
                )  # fmt: skip
            out.rows[rows], out.scores[rows] = made.rows, made.scores
            out.reasons[rows], out.sources[rows] = made.reasons, made.sources
            propensities[rows] = chances
        self._diversity.note(out.rows, self._items)
        return Slates(out, propensities, [self._params.arms[n].name for n in assigned.tolist()])

    def _groups(
        self, assigned: NDArray[np.intp], scopes: Sequence[str]
    ) -> Iterator[tuple[Arm, str, NDArray[np.int32]]]:
        """Yield users whose lists are made in one way: their arm, scope and rows."""
        theirs = np.array([self._book.scope(name) for name in scopes]) if scopes else None
        for number, arm in enumerate(self._params.arms):
            rows = np.flatnonzero(assigned == number).astype(np.int32)
            if theirs is None:
                names = [""] if len(rows) else []
            else:
                names = np.unique(theirs[rows]).tolist()
            for name in names:
                yield arm, name, rows if theirs is None else rows[theirs[rows] == name]

    def _lists(
        self,
        arm: Arm,
        learn: Learn,
        users: Users,
        seeds: NDArray[np.uint64],
        ignored: Sequence[Mapping[int, float]],
    ) -> tuple[Recommended, NDArray[np.float32]]:
        items, k = learn.items, self._k
        if arm.source == "random":
            return self._yardsticks.random(items, users, k, seeds)
        more = self._more(arm)
        if arm.source == "popular":
            longer = self._yardsticks.popular(items, users, k + more)
        else:
            deep = learn.deep.score(items, users) if arm.deep else DeepArrays.none()
            longer = learn.objective.recommend(items, users, k + more, deep)
        if arm.ignored_weight:
            keys = items.keys[np.maximum(longer.rows, 0)].tolist()
            discount(longer, keys, ignored, arm.ignored_weight)
        if arm.rules.boosts:
            boost(longer, self._book.boosts(arm.rules), items.arrays.kind)
        if arm.rules.most_per_category:
            limit(longer, items, arm.rules.most_per_category)
        if self._stars is not None and arm.source == "model":
            longer.scores = as_ratings(longer, self._stars)
        return explore(longer, k, arm.exploration, seeds)

    def _more(self, arm: Arm) -> int:
        """Return how many items beyond those of a list are looked at."""
        candidates = max(self._params.candidates, self._k)
        if arm.rules.most_per_category:  # most of them may be of one category
            return 4 * candidates
        reorders = arm.exploration or arm.ignored_weight or arm.rules.boosts
        return candidates * bool(reorders)
