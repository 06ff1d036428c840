"""Sequence-aware factors against their equations, and what must hold whatever they have learnt."""

from dataclasses import replace

import numpy as np
import pytest

from models.arrays.deep import DeepArrays
from models.arrays.lesson import Lesson
from models.columns.accepted import AcceptedBatch
from models.columns.events import Events
from models.columns.learnt import Learnt
from models.columns.users import Users
from models.items import differences
from models.items.damping import Together
from models.items.table import Items
from models.params.ranking import RankingParams
from models.params.users import UserParams
from models.ranking.model import Ranking
from tests import columns
from tests.columns import TRANSITIONS, accepted, events, key, new_users, rows_of
from tests.kernels import note_moved, weight_of

PARAMS = RankingParams(
    factors=columns.FACTORS, negatives=3, context=2, context_decay=0.5, rate=0.2, bias_rate=0.1
)


def full_items(radius: float = np.inf) -> Items:
    return Items(
        factors=columns.FACTORS,
        transitions=TRANSITIONS,
        limit=10_000,
        seed=1,
        context=True,
        radius=radius,
    )


def model(**changes: float) -> Ranking:
    return Ranking(replace(PARAMS, **changes), users=UserParams(), transitions=TRANSITIONS)


def learn(
    items: Items, users: Users, batch: Events, *, by: Ranking | None = None, scored: bool = False
) -> Learnt:
    return (by or model()).learn(
        items,
        users,
        Lesson(
            batch,
            rows_of(items, batch),
            bucket=0,
            fresh=np.ones(len(batch), np.bool_),
            scored=np.full(len(batch), scored),
            gap=np.zeros(len(batch), np.uint8),
            deep=DeepArrays.none(),
        ),
    )


def walk(n: int, seed: int = 1, users: int = 5, first: int = 0, catalogue: int = 25) -> Events:
    random = np.random.default_rng(seed)
    who, what = random.integers(0, users, n).tolist(), random.integers(0, catalogue, n).tolist()
    return events(*zip(who, what, strict=True), first=first)


