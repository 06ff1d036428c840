"""Counters beyond where 32 bits end: no item stops to grow, and shares add up to 1."""

import time

import numpy as np
import pytest

from models.arrays.items import EVENTS
from models.index.ceilings import MOST, raise_all
from models.items.table import Items
from models.params.neighbours import NeighbourParams
from models.params.transitions import TransitionParams
from models.popularity.levels import levels
from models.transitions.exchange import entries, replace_row
from models.transitions.rows import HEAVIEST
from models.transitions.table import Transitions
from tests.columns import FACTORS, TRANSITIONS, new_items
from tests.kernels import add_transition, count_event, fill_popularity, learn_place, weight_of


def shares(rows: Transitions, x: int) -> dict[int, float]:
    successors, weights = entries(rows.arrays, x, 100)
    total = float(rows.arrays.total[x])
    assert float(weights.astype(np.float64).sum()) == pytest.approx(total, rel=1e-6)
    return {s: w / total for s, w in zip(successors.tolist(), weights.tolist(), strict=True)}


def test_the_share_of_a_pair_stays_whatever_its_weight() -> None:
    rows = Transitions(TRANSITIONS, 4)
    replace_row(rows.arrays, 0, np.array([1, 2], np.int32), np.array([2**24, 2**22], np.float32))
    for _ in range(200_000):
        for successor, step in ((1, 0.8), (2, 0.2), (1, 0.8), (2, 0.2)):
            add_transition(rows.arrays, 0, successor, step)
    assert shares(rows, 0) == pytest.approx({1: 0.8, 2: 0.2}, abs=0.02)
    assert weight_of(rows.arrays, 0, 1) <= HEAVIEST


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0]])
def test_a_heavy_row_of_before_keeps_its_shares(order: list[int]) -> None:
    rows = Transitions(TRANSITIONS, 4)
    weights = np.array([2**24, 2**23, 2**23], np.float32)
    replace_row(rows.arrays, 0, np.array(order, np.int32), weights[order])
    assert shares(rows, 0) == {0: 0.5, 1: 0.25, 2: 0.25}


def test_popularity_and_counts_go_on() -> None:
    items = new_items()
    (row, other) = items.rows(np.array([1, 2], np.uint64))
    a = items.arrays
    a.popularity[[row, other]] = 2.0**25
    a.counts[row], a.last_time[[row, other]] = 2**40, 1_000
    a.counts[other] = 1
    a.counters[EVENTS] = 2**40
    for _ in range(1_000):
        count_event(a, row, 1_000)
    assert a.popularity[row] == 2.0**25 + 1_000
    assert (a.counts[row], items.events) == (2**40 + 1_000, 2**40 + 1_000)
    assert levels(a)[row] > levels(a)[other]
    part = np.zeros(len(a.keys), np.float32)
    fill_popularity(a, 1_000, part)
    raise_all(a, np.array([row, other], np.int32))
    assert a.tops[MOST, 0] >= part[:2].max()
    fresh = new_items()
    fresh.replace(items.export(np.array([row], np.int32)), only_newer=False)
    assert fresh.arrays.popularity[0] == 2.0**25 + 1_000


def crowded(rows: int, successors: int, **more: object) -> Items:
    """A full table in which the last items are as popular as the first ones."""
    random = np.random.default_rng(1)
    params = TransitionParams(window=5, successors=2 * successors)
    items = Items(factors=FACTORS, transitions=params, limit=rows, seed=1, **more)
    items.rows(np.arange(1, rows + 1, dtype=np.uint64) * np.uint64(2_654_435_761))
    items.name(np.arange(rows, dtype=np.int32), [f"i{n}" for n in range(rows)])
    for row, times in enumerate(random.integers(1, 6, rows).tolist() if rows < 10_000 else ()):
        for n in range(times):
            count_event(items.arrays, row, 1_000 + n)
    if rows >= 10_000:
        items.arrays.counts[:], items.arrays.last_time[:] = 1, 1_000
        items.arrays.popularity[:] = random.random(rows)
    items.transitions.make_room(max(8, 4 * successors) * rows + items.transitions.reserve)
    followers = random.integers(0, rows, (rows, successors), dtype=np.int32)
    weights = random.integers(1, 9, (rows, successors)).astype(np.float32)
    for row in range(rows):
        replace_row(items.transitions.arrays, row, followers[row], weights[row])
    return items


