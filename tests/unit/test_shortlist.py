"""Lists made without a look at every item, against those made with one."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from models.arrays.deep import DeepArrays
from models.arrays.lesson import Lesson
from models.columns.accepted import AcceptedBatch
from models.columns.lists import Recommended
from models.columns.users import Users
from models.index.ceilings import BLOCK, CEILING, LENGTH, MOST
from models.items import differences
from models.items.table import Items
from models.lists import Lists
from models.params.neighbours import NeighbourParams
from models.params.ranking import RankingParams
from models.params.users import UserParams
from models.ranking.model import Ranking
from models.ranking.shortlist import SLACK, list_all
from models.weights.popularity import PopularityWeights
from scripts.tools.benchmarks.candidates.exact import scores_of
from tests import columns
from tests.columns import TRANSITIONS, accepted, events, key, new_users, rows_of

LIGHT = RankingParams(factors=columns.FACTORS, negatives=3, rate=0.3, bias_rate=0.2)
FULL = replace(
    LIGHT, context=2, context_decay=0.5, source_decay=0.5, source_norm=0.7, factors_weight=0.6,
    neighbour_weight=0.7,
)  # fmt: skip
SEQUENCES = NeighbourParams(
    occurrences=6, most_similar=4, recent=5, reach=2, sequences=64, kept=4096
)
NONE = DeepArrays.none()
K, USERS = 8, 12
EVERYTHING = 1e9
"""Slack that excludes no item."""


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make lists of few items as those of many are made."""
    monkeypatch.setattr("models.ranking.model.SHORT_FROM", 0)


class World:
    """Users who walk through a catalogue, and the model that learns it."""

    def __init__(
        self,
        params: RankingParams,
        seed: int,
        *,
        catalogue: int = 300,
        limit: int = 10_000,
        popularity: bool = True,
    ) -> None:
        self.random = np.random.default_rng(seed)
        self.catalogue = catalogue
        sequences = SEQUENCES if params.neighbour_weight else None
        self.weights = PopularityWeights() if popularity else None
        if self.weights:
            self.weights.weights[:] = self.random.choice([0, 0.2, 2], len(self.weights.weights))
        self.items = Items(
            factors=columns.FACTORS, transitions=TRANSITIONS, limit=limit, seed=1, half_life_ms=90,
            context=params.context > 0, neighbours=sequences,
        )  # fmt: skip
        self.users = new_users(USERS + 1, history=6)  # the last one never does anything
        self.model = Ranking(
            params, users=UserParams(), transitions=TRANSITIONS, neighbours=sequences,
            weights=self.weights,
        )  # fmt: skip
        self.learning: Any = SimpleNamespace(
            transitions=TRANSITIONS, ranking=params, sequences=sequences
        )
        self.done = 0

    def learn(self, n: int, *, weight: float = 1.0) -> AcceptedBatch:
        """Learn events; return what the others are told."""
        who = self.random.integers(0, USERS, n).tolist()
        what = (self.catalogue * self.random.random(n) ** 2).astype(int).tolist()
        batch = events(*zip(who, what, strict=True), first=self.done, weight=weight)
        self.done += n
        rows = rows_of(self.items, batch)
        learnt = self.model.learn(
            self.items, self.users, Lesson(batch, rows, bucket=0, fresh=np.ones(n, np.bool_),
            scored=np.zeros(n, np.bool_), gap=np.zeros(n, np.uint8), deep=NONE,))  # fmt: skip
        self.users.session_last[batch.user] = batch.time
        sent = accepted(batch, rows, learnt, self.items)
        if self.items.context_seed is not None:
            sent.moved, sent.differences = differences.take(self.items.arrays, 10_000)
        return sent

    def receive(self, sent: AcceptedBatch) -> None:
        """Learn what another world accepted."""
        self.items.make_room(sent.keys)
        rows = self.items.rows(sent.keys)
        self.items.name(rows, sent.ids)
        self.model.apply(self.items, sent, rows, fresh=np.ones(len(sent), np.bool_))

    def disturb(self, most: int = 10_000) -> None:
        """Replace rows, some of them by what is far from anything learnt."""
        chosen = self.random.permutation(self.items.size)[:most].astype(np.int32)
        rows = self.items.export(chosen)
        shape = rows.factors.shape
        rows.factors[:] = self.random.normal(0, 0.3, shape) * self.random.choice([1, 8], shape)
        rows.bias[:] = self.random.normal(0, 2, shape[0])
        rows.popularity[:] *= self.random.choice([1, 50], shape[0])
        self.items.replace(rows, only_newer=False)

    def lists(self, k: int = K) -> Recommended:
        return self.model.recommend(self.items, self.users, k, NONE)

    def by_all(self, k: int = K) -> Recommended:
        """Lists from the scores of all items, as where a deep model is served."""
        out = Recommended.empty(len(self.users), k)
        self.model._list_all_items(self.model._work(self.items, self.users, NONE), out)
        return out

    def searched(self, slack: float, k: int = K) -> Recommended:
        """Lists without fallback."""
        out = Recommended.empty(len(self.users), k)
        work = self.model._work(self.items, self.users, NONE)
        lists = Lists.of(out, np.empty(0, np.float32))
        list_all(int(self.users.session_last.max()), slack, work, lists)
        return out

    def scores(self, u: int) -> np.ndarray | None:
        """Scores of all items by the equations in plain numpy, at the time lists are made."""
        user: Users = self.users.take(np.array([u]))
        user.session_last[:] = self.users.session_last.max()
        weights = self.weights.weights if self.weights else np.zeros(1, np.float32)
        return scores_of(self.items, user, self.learning, weights)


