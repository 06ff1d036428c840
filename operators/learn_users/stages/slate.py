"""Slate: from the best items of users to the lists they get, by the arm each user is in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.arrays.deep import DeepArrays
from models.columns.lists import BY_FACTORS, BY_NEW, Recommended
from models.columns.users import Users
from models.params.slate import Arm, SlateParams
from models.rating.stars import Stars
from models.slate.assign import Assign
from models.slate.discount import discount
from models.slate.explore import explore, first
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


class Slate:
    """Makes the lists of one worker.

    Parameters
    ----------
    params : SlateParams
    k : int
        Items of a list.
    stars : Stars, optional
        How ratings were turned into what is learnt: predictions are given in their own scale.
    """

    def __init__(self, params: SlateParams, k: int, stars: Stars | None = None) -> None:
        self._params, self._k, self._stars = params, k, stars
        self._assign = Assign(params)
        self._yardsticks = Yardsticks()

    def __call__(
        self,
        learn: Learn,
        users: Users,
        names: Sequence[str],
        keys: Sequence[int],
        ignored: Sequence[Mapping[int, float]],
    ) -> Slates:
        """Return the lists of users.

        Parameters
        ----------
        keys
            (U,) of the triggering events: what is drawn is drawn by them.
        ignored
            (U,) how often each user has lately ignored an item, by its key.
        """
        assigned = np.fromiter(map(self._assign, names), np.intp, len(names))
        out = Recommended.empty(len(users), self._k)
        propensities = np.ones(out.rows.shape, np.float32)
        seeds = np.array(keys, np.uint64)
        for number, arm in enumerate(self._params.arms):
            rows = np.flatnonzero(assigned == number).astype(np.int32)
            if len(rows) == 0:
                continue
            everyone = len(rows) == len(users)
            some = users if everyone else users.take(rows)
            theirs = [ignored[u] for u in rows.tolist()] if arm.ignored_weight else ()
            made, chances = self._lists(arm, learn, some, seeds[rows], theirs)
            out.rows[rows], out.scores[rows] = made.rows, made.scores
            out.reasons[rows], out.sources[rows] = made.reasons, made.sources
            propensities[rows] = chances
        return Slates(out, propensities, [self._params.arms[n].name for n in assigned.tolist()])

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
        more = max(self._params.candidates, k) * bool(arm.exploration or arm.ignored_weight)
        if arm.source == "popular":
            longer = self._yardsticks.popular(items, users, k + more)
        else:
            deep = learn.deep.score(items, users) if arm.deep else DeepArrays.none()
            longer = learn.objective.recommend(items, users, k + more, deep)
        if arm.ignored_weight:
            keys = items.keys[np.maximum(longer.rows, 0)].tolist()
            discount(longer, keys, ignored, arm.ignored_weight)
        if self._stars is not None and arm.source == "model":
            longer.scores = as_ratings(longer, self._stars)
        if more == 0:
            return first(longer, k), np.ones(longer.rows.shape, np.float32)
        return explore(longer, k, arm.exploration, seeds)