def known(items: Items) -> dict[str, object]:
    """What is known by id, whatever the rows."""
    rows = items.export(np.arange(items.size, dtype=np.int32))
    found: dict[str, object] = {}
    for n, name in enumerate(rows.ids):
        part = slice(rows.successor_start[n], rows.successor_start[n + 1])
        place = slice(rows.place_start[n], rows.place_start[n + 1])
        pairs = zip(rows.successors[part].tolist(), rows.weights[part].tolist(), strict=True)
        places = zip(
            rows.place_keys[place].tolist(), rows.place_positions[place].tolist(), strict=True
        )
        found[name] = (
            int(rows.keys[n]), int(rows.count[n]), float(rows.popularity[n]),
            rows.factors[n].tolist(), dict(pairs), list(places),
        )  # fmt: skip
    return found


def test_what_is_kept_stays_as_it_was() -> None:
    items = crowded(512, 12, neighbours=NeighbourParams())
    a, random = items.arrays, np.random.default_rng(2)
    items.neighbours.make_room(2_000)
    for row in random.integers(0, 512, 2_000).tolist():
        learn_place(items.neighbours.arrays, np.uint64(row % 50), row)
    waiting = random.permutation(512)[:100].astype(np.int32)
    a.queue[:100], a.waiting[waiting], a.counters[6] = waiting, True, 100
    ring = [items.ids[row] for row in a.recent[: a.counters[8]].tolist()]
    order = [items.ids[row] for row in a.known[: a.counters[1]].tolist()]
    queue = [items.ids[row] for row in waiting.tolist()]
    before, generation = known(items), items.generation
    gone = set(items.make_room(np.array([5], np.uint64)).tolist())
    assert len(gone) == 64
    expected = {}
    for name, (key, *rest, pairs, places) in before.items():
        if key not in gone:
            left = {to: weight for to, weight in pairs.items() if to not in gone}
            expected[name] = (key, *rest, left, places)
    assert known(items) == expected
    a, t = items.arrays, items.transitions.arrays
    for row in range(items.size):
        assert t.total[row] == sum(expected[items.ids[row]][4].values())
    names = [items.ids[row] for row in a.recent[: a.counters[8]].tolist()]
    assert names == [name for name in ring if name in expected]
    names = [items.ids[row] for row in a.known[: a.counters[1]].tolist()]
    assert names == [name for name in order if name in expected]
    names = [items.ids[row] for row in a.queue[a.counters[7] : a.counters[6]].tolist()]
    assert names == [name for name in queue if name in expected]
    assert items.generation == generation + 1
    assert items.rows(items.keys, register=False).tolist() == list(range(items.size))
    assert items.events == items.count.sum()
    again = items.rows(np.arange(900, 964, dtype=np.uint64))
    assert sorted(again.tolist()) == list(range(448, 512))
    assert items.export(again).successor_start[-1] == 0


def test_room_is_made_within_a_moment() -> None:
    """200,000 items of 40 successors took 1.5 s, now some 0.1; the limit is for a busy machine."""
    crowded(600, 12).make_room(np.array([5], np.uint64))  # compiled, or read from the cache
    items, took = crowded(200_000, 40), list[float]()
    for turn in range(4):
        new = np.arange(5_000 * turn, 5_000 * turn + 2_048, dtype=np.uint64)
        begin = time.process_time()
        assert len(items.make_room(new)) == 2_048
        took.append(time.process_time() - begin)
        items.rows(new)
    assert min(took) < 0.4


def test_as_much_room_is_made_as_is_needed_up_to_an_eighth() -> None:
    for new, given_up in ((10, 2_048), (2_100, 2_100), (9_000, 2_500)):
        items = crowded(20_000, 1)
        assert len(items.make_room(np.arange(5, 5 + new, dtype=np.uint64))) == given_up
