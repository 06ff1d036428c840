"""Columns for tests of the models: events by small item numbers, users without a past."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.columns.accepted import AcceptedBatch, ages
from models.columns.events import Events
from models.columns.learnt import Learnt
from models.columns.users import Users
from models.items.table import Items
from models.numeric.initial import initial_factors
from models.params.transitions import TransitionParams
from models.users.past import ALWAYS

FACTORS = 4
TRANSITIONS = TransitionParams(window=3, successors=20, backward=0.0)


def key(item: int) -> int:
    """Return the key of an item of this file."""
    return 1_000_003 * (item + 1)


def events(
    *rows: tuple[int, int], weight: Any = 1.0, value: Any = np.nan, first: int = 0
) -> Events:
    """Return one event for each (user, item); weight and value are numbers or lists."""
    n = len(rows)
    number = np.arange(first, first + n, dtype=np.int64)
    return Events(
        user=np.array([user for user, _ in rows], np.int32),
        item=np.array([key(item) for _, item in rows], np.uint64),
        identity=number.astype(np.uint64),
        content=np.ones(n, np.uint32),
        subject=(2 * number + 1).astype(np.uint32),
        weight=np.broadcast_to(np.float32(weight), n).copy(),
        value=np.broadcast_to(np.float32(value), n).copy(),
        time=1000 + number,
        published=1000 + number,
        coordinate=number,
        hide=np.full(n, ALWAYS),
        counts=np.ones(n, np.bool_),
        moves=np.ones(n, np.bool_),
    )


def new_users(n: int, *, history: int = 8, excluded: int = 4, factors: int = FACTORS) -> Users:
    """Return users without a past."""
    widths = {"history": history, "excluded": excluded, "factors": factors, "past": 64, "recent": 2}
    none = dict.fromkeys(("past_until", "deep", "variance", "mood", "rated"), 0)
    users = Users.new(n, widths | none)
    users.key[:] = np.arange(n)
    users.factors[:] = initial_factors(users.key, 1, factors, 0.3)
    return users


def new_items(*, limit: int = 10_000, transitions: TransitionParams = TRANSITIONS) -> Items:
    """Return items of which nothing is known."""
    return Items(factors=FACTORS, transitions=transitions, limit=limit, seed=1)


def rows_of(items: Items, batch: Events) -> NDArray[np.int32]:
    """Return the rows of the events' items, registered and named."""
    rows = items.rows(batch.item)
    items.name(rows, [f"item-{key}" for key in batch.item.tolist()])
    return rows


def accepted(batch: Events, rows: NDArray[np.int32], learnt: Learnt, items: Items) -> AcceptedBatch:
    """Return what one worker tells the others; its dictionary is simply all of its items."""
    return AcceptedBatch(
        origin=0,
        bucket=0,
        keys=items.keys.copy(),
        ids=[name or "" for name in items.ids],
        user=learnt.user,
        item=rows,
        coordinate=batch.coordinate,
        weight=batch.weight,
        value=batch.value,
        time=int(batch.time.max()),
        age=ages(batch.time, int(batch.time.max())),
        context=learnt.context,
        context_start=learnt.context_start,
        factors=learnt.factors,
        negatives=learnt.negatives,
        gradients=learnt.gradients,
    )
