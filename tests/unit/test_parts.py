"""Accepted events in several messages: each small enough, together the same lesson."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.columns.accepted import AcceptedBatch
from models.items.halves import halves
from state.topics import accepted

WINDOW = 3


def batch(events: int, users: int, items: int, id_bytes: int, seed: int) -> AcceptedBatch:
    """A batch as learn-users makes it: the keys of events first, each with its id."""
    random = np.random.default_rng(seed)
    item = random.integers(0, items, events).astype(np.int32)
    _, item = np.unique(item, return_inverse=True)
    named = int(item.max()) + 1
    contexts = [random.permutation(items + named)[: random.integers(0, 4)] for _ in range(users)]
    return AcceptedBatch(
        origin=9,
        bucket=3,
        keys=np.arange(items + named, dtype=np.uint64) + 1_000,
        ids=[f"{n:0{id_bytes}}" for n in range(named)],
        user=random.integers(0, users, events).astype(np.int32),
        item=item.astype(np.int32),
        coordinate=np.arange(events, dtype=np.int64),
        weight=random.random(events, np.float32) + 1,
        value=np.full(events, np.nan, np.float32),
        time=1_700_000_000_000,
        context=np.concatenate([np.empty(0), *contexts]).astype(np.int32),
        context_start=np.cumsum([0, *map(len, contexts)]).astype(np.int32),
        factors=random.random((users, 4), np.float32),
        negatives=random.integers(-1, items + named, (events, 2)).astype(np.int32),
        gradients=random.random((events, 3), np.float32),
        age=random.integers(0, 400, events, np.uint32),
    )


def lessons(one: AcceptedBatch) -> list[tuple[object, ...]]:
    """What each event teaches: its item after which others, and how the factors move."""
    last = {
        u: one.context[one.context_start[u] : one.context_start[u + 1]].tolist()
        for u in range(len(one.context_start) - 1)
    }
    found = []
    for e in range(len(one)):
        u, item = int(one.user[e]), int(one.item[e])
        compared = [int(one.keys[n]) if n >= 0 else None for n in one.negatives[e].tolist()]
        found.append((
            int(one.coordinate[e]),
            int(one.keys[item]),
            one.ids[item],
            [int(one.keys[n]) for n in last[u]],
            compared,
            one.factors[u].tolist(),
            one.gradients[e].tolist(),
            float(one.weight[e]),
            one.times[e],
        ))  # fmt: skip
        last[u] = [n for n in last[u] if n != item][-WINDOW + (item not in last[u]) :]
        last[u] = [*last[u], item][-WINDOW:]
    return found


@settings(deadline=None)
@given(
    events=st.integers(2, 40),
    users=st.integers(1, 5),
    items=st.integers(1, 12),
    seed=st.integers(0, 99),
)
def test_both_halves_teach_what_the_whole_does(
    events: int, users: int, items: int, seed: int
) -> None:
    whole = batch(events, users, items, 4, seed)
    first, second = halves(whole, WINDOW)
    assert lessons(first) + lessons(second) == lessons(whole)


@settings(deadline=None, max_examples=40)
@given(
    events=st.integers(1, 300),
    users=st.integers(1, 50),
    items=st.integers(1, 300),
    id_bytes=st.integers(1, 1_024),
    seed=st.integers(0, 99),
)
def test_no_message_is_over_the_limit_and_nothing_is_left_out(
    events: int, users: int, items: int, id_bytes: int, seed: int
) -> None:
    whole, limit = batch(events, users, items, id_bytes, seed), 8_192
    messages = accepted.encode_within(whole, limit, WINDOW)
    assert max(map(len, messages)) <= limit
    found = [lesson for message in messages for lesson in lessons(accepted.decode(message))]
    assert found == lessons(whole)


def test_what_fits_stays_whole() -> None:
    whole = batch(5, 2, 3, 4, 0)
    assert accepted.encode_within(whole, len(accepted.encode(whole)), WINDOW) == [
        accepted.encode(whole)
    ]


def test_a_batch_without_context_is_split_as_it_is() -> None:
    whole = batch(6, 2, 3, 4, 0)
    whole.context = np.empty(0, np.int32)
    whole.context_start = np.zeros(3, np.int32)
    first, second = halves(whole, 0)
    assert len(first.context) == len(second.context) == 0
    assert [*first.coordinate, *second.coordinate] == [*whole.coordinate]
