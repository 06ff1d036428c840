"""The blend's sums against plain ranks and a plain softmax, and what its weight does."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from models.arrays.weights import LOSSES, WEIGHTS
from models.items.table import Items
from models.weights.blend import COUNT, GAIN, GRID, LOSS, SQUARE, Blend
from tests.columns import key, new_items
from tests.kernels import add_event


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

    def sums(self, weight: float, target: int, found: np.ndarray | None = None) -> np.ndarray:
        found = np.zeros(LOSSES) if found is None else found
        places = np.zeros(1 + WEIGHTS, np.float32)
        add_event(
            self.first, self.second, weight, self.items.arrays, self.marks, 9, target, places, found
        )
        return found

    def listed(self, target: int) -> np.ndarray:
        """The target and all that may be recommended."""
        size = self.items.size
        may = (self.items.arrays.counts[:size] > 0) & (self.marks[:size] != 9)
        may[target] = True
        return np.flatnonzero(may)

    def score(self, weight: float) -> np.ndarray:
        return self.first.astype(float) + float(weight) * self.second.astype(float)

    def loss(self, weight: float, target: int) -> float:
        """The softmax loss in plain double precision."""
        score, listed = self.score(weight), self.listed(target)
        top = score[listed].max()
        return float(np.log(np.exp(score[listed] - top).sum()) + top - score[target])

    def worth(self, weight: float, target: int) -> float:
        """A smooth hit, from ranks by sorting."""
        score, listed = self.score(weight), self.listed(target)
        above = np.count_nonzero(score[listed] > score[target])
        ties = np.count_nonzero(score[listed] == score[target]) - 1
        return float(1 / (1 + (above + ties / 2) / 10))


@pytest.mark.parametrize("target", [3, 50, 299])
@pytest.mark.parametrize("weight", [0.0, 0.4, 2.0])
def test_loss_is_that_of_a_softmax(weight: float, target: int) -> None:
    world = World.of(300)
    found = world.sums(weight, target)
    assert found[COUNT] == 1
    assert found[LOSS] == pytest.approx(world.loss(weight, target), rel=1e-4)


@pytest.mark.parametrize("target", [3, 50, 299])
def test_gains_are_those_of_places_by_every_weight(target: int) -> None:
    world = World.of(300)
    found = world.sums(0.3, target)
    gains = [world.worth(weight, target) - world.worth(0, target) for weight in GRID]
    assert found[GAIN:SQUARE] == pytest.approx(gains, abs=1e-6)
    assert found[SQUARE:] == pytest.approx(np.square(gains), abs=1e-6)
    assert any(gains)


def test_gains_do_not_depend_on_the_weight_that_serves() -> None:
    world = World.of(300)
    assert world.sums(0.0, 50)[GAIN:].tolist() == world.sums(0.8, 50)[GAIN:].tolist()


def test_ties_count_half() -> None:
    world = World.of(30)
    world.items.arrays.counts[:30], world.marks[:] = 1, 0
    world.first[:], world.second[:] = 0, 0
    world.second[20] = 1  # now the first of 30; without the deep score one of 30 equals
    gain = 1 - 1 / (1 + 14.5 / 10)
    assert world.sums(0.0, 20)[GAIN:SQUARE] == pytest.approx([gain] * WEIGHTS)


def test_a_large_catalogue_is_sampled_for_the_loss_and_ranked_whole() -> None:
    world = World.of(20_000)
    target = 15_000
    found = world.sums(0.5, target)
    assert found[LOSS] == pytest.approx(world.loss(0.5, target), abs=0.1)
    gain = world.worth(GRID[-1], target) - world.worth(0, target)
    assert found[SQUARE - 1] == pytest.approx(gain, abs=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("weight", [0.0, 0.5])
@pytest.mark.parametrize("row", [20, 30])
def test_scores_that_are_no_numbers_add_nothing(row: int, weight: float, bad: float) -> None:
    world = World.of(60)
    world.second[row] = bad
    world.items.arrays.counts[row] = 1
    assert not world.sums(weight, 20).any()


def test_an_event_where_nothing_else_may_be_recommended_loses_and_gains_nothing() -> None:
    world = World.of(60)
    world.items.arrays.counts[:] = 0
    found = world.sums(0.5, 20)
    assert found[COUNT] == 1
    assert found[LOSS:] == pytest.approx(0, abs=1e-6)


def taught(
    helps: float, *, events: int, seed: int = 3, learner: Blend | None = None, memory: float = 2e4
) -> Blend:
    """A blend after events whose items the deep score knows of, more or less."""
    world, random = World.of(200, seed=seed), np.random.default_rng(seed)
    size, learner = world.items.size, learner or Blend()
    world.items.arrays.counts[:size], world.marks[:] = 1, 0
    for _ in range(events // 20):
        found = np.zeros(LOSSES)
        for _ in range(20):
            world.first[:size], world.second[:size] = random.normal(size=(2, size))
            taste = 2 * (world.first[:size] + helps * world.second[:size])
            target = int(np.argmax(taste + random.gumbel(size=size)))
            world.sums(learner.deep, target, found)
        learner.learn(found, memory=memory)
    return learner


def test_a_deep_score_that_helps_gets_the_weight_it_deserves() -> None:
    assert taught(0.4, events=300).deep > 0
    assert taught(0.4, events=4_000).deep == pytest.approx(0.4, abs=0.21)


@pytest.mark.parametrize("seed", range(3))
def test_noise_gets_no_weight(seed: int) -> None:
    assert taught(0.0, events=2_000, seed=seed).deep == 0


def test_a_deep_score_that_is_wrong_gets_no_weight() -> None:
    assert taught(-0.5, events=2_000).deep == 0


def test_a_deep_score_that_gets_worse_loses_its_weight() -> None:
    learner = taught(0.4, events=2_000, memory=1_000)
    assert learner.deep > 0
    assert taught(-0.5, events=2_000, learner=learner, memory=1_000).deep == 0


FEW = np.array([0.001, 0.004, 0.01, 0.014, 0.02, 0.018, 0.01, 0.0, -0.02])
"""What the weights gain at an event, on average."""


def expecting(gains: np.ndarray, *, events: float = 1_500.0) -> Blend:
    found = Blend()
    found.expect([events], (events * gains).tolist(), *[[events * 0.01] * WEIGHTS] * 2)
    return found


def test_what_a_first_model_is_surely_expected_to_bring_is_served_at_once() -> None:
    assert expecting(FEW).deep == pytest.approx(0.3)
    assert expecting(FEW / 10).deep == 0
    assert expecting(-FEW[::-1]).deep == pytest.approx(0.05)  # the only one that gains


def test_expectations_that_make_no_sense_are_none() -> None:
    found, some = Blend(), [1.0] * WEIGHTS
    for bad in (math.nan, math.inf, -math.inf, None, 1e300, -1e300):
        for place in range(4):
            given: list[list[float | None]] = [[1e3], [*some], [*some], [*some]]
            given[place][0] = bad
            found.expect(*given)
    found.expect([1e3], [1.0], [1.0], [1.0])
    found.expect([], [], [], [])
    found.expect([99.0], [90.0] * WEIGHTS, some, some)  # few
    assert found == Blend()
    found.expect([1e3], some, some, some)
    assert found != Blend()


def test_ranked_events_know_better_than_expectations() -> None:
    wrong = expecting(FEW)
    for _ in range(40):
        wrong.learn(sums(count=20, gain=-0.006, square=0.01))
    assert wrong.deep == 0
    right = expecting(FEW)
    for _ in range(100):
        right.learn(sums(count=20, gain=0.006, square=0.01))
        assert right.deep > 0
    learnt = taught(0.4, events=2_000)
    before = learnt.gains
    learnt.expect([1e3], *[[1.0] * WEIGHTS] * 3)
    assert learnt.gains == before


def test_a_few_events_are_no_proof() -> None:
    learner = Blend()
    learner.learn(sums(count=90, gain=0.5, square=0.25))
    assert learner.deep == 0
    learner.learn(sums(count=11, gain=0.5, square=0.25))
    assert learner.deep > 0


def sums(*, count: float, gain: float = 0.0, square: float = 0.0) -> np.ndarray:
    """Sums of events that gained the same by every weight, on average."""
    found = np.zeros(LOSSES)
    found[COUNT], found[GAIN:SQUARE], found[SQUARE:] = count, count * gain, count * square
    return found


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [COUNT, LOSS, GAIN, SQUARE, LOSSES - 1])
def test_sums_that_are_no_numbers_teach_nothing(place: int, bad: float) -> None:
    learner, told = Blend(), sums(count=200, gain=0.5, square=0.25)
    told[place] = bad
    learner.learn(told)
    assert learner == Blend()


def test_no_events_teach_nothing() -> None:
    learner = Blend()
    learner.learn(sums(count=0, gain=1))
    assert learner == Blend()


def test_the_past_is_forgotten() -> None:
    learner, told = Blend(), sums(count=1_000, gain=0.01, square=0.001)
    learner.learn(told, memory=1_000)
    learner.learn(told, memory=1_000)
    assert learner.events == pytest.approx(1_000 * (1 + np.exp(-1)))
    assert learner.gains == pytest.approx([10 * (1 + np.exp(-1))] * WEIGHTS)
    assert learner.squares == pytest.approx([1 + np.exp(-1)] * WEIGHTS)


def test_what_was_learnt_of_other_weights_is_forgotten() -> None:
    assert Blend.of(0.4, 500.0, [1.0, 2.0], [3.0, 4.0]) == Blend()
    kept = Blend.of(0.4, 500.0, [1.0] * WEIGHTS, [2.0] * WEIGHTS)
    assert kept == Blend(0.4, 500.0, [1.0] * WEIGHTS, [2.0] * WEIGHTS)


def reports(mean: float, seed: int, *, events: int, noise: float = 0.3) -> Iterator[np.ndarray]:
    """Sums of 20 events each that gain as much on average by weights of .3 and more."""
    random = np.random.default_rng(seed)
    for _ in range(events // 20):
        common, own = random.standard_t(5, size=(20, 1)), random.normal(size=(20, WEIGHTS))
        spread = noise * GRID * (0.7 * common + 0.5 * own)
        gain = np.clip(mean * np.minimum(1, GRID / 0.3) + spread, -1, 1)
        found = np.zeros(LOSSES)
        found[COUNT], found[GAIN:SQUARE], found[SQUARE:] = 20, gain.sum(0), np.square(gain).sum(0)
        yield found


@pytest.mark.parametrize("noise", [0.3])
def test_a_model_of_no_use_is_hardly_ever_served_however_often_one_looks(noise: float) -> None:
    """In 5 of 100 worlds at most, over all 1,000 looks at 20,000 events."""
    served = 0
    for seed in range(60):
        learner, ever = Blend(), False
        for found in reports(0.0, seed, events=20_000, noise=noise):
            learner.learn(found)
            ever |= learner.deep > 0
        served += ever
    assert served <= 3


def noticed(mean: float, seed: int, learner: Blend) -> int:
    """Events until a weight is served."""
    for n, found in enumerate(reports(mean, seed, events=20_000), start=1):
        learner.learn(found)
        if learner.deep > 0:
            return 20 * n
    return 20_000


@pytest.mark.parametrize(("mean", "within"), [(0.02, 1_500), (0.01, 5_000)])
def test_a_model_that_helps_is_served_soon(mean: float, within: int) -> None:
    assert max(noticed(mean, seed, Blend()) for seed in range(10)) <= within


def test_a_model_that_helps_after_a_long_time_of_no_use_is_served_soon() -> None:
    learner = Blend()
    for found in reports(-0.01, 1, events=100_000):
        learner.learn(found)
    assert learner.deep == 0
    assert noticed(0.02, 2, learner) <= 3_000


def test_what_was_proven_is_proven_anew_where_it_gains_no_more() -> None:
    learner = Blend()
    for found in reports(0.02, 1, events=20_000):
        learner.learn(found)
    assert learner.deep > 0
    for found in reports(-0.02, 2, events=20_000):
        learner.learn(found)
    assert learner.deep == 0
    for found in reports(0.0, 3, events=20_000):
        learner.learn(found)
        assert learner.deep == 0


def test_a_proof_outlives_its_worker_and_one_of_before_is_made_anew() -> None:
    learner = Blend()
    for found in reports(0.02, 1, events=4_000):
        learner.learn(found)
    kept = learner.deep, learner.events, learner.gains, learner.squares
    after, older = Blend.of(*kept, learner.proof), Blend.of(*kept)
    found = next(reports(0.02, 2, events=20))
    for one in (learner, after, older):
        one.learn(found)
    assert after == learner
    assert after.deep > 0
    assert older.deep == 0
