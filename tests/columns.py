"""Columns for tests of the models: events by small item numbers, users without a past."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.columns import AcceptedBatch, Events, Learnt, Users
from models.initial import initial_factors
from models.items import Items
from models.params import TransitionParams
from models.past import ALWAYS

FACTORS = 4
TRANSITIONS = TransitionParams(window=3, successors=20)


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
    )


def new_users(n: int, *, history: int = 8, excluded: int = 4, factors: int = FACTORS) -> Users:
    """Return users without a past."""

    def column(*shape: int, kind: type = np.int64) -> NDArray[Any]:
        return np.zeros((n, *shape), kind)

    return Users(
        key=np.arange(n).astype(np.uint64),
        factors=initial_factors(np.arange(n).astype(np.uint64), 1, factors, 0.3),
        gradient_sum=column(kind=np.float32),
        bias=column(kind=np.float32),
        history=column(history, kind=np.uint64),
        history_gap=column(history, kind=np.uint8),
        history_length=column(kind=np.int32),
        past=column(64, kind=np.uint32),
        past_until=column(0, kind=np.uint32),
        past_length=column(kind=np.int32),
        last_positive=column() - 1,
        deep=column(0, kind=np.float32),
        deep_version=column(),
        excluded=column(excluded, kind=np.uint64),
        excluded_length=column(kind=np.int32),
        recent=column(2, kind=np.uint64),
        recent_content=column(2, kind=np.uint32),
        recent_subject=column(2, kind=np.uint32),
        recent_time=column(2, kind=np.uint32),
        recent_length=column(kind=np.int32),
        floor=column() - 1,
        idle_floor=column() - 1,
        session_start=column(),
        session_last=column(),
        session_events=column(kind=np.int32),
        events=column(),
        seen=column(),
    )


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
        user=batch.user,
        item=rows,
        coordinate=batch.coordinate,
        weight=batch.weight,
        value=batch.value,
        time=int(batch.time.max()),
        context=learnt.context,
        context_start=learnt.context_start,
        factors=learnt.factors,
        negatives=learnt.negatives,
        gradients=learnt.gradients,
    )
