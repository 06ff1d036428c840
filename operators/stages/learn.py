"""Learn: the online model of this subtask, and the columns that tell the other subtasks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.applied import Applied
from models.columns import AcceptedBatch, Events, Learnt, Users
from models.deep.serving import Deep
from models.dictionary import Dictionary
from models.history import gaps_of
from models.items import Items
from models.ranking import Ranking
from models.rating import Rating
from operators.params import LearningParams


def objective(params: LearningParams) -> Ranking | Rating:
    """Return the configured objective."""
    if params.objective == "ranking":
        return Ranking(params.ranking, users=params.users, transitions=params.transitions)
    return Rating(params.rating, users=params.users)


def empty_items(params: LearningParams) -> Items:
    """Return a replica that knows nothing yet."""
    return Items(
        factors=params.factors,
        transitions=params.transitions,
        limit=params.item_limit,
        seed=params.seed,
    )


def name_new(items: Items, rows: NDArray[np.int32], ids: list[str]) -> None:
    """Give those rows their id that have none yet; row n belongs to id n."""
    unnamed = np.flatnonzero(items.unnamed(rows))
    if len(unnamed):
        items.name(rows[unnamed], [ids[n] for n in unnamed.tolist()])


@dataclass(slots=True)
class Taught:
    """What a micro-batch taught: outcome of the evaluation, and the message to the others."""

    learnt: Learnt
    rows: NDArray[np.int32]
    """(n,) replica row of every event's item, -1 where the replica is full."""
    message: AcceptedBatch | None
    """None where nothing was learnt."""


class Learn:
    """Learns this subtask's events at once and everyone else's from the loop."""

    def __init__(self, params: LearningParams) -> None:
        self.items = empty_items(params)
        self.objective = objective(params)
        self.deep = Deep(params.deep)
        self._applied = Applied()
        self._dictionary = Dictionary()
        self._rating = params.objective == "rating"

    def __call__(
        self,
        bucket: int,
        users: Users,
        events: Events,
        item_ids: list[str],
        scored: NDArray[np.bool_],
    ) -> Taught:
        """Learn accepted events in order; `users` is updated in place.

        Parameters
        ----------
        item_ids
            (n,) the id behind every event's item key.
        scored
            (n,) events that are ranked before they are learnt.
        """
        rows = self.items.rows(events.item)
        name_new(self.items, rows, item_ids)
        fresh = self._applied.claim(bucket, events.coordinate)
        gap = gaps_of(events.user, events.weight, events.time, users.last_positive)
        deep = self.deep.learn(self.items, users, events, rows, gap, scored)
        learnt = self.objective.learn(
            self.items, users, events, rows, fresh=fresh, scored=scored, gap=gap, deep=deep
        )
        return Taught(learnt, rows, self._message(bucket, events, rows, learnt))

    def apply(self, message: AcceptedBatch) -> None:
        """Learn another subtask's events; those known already are recognised and left out."""
        fresh = self._applied.claim(message.bucket, message.coordinate)
        if not fresh.any():
            return
        rows = self.items.rows(message.keys)
        name_new(self.items, rows[: len(message.ids)], message.ids)
        self.objective.apply(self.items, message, rows, fresh=fresh)

    def _message(
        self, bucket: int, events: Events, rows: NDArray[np.int32], learnt: Learnt
    ) -> AcceptedBatch | None:
        rated = ~np.isnan(events.value) & events.counts
        teaches = (rated if self._rating else events.weight > 0) & (rows >= 0)
        if not teaches.any():
            return None
        item_rows = rows[teaches]
        negatives, gradients = learnt.negatives[teaches], learnt.gradients[teaches]
        known, index = self._dictionary(
            self.items.size, item_rows, learnt.context, negatives.reshape(-1)
        )
        named = int(index[0].max()) + 1
        return AcceptedBatch(
            bucket=bucket,
            keys=self.items.keys[known],
            ids=[self.items.ids[row] or "" for row in known[:named].tolist()],
            user=events.user[teaches],
            item=index[0],
            coordinate=events.coordinate[teaches],
            weight=np.where(events.counts, events.weight, np.float32(0))[teaches],
            value=events.value[teaches],
            time=int(events.time[teaches].max()),
            context=index[1],
            context_start=learnt.context_start,
            factors=learnt.factors,
            negatives=index[2].reshape(negatives.shape),
            gradients=gradients,
        )
