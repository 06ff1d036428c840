"""A tiny micro-batch to run everything once on, so that nothing is compiled under load."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.applied import Applied
from models.columns import AcceptedBatch, Events, Learnt, Recommended, Users
from models.items import Items
from models.params import TransitionParams, UserParams


class Objective(Protocol):
    """What every objective can do, see `models.ranking.Ranking`."""

    def learn(
        self,
        items: Items,
        users: Users,
        events: Events,
        rows: NDArray[np.int32],
        *,
        fresh: NDArray[np.bool_],
        sampled: NDArray[np.bool_],
    ) -> Learnt:
        """Learn accepted events in order."""

    def apply(
        self,
        items: Items,
        batch: AcceptedBatch,
        rows: NDArray[np.int32],
        *,
        fresh: NDArray[np.bool_],
        owned: NDArray[np.bool_] | None = None,
    ) -> None:
        """Learn the item side of other workers' events."""

    def recommend(
        self, items: Items, users: Users, k: int, fallback: NDArray[np.int32]
    ) -> Recommended:
        """Return the k best items of every user."""


def rehearse(
    objective: Objective, factors: int, users: UserParams, transitions: TransitionParams
) -> None:
    """Run all that an objective and its items do, on one user and three items of no meaning."""
    items = Items(factors=factors, transitions=transitions, limit=8, seed=0)
    events = _events(3)
    fresh = Applied().claim(0, events.coordinate)
    rows = items.rows(events.item)
    items.name(rows, ["a", "b", "c"])
    user = _user(factors, users)
    learnt = objective.learn(items, user, events, rows, fresh=fresh, sampled=np.ones(1, np.bool_))
    objective.recommend(items, user, 2, rows)
    objective.recommend(items, _user(factors, users), 2, rows)
    batch = AcceptedBatch(
        bucket=0,
        keys=events.item,
        ids=["a", "b", "c"],
        user=events.user,
        item=rows,
        coordinate=events.coordinate,
        weight=events.weight,
        value=events.value,
        time=1,
        context=learnt.context,
        context_start=learnt.context_start,
        factors=learnt.factors,
        negatives=learnt.negatives,
        gradients=learnt.gradients,
    )
    objective.apply(items, batch, rows, fresh=fresh)
    items.replace(items.export(rows), only_newer=False)


def _events(n: int) -> Events:
    """Return n events of user 0, each of its own item."""
    time = np.arange(n, dtype=np.int64)
    return Events(
        user=np.zeros(n, np.int32),
        item=time.astype(np.uint64),
        identity=time.astype(np.uint64),
        weight=np.ones(n, np.float32),
        value=np.ones(n, np.float32),
        time=time,
        published=time,
        coordinate=time,
    )


def _user(factors: int, params: UserParams) -> Users:
    """Return one user without a past."""
    number, length = np.zeros(1, np.int64), np.zeros(1, np.int32)
    recent = np.zeros((1, params.recent_events), np.uint64)
    return Users(
        factors=np.zeros((1, factors), np.float32),
        gradient_sum=np.zeros(1, np.float32),
        bias=np.zeros(1, np.float32),
        history=np.zeros((1, params.history), np.uint64),
        history_length=length.copy(),
        excluded=np.zeros((1, params.exclusions), np.uint64),
        excluded_length=length.copy(),
        recent=recent,
        recent_time=recent.astype(np.int64),
        recent_length=length.copy(),
        floor=number.copy(),
        session_start=number.copy(),
        session_last=number.copy(),
        session_events=length.copy(),
        events=number.copy(),
        seen=number.copy(),
    )