def assert_same(found: Recommended, expected: Recommended) -> None:
    """Same items in the same order, where their scores differ by more than rounding."""
    for u in range(len(expected.rows)):
        mine, theirs = found.rows[u], expected.rows[u]
        assert (mine >= 0).sum() == (theirs >= 0).sum()
        held = int((theirs >= 0).sum())
        assert len(set(mine[:held].tolist())) == held
        assert found.scores[u, :held] == pytest.approx(expected.scores[u, :held], abs=1e-3)
        for at in np.flatnonzero(mine[:held] != theirs[:held]).tolist():
            apart = np.abs(expected.scores[u, :held] - expected.scores[u, at])
            assert (apart < 1e-3).sum() > 1 or at == held - 1


def assert_bounds(items: Items) -> None:
    """No row exceeds its bounds."""
    a, size = items.arrays, items.size
    length = np.linalg.norm(a.factors[:size], axis=1)
    values = np.zeros((3, size), np.float32)
    values[CEILING] = a.bias[:size] + a.log_discount[:size]
    values[MOST] = np.log1p(a.popularity[:size])
    values[LENGTH] = length
    assert a.length[:size] == pytest.approx(length, rel=1e-5)
    for row in range(size):
        assert (values[:, row] <= a.tops[:, row // BLOCK] + 1e-5).all(), row


def check(world: World) -> None:
    """All that must hold of lists, whatever happened before."""
    assert_bounds(world.items)
    found = world.lists()
    assert_same(world.searched(SLACK), world.by_all())
    all_scored = world.searched(EVERYTHING)
    few_scored = world.searched(SLACK)
    assert np.array_equal(few_scored.rows, all_scored.rows)
    assert np.array_equal(few_scored.scores, all_scored.scores)
    compared = 0
    for u in range(USERS):
        scores = world.scores(u)
        if scores is not None:
            best = np.sort(scores[np.isfinite(scores)])[::-1][:K]
            listed = found.rows[u][found.rows[u] >= 0]
            assert scores[listed] == pytest.approx(best, abs=2e-3)
            assert len(set(listed.tolist())) == len(listed)
            compared += 1
    assert compared > USERS / 2
    assert not world.model._scratch.boost.any()
    assert not world.model._scratch.near.any()
    assert_bounds(world.items)


PARAMS = pytest.mark.parametrize("params", [LIGHT, FULL], ids=["light", "full"])


@PARAMS
@pytest.mark.parametrize("seed", range(4))
def test_lists_are_those_of_a_look_at_every_item(params: RankingParams, seed: int) -> None:
    world = World(params, seed, popularity=seed % 2 == 0)
    world.learn(400)
    world.learn(10, weight=-1.0)
    check(world)
    world.disturb()
    check(world)


def stay(_: World) -> None:
    """Nothing but what every step does."""


def unname(world: World) -> None:
    """Items that nobody has named, or that have no event."""
    world.items.rows(np.arange(50, dtype=np.uint64) * 97 + 5)
    rows = np.arange(3, world.items.size, 7)
    world.items.arrays.named[rows] = False


def receive(world: World) -> None:
    other = World(world.model._params, 77)
    world.receive(other.learn(150))


def grow(world: World) -> None:
    world.items.rows(np.arange(3_000, dtype=np.uint64) * 97 + 5)


def forget(world: World) -> None:
    world.items.make_room(np.array([key(5_000 + n) for n in range(200)], np.uint64))
    assert world.items.evicted > 0


def replace_some(world: World) -> None:
    world.disturb(20)


@PARAMS
@pytest.mark.parametrize("change", [stay, unname, receive, grow, forget, replace_some])
def test_lists_follow_what_changes_between_them(
    params: RankingParams, change: Callable[[World], None]
) -> None:
    world = World(params, 5, limit=120 if change is forget else 10_000)
    for n in range(3):
        world.learn(150)
        world.disturb(100 if n == 0 else 0)
        check(world)
        change(world)
        check(world)
        world.learn(1)
        check(world)


@PARAMS
def test_reasons_and_sources_are_those_of_a_look_at_every_item(params: RankingParams) -> None:
    world = World(params, 3, catalogue=200)  # means are of all items
    world.learn(500)
    found, expected = world.searched(SLACK), world.by_all()
    same = found.rows == expected.rows
    assert same.mean() > 0.9
    assert np.array_equal(found.reasons[same], expected.reasons[same])
    assert np.array_equal(found.sources[same], expected.sources[same])
    assert len(set(found.reasons[same].tolist())) > 1


def test_of_equal_items_the_lowest_rows_are_listed() -> None:
    world = World(LIGHT, 1, popularity=False)
    world.learn(300)
    rows = world.items.export(np.arange(world.items.size, dtype=np.int32))
    rows.factors[:], rows.bias[:] = 0, 0
    rows.count[:] = 1
    world.items.replace(rows, only_newer=False)
    found, expected = world.searched(SLACK, 60), world.by_all(60)
    assert np.array_equal(found.rows, expected.rows)
    listed = found.scores[0] == 0  # what nothing names
    assert listed.sum() > 20
    assert (np.diff(found.rows[0][listed]) > 0).all()


def test_what_is_no_number_hides_nothing() -> None:
    world = World(LIGHT, 2)
    world.learn(300)
    world.disturb()
    rows = world.items.export(np.arange(0, world.items.size, BLOCK // 2, dtype=np.int32))
    rows.factors[:] = np.nan
    world.items.replace(rows, only_newer=False)
    gone = world.items.rows(rows.keys)
    found = world.searched(SLACK)
    assert not np.isin(found.rows, gone).any()
    assert_same(found, world.searched(EVERYTHING))
    assert_same(found, world.by_all())
    assert (found.rows[:USERS] >= 0).any(axis=1).sum() > USERS / 2


def test_only_blocks_whose_tops_say_so_are_looked_at_and_these_are_lowered() -> None:
    world = World(LIGHT, 4)
    world.learn(400)
    tops, size = world.items.arrays.tops, world.items.size
    expected = world.searched(SLACK, 100)
    tight = tops.copy()
    tops[:] += 50
    assert np.array_equal(world.searched(SLACK, 100).rows, expected.rows)
    used = (size + BLOCK - 1) // BLOCK
    assert tops[:, :used] == pytest.approx(tight[:, :used])
    tops[CEILING, 1:] = -np.inf
    without = world.searched(SLACK, 100)
    assert (without.rows >= 0).sum() < (expected.rows >= 0).sum()


def test_users_without_a_past_get_what_is_popular_and_lists_may_be_long_or_empty() -> None:
    world = World(FULL, 6, catalogue=20)
    world.learn(60)
    found = world.lists(40)
    assert (found.rows[USERS] >= 0).sum() == (world.items.count > 0).sum()
    assert_same(world.searched(SLACK, 40), world.by_all(40))
    assert world.lists(0).rows.shape == (USERS + 1, 0)


def test_where_enough_is_trending_nobody_looks_for_what_is_popular(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(LIGHT, 7)
    world.learn(200)
    excluded = world.users.excluded.shape[1]
    world.items.trending = world.items.keys[5 : 5 + K + excluded].copy()
    expected = list(range(5, 5 + K))
    assert world.lists().rows[USERS].tolist() == expected
    monkeypatch.setattr("models.lists.most_popular", None)
    assert world.lists().rows[USERS].tolist() == expected
    world.items.arrays.named[5] = False
    with pytest.raises(TypeError):
        world.lists()
