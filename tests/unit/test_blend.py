"""The blend's sums against a plain softmax, and what its weights do."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from models import blend
from models.arrays import LOSSES
from models.blend import COUNT, G0, G1, H00, H01, H11, LOSS, ONLINE_LOSS, Blend
from models.items.table import Items
from tests.columns import key, new_items
from tests.kernels import add_loss


@dataclass
class World:
    """Two scores of every item; some items are hidden or have no event yet."""

    items: Items
    first: np.ndarray
    second: np.ndarray
    marks: np.ndarray

    @classmethod
    def of(cls, size: int, *, seed: int = 1) -> "World":
        random = np.random.default_rng(seed)
        items = new_items(limit=100_000)
        items.rows(np.array([key(n) for n in range(size)], np.uint64))
        items.arrays.counts[:size] = random.integers(0, 5, size)
        room = len(items.arrays.keys)
        marks = np.zeros(room, np.int64)
        marks[: size // 10] = 9
        scores = random.normal(size=(2, room)).astype(np.float32)
        return cls(items, scores[0], 2 * scores[1], marks)

    def sums(self, online: float, deep: float, target: int) -> np.ndarray:
        found = np.zeros(LOSSES)
        weights = np.array([online, deep])
        add_loss(self.first, self.second, weights, self.items.arrays, self.marks, 9, target, found)
        return found

    def loss(self, online: float, deep: float, target: int) -> float:
        """The same in plain double precision: the target and all that may be recommended."""
        size = self.items.size
        may = (self.items.arrays.counts[:size] > 0) & (self.marks[:size] != 9)
        may[target] = True
        score = online * self.first[:size].astype(float) + deep * self.second[:size].astype(float)
        top = score[may].max()
        return float(np.log(np.exp(score[may] - top).sum()) + top - score[target])


@pytest.mark.parametrize("target", [3, 50, 299])
@pytest.mark.parametrize(("online", "deep"), [(1.0, 0.0), (0.7, 0.4), (2.0, 2.0)])
def test_loss_gradient_and_curvature_are_those_of_a_softmax(
    online: float, deep: float, target: int
) -> None:
    world = World.of(300)
    found = world.sums(online, deep, target)

    def at(p: float, q: float) -> float:
        return world.loss(online + p, deep + q, target)

    h = 1e-3
    assert found[COUNT] == 1
    assert found[LOSS] == pytest.approx(at(0, 0), rel=1e-4)
    assert found[ONLINE_LOSS] == pytest.approx(world.loss(online, 0, target), rel=1e-4)
    assert found[G0] == pytest.approx((at(h, 0) - at(-h, 0)) / (2 * h), abs=2e-3)
    assert found[G1] == pytest.approx((at(0, h) - at(0, -h)) / (2 * h), abs=2e-3)
    second = ((at(h, 0), H00), (at(0, h), H11))
    for (ahead, place), behind in zip(second, (at(-h, 0), at(0, -h)), strict=True):
        assert found[place] == pytest.approx((ahead - 2 * at(0, 0) + behind) / h**2, abs=0.02)
    mixed = (at(h, h) - at(h, -h) - at(-h, h) + at(-h, -h)) / (4 * h**2)
    assert found[H01] == pytest.approx(mixed, abs=0.02)


def test_sums_are_added_up() -> None:
    world = World.of(60)
    found = np.zeros(LOSSES)
    for target in (10, 20):
        add_loss(
            world.first, world.second, np.array([1.0, 0.5]), world.items.arrays, world.marks, 9,
            target, found,
        )  # fmt: skip
    assert found == pytest.approx(world.sums(1, 0.5, 10) + world.sums(1, 0.5, 20))


def test_a_large_catalogue_is_sampled_evenly() -> None:
    world = World.of(20_000)
    targets = np.random.default_rng(2).integers(2_000, 20_000, 60).tolist()
    found = sum(world.sums(0.8, 0.3, target) for target in targets) / len(targets)
    exact = np.mean([world.loss(0.8, 0.3, target) for target in targets])
    assert found[LOSS] == pytest.approx(exact, rel=0.01)
    h = 1e-2

    def mean(online: float, deep: float) -> float:
        return float(np.mean([world.loss(online, deep, target) for target in targets]))

    gradient = [
        (mean(0.8 + p, 0.3 + q) - mean(0.8 - p, 0.3 - q)) / (2 * h) for p, q in ((h, 0), (0, h))
    ]
    assert found[[G0, G1]] == pytest.approx(gradient, abs=0.1)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e38])
def test_scores_that_are_no_numbers_add_nothing(bad: float) -> None:
    world = World.of(60)
    world.second[30] = bad
    world.items.arrays.counts[30] = 1
    found = world.sums(1.0, 0.5, 20)
    assert not found.any()


def test_an_event_where_nothing_else_may_be_recommended_loses_nothing() -> None:
    world = World.of(60)
    world.items.arrays.counts[:] = 0
    found = world.sums(1.0, 0.5, 20)
    assert found[COUNT] == 1
    assert found[LOSS : ONLINE_LOSS + 1] == pytest.approx(0, abs=1e-6)


def taught(helps: float, *, events: int = 3_000, online: float = 1.0, seed: int = 3) -> Blend:
    """A blend after events whose items the deep score knows of, more or less."""
    world, random = World.of(200, seed=seed), np.random.default_rng(seed)
    size, learner = world.items.size, Blend()
    world.items.arrays.counts[:size], world.marks[:] = 1, 0
    for _ in range(events // 20):
        found = np.zeros(LOSSES)
        for _ in range(20):
            world.first[:size], world.second[:size] = random.normal(size=(2, size))
            taste = online * world.first[:size] + helps * world.second[:size]
            target = int(np.argmax(taste + random.gumbel(size=size)))
            add_loss(
                world.first, world.second, learner.weights, world.items.arrays, world.marks, 9,
                target, found,
            )  # fmt: skip
        learner.learn(found)
    return learner


def test_a_deep_score_that_helps_gets_the_weight_it_deserves() -> None:
    found = taught(0.8)
    assert found.deep == pytest.approx(0.8, abs=0.15)
    assert found.online == pytest.approx(1.0, abs=0.15)


def test_noise_gets_no_weight() -> None:
    assert taught(0.0).deep == pytest.approx(0.0, abs=0.1)


def test_a_deep_score_that_is_wrong_gets_none_and_no_weight_below_zero() -> None:
    assert taught(-1.0).deep == 0


def test_weights_are_bounded() -> None:
    found = taught(6.0, online=6.0)
    assert (found.online, found.deep) == (2.0, 2.0)
    assert taught(1.0, online=-2.0).online == pytest.approx(0.2)


def test_an_online_score_that_is_enough_keeps_its_weight() -> None:
    found = taught(0.0, events=1_000)
    assert found.online == pytest.approx(1.0, abs=0.15)


def sums(**values: float) -> np.ndarray:
    found = np.zeros(LOSSES)
    for name, value in values.items():
        found[getattr(blend, name)] = value
    return found


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", range(LOSSES))
def test_sums_that_are_no_numbers_teach_nothing(place: int, bad: float) -> None:
    learner, told = Blend(), sums(COUNT=10, G1=-5, H11=3)
    told[place] = bad
    learner.learn(told)
    assert learner == Blend()


def test_no_events_teach_nothing() -> None:
    learner = Blend()
    learner.learn(sums())
    assert learner == Blend()


def test_one_step_is_small_whatever_the_sums_say() -> None:
    learner = Blend()
    learner.learn(sums(COUNT=1, G0=-1e12, G1=-1e12))
    assert learner.online == pytest.approx(1.05)
    assert learner.deep == pytest.approx(0.05)


def test_the_past_is_forgotten() -> None:
    learner: Any = Blend()
    learner.learn(sums(COUNT=1_000, H00=10, H11=10), memory=1_000)
    learner.learn(sums(COUNT=1_000, H00=10, H11=10), memory=1_000)
    assert learner.events == pytest.approx(1_000 * (1 + np.exp(-1)))
    assert learner.curvature[0] == pytest.approx(10 * (1 + np.exp(-1)))