def context_of(items: Items, users: Users, u: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the last items, newest first, and the weight of each."""
    history = users.history[u, : users.history_length[u]]
    rows = items.rows(history[-PARAMS.context :], register=False)[::-1]
    weights = PARAMS.context_decay ** np.arange(len(rows))
    return rows, weights / np.sqrt(weights.sum())


def user_vector(items: Items, users: Users, u: int) -> np.ndarray:
    rows, weights = context_of(items, users, u)
    return users.factors[u] + weights @ items.arrays.context[rows]


def scores(items: Items, users: Users, u: int) -> np.ndarray:
    """Scores of all items by the equations, in plain numpy."""
    a, n = items.arrays, items.size
    history = users.history[u, : users.history_length[u]]
    rows = items.rows(history[-TRANSITIONS.window :], register=False)[::-1]
    known = np.maximum(items.count, 1.0)
    matrix = np.array([[weight_of(items.transitions.arrays, x, b) for b in range(n)] for x in rows])
    c = TRANSITIONS.decay ** np.arange(len(rows)) * known[rows] ** -TRANSITIONS.norm
    share = c @ matrix / (c @ matrix.sum(1))
    followed = np.log(1 + share / PARAMS.smoothing) - TRANSITIONS.norm * np.log(known)
    return a.factors[:n] @ user_vector(items, users, u) + a.bias[:n] + followed


def test_one_step_is_the_gradient_of_the_softmax_with_adagrad() -> None:
    items, users, by = full_items(), new_users(20), model()
    learn(items, users, walk(200, users=20, catalogue=90), by=by)
    a, u, batch = items.arrays, 0, events((0, 7), first=500)
    target = int(items.rows(batch.item)[0])
    before = {name: getattr(a, name).copy() for name in ("factors", "context", "bias")}
    sums = {
        name: getattr(a, f"{name}_sum").copy()
        for name in ("gradient", "context_gradient", "bias_gradient")
    }
    p, p_sum = users.factors[u].copy(), float(users.gradient_sum[u])
    z, logits = user_vector(items, users, u), scores(items, users, u)
    last, share = context_of(items, users, u)
    learn(items, users, batch, by=by)
    drawn = [int(row) for row in by._scratch.drawn if row >= 0]
    assert drawn[0] == target
    assert len(set(drawn)) == len(drawn) == 4
    pi = np.exp(logits[drawn]) / np.exp(logits[drawn]).sum()
    g = -pi
    g[0] += 1
    for row, step in zip(drawn, g, strict=True):
        grown = sums["gradient"][row] + step**2 * (z @ z) / columns.FACTORS
        moved = before["factors"][row] + PARAMS.rate * step / np.sqrt(0.1 + grown) * z
        assert a.factors[row] == pytest.approx(moved, rel=1e-3, abs=1e-6)
        grown = sums["bias_gradient"][row] + step**2
        moved = before["bias"][row] + PARAMS.bias_rate * step / np.sqrt(0.1 + grown)
        assert a.bias[row] == pytest.approx(moved, rel=1e-3, abs=1e-6)
    d = g @ before["factors"][drawn]
    square = d @ d / columns.FACTORS
    assert users.factors[u] == pytest.approx(
        p + PARAMS.rate / np.sqrt(0.1 + p_sum + square) * d, rel=1e-3, abs=1e-6
    )
    assert len(last) == PARAMS.context
    for row, weight in zip(last, share, strict=True):
        grown = sums["context_gradient"][row] + weight**2 * square
        moved = before["context"][row] + PARAMS.rate * weight / np.sqrt(0.1 + grown) * d
        assert a.context[row] == pytest.approx(moved, rel=1e-3, abs=1e-6)


def test_recommended_are_the_best_scores() -> None:
    items, users = full_items(), new_users(5)
    learn(items, users, walk(200))
    found = model().recommend(items, users, 5, DeepArrays.none())
    for u in range(5):
        score = scores(items, users, u)
        past = users.past[u, : users.past_length[u]] & np.uint32(0xFFFFFFFE)
        own = np.isin((items.keys & np.uint64(0xFFFFFFFE)).astype(np.uint32), past)
        score[own | (items.count == 0)] = -np.inf
        listed = found.rows[u][found.rows[u] >= 0]
        assert listed.tolist() == np.argsort(-score, kind="stable")[: len(listed)].tolist()
        assert found.scores[u, : len(listed)] == pytest.approx(score[listed], rel=1e-4)


def test_batches_cut_anywhere_teach_the_same() -> None:
    whole, parts, users, others = full_items(), full_items(), new_users(5), new_users(5)
    batch = walk(120)
    learn(whole, users, batch)
    for begin in range(0, 120, 7):
        learn(parts, others, batch.take(np.arange(begin, min(120, begin + 7))))
    assert np.array_equal(users.factors, others.factors)
    for name in ("factors", "context", "bias", "gradient_sum", "counts"):
        assert np.array_equal(getattr(whole.arrays, name), getattr(parts.arrays, name)), name


def told(items: Items, most: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    return differences.take(items.arrays, most)


def test_differences_told_are_what_was_moved_and_each_once() -> None:
    items, users = full_items(), new_users(5)
    batch = walk(100)
    rows_of(items, batch)
    before = differences.vectors(items.arrays, slice(0, items.size))
    learn(items, users, batch)
    rows, moved = told(items)
    assert len(set(rows.tolist())) == len(rows) > 10
    after = differences.vectors(items.arrays, slice(0, items.size))
    assert moved == pytest.approx((after - before)[rows], rel=2e-3, abs=1e-4)
    still = np.setdiff1d(np.arange(items.size), rows)
    assert np.array_equal(after[still], before[still])
    assert len(told(items)[0]) == 0


def test_rows_wait_in_the_order_they_were_moved_and_through_growth() -> None:
    items, users = full_items(), new_users(5)
    learn(items, users, walk(100))
    order = told(items)[0].tolist()
    again, others = full_items(), new_users(5)
    learn(again, others, walk(100))
    first = told(again, 3)[0].tolist()
    again.rows(np.arange(10_000, dtype=np.uint64) * 7 + 3)  # the table grows several times
    assert first + told(again)[0].tolist() == order


def test_a_queue_that_went_round_keeps_its_order_through_growth() -> None:
    items = full_items()
    rows = items.rows(np.arange(1, 1_001, dtype=np.uint64))
    room = len(items.arrays.queue)
    for row in rows:
        note_moved(items.arrays, row)
    told(items)
    waiting = [*range(900, 1_000), *range(100)]
    for row in waiting:
        note_moved(items.arrays, row)
    assert 1_000 < room < 1_000 + len(waiting)  # the end of the queue is before its begin
    first = told(items, 3)[0].tolist()
    items.rows(np.arange(2_000, 5_000, dtype=np.uint64))
    assert len(items.arrays.queue) > room
    assert first + told(items)[0].tolist() == waiting


def test_rounding_is_made_up_for_later() -> None:
    items, users, listener = full_items(), new_users(5), full_items()
    for n in range(200):
        batch = walk(10, seed=n, first=10 * n)
        learn(items, users, batch)
        rows, moved = told(items)
        theirs = listener.rows(items.keys[rows])
        differences.add(listener.arrays, theirs, moved, PARAMS.radius)
    rows = listener.rows(items.keys)
    for name in ("factors", "context", "bias"):
        mine, theirs = getattr(items.arrays, name)[: items.size], getattr(listener.arrays, name)
        assert theirs[rows] == pytest.approx(mine, abs=2e-3), name


def test_what_was_not_told_survives_an_authoritative_row() -> None:
    items, users, other = full_items(), new_users(5), full_items()
    learn(items, users, walk(100))
    rows, moved = told(items)
    differences.add(other.arrays, other.rows(items.keys[rows]), moved, PARAMS.radius)
    published = other.export(other.rows(items.keys[: items.size]))
    learn(items, users, walk(50, seed=2, first=100))
    before = differences.vectors(items.arrays, slice(0, items.size))
    items.replace(published, only_newer=False)
    after = differences.vectors(items.arrays, slice(0, items.size))
    assert after == pytest.approx(before, abs=3e-3)
    assert len(told(items)[0]) > 10


def message(
    items: Items, users: Users, batch: Events, *, by: Ranking | None = None, workers: int = 1
) -> AcceptedBatch:
    learnt = learn(items, users, batch, by=by)
    sent = accepted(batch, items.rows(batch.item), learnt, items)
    together = Together(workers, PARAMS.rate, PARAMS.bias_rate)
    sent.moved, sent.differences = differences.take(items.arrays, 1_000, together=together)
    return sent


def told_each_other(
    sides: list[tuple[Items, Users]], batches: list[Events], *, by: Ranking | None = None
) -> None:
    """Everyone learns their own events, then everyone receives the others."""
    pairs = zip(sides, batches, strict=True)
    sent = [message(*side, batch, by=by, workers=len(sides)) for side, batch in pairs]
    for at, (items, _) in enumerate(sides):
        for received in (one for teller, one in enumerate(sent) if teller != at):
            every = np.ones(len(received), np.bool_)
            (by or model()).apply(items, received, items.rows(received.keys), fresh=every)


def assert_alike(sides: list[tuple[Items, Users]], slack: float = 5e-3) -> None:
    first, *others = (items for items, _ in sides)
    for items in others:
        rows = items.rows(first.keys)
        assert np.array_equal(items.count[rows], first.count)
        for name in ("factors", "context", "bias"):
            mine, theirs = getattr(first.arrays, name)[: first.size], getattr(items.arrays, name)
            assert theirs[rows] == pytest.approx(mine, abs=slack), name


@pytest.mark.parametrize("workers", [2, 3, 5])
def test_workers_that_tell_each_other_go_the_same_way(workers: int) -> None:
    sides = [(full_items(), new_users(5)) for _ in range(workers)]
    for n in range(30):
        batches = [walk(10, seed=n + 100 * at, first=1000 * n + 100 * at) for at in range(workers)]
        told_each_other(sides, batches)
    assert_alike(sides)


@pytest.mark.parametrize("workers", [3, 5])
def test_workers_that_meet_the_ball_and_tell_again_stay_alike(workers: int) -> None:
    """Each copy shortens by itself, and none leaves the others behind."""
    radius = 0.5
    sides = [(full_items(radius=radius), new_users(5)) for _ in range(workers)]
    by, met = model(rate=0.5, radius=radius), 0
    for n in range(30):
        batches = [
            walk(10, seed=n + 100 * at, first=1000 * n + 100 * at, catalogue=6)
            for at in range(workers)
        ]
        told_each_other(sides, batches, by=by)
        lengths = np.linalg.norm(sides[0][0].arrays.factors, axis=1)
        assert lengths.max() <= radius + 1e-4
        met += np.count_nonzero(lengths > radius - 1e-3)
    assert met > 60
    assert_alike(sides, slack=0.15)  # each shortens in its own order, until rows are published


def test_only_owned_rows_take_differences() -> None:
    items, users, catalogue = full_items(), new_users(5), full_items()
    sent = message(items, users, walk(100))
    rows = catalogue.rows(sent.keys)
    before = differences.vectors(catalogue.arrays, rows)
    owned = np.arange(len(rows)) % 2 == 0
    model().apply(catalogue, sent, rows, fresh=np.ones(len(sent), np.bool_), owned=owned)
    changed = (differences.vectors(catalogue.arrays, rows) != before).any(1)
    assert not changed[~owned].any()
    assert changed[owned].any()


def test_the_heaviest_events_cannot_leave_the_ball() -> None:
    items, users, by = full_items(), new_users(2), model(rate=1.0, radius=0.5)
    for n in range(50):
        batch = events((n % 2, n % 7), (n % 2, (3 * n) % 11), weight=3e38, first=2 * n)
        learn(items, users, batch, by=by)
    for factors in (items.arrays.factors, items.arrays.context, users.factors):
        assert np.isfinite(factors).all()
        assert np.linalg.norm(factors, axis=1).max() <= 0.5 + 1e-4
    assert np.abs(items.arrays.bias).max() <= 0.5
    far = np.full((items.size, differences.width_of(4, 4)), 6e4, np.float16)
    rows = np.arange(items.size, dtype=np.int32)
    differences.add(items.arrays, rows, far, 0.5)
    assert np.linalg.norm(items.arrays.factors[rows], axis=1).max() <= 0.5 + 1e-4
    assert items.arrays.bias[rows].max() <= 0.5


def test_a_table_that_gives_up_rows_keeps_those_that_wait() -> None:
    items = Items(factors=4, transitions=TRANSITIONS, limit=25, seed=1, context=True)
    users = new_users(5)
    learn(items, users, walk(200))
    waiting = {int(items.keys[row]) for row in range(items.size) if items.arrays.waiting[row]}
    gone = items.make_room(np.array([key(1000)], np.uint64), known=True)
    rows, moved = told(items)
    assert len(gone) >= 3
    assert set(items.keys[rows].tolist()) == waiting - set(gone.tolist())
    assert np.isfinite(moved).all()
