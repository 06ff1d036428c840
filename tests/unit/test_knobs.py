"""Knobs of scores that find themselves: gradient, steps, what is kept and what is served."""

from dataclasses import replace

import numpy as np
import pytest

from models.arrays.lesson import Lesson
from models.arrays.weights import KNOBS, TUNINGS
from models.columns.learnt import UNKNOWN
from models.params.ranking import MODELS, RankingParams
from models.weights.knobs import NAMES, NOTCHES, TunedKnobs
from scripts.tools.benchmarks.candidates.exact import scores_of
from state.codec.sealed import StateError
from state.keyed import knobs as codec
from tests import columns
from tests.columns import events, rows_of
from tests.kernels import learn_knobs
from tests.unit.test_shortlist import FULL, NONE, USERS, World

START = replace(MODELS["full"], adaptive=True)
LOGARITHMIC = (False, False, True, True)
SOME = replace(FULL, source_decay=0.6, source_norm=0.4, factors_weight=0.5, neighbour_weight=0.6)


class Tuned(World):
    """A world whose knobs move."""

    def __init__(self, params: RankingParams, seed: int) -> None:
        super().__init__(params, seed, catalogue=120, popularity=False)
        self.tuned = TunedKnobs(params)
        self.model._tuned = self.tuned
        self.model._scratch = self.model._scratch_of(0)

    def rank(self, u: int, item: int) -> tuple[int, np.ndarray]:
        """Learn an event; return where its item was ranked, and the sums of the knobs."""
        before = self.tuned.of(0).bucket.copy()
        batch = events((u, item), first=self.done)
        self.done += 1
        learnt = self.model.learn(
            self.items, self.users, Lesson(batch, rows_of(self.items, batch), bucket=0,
            fresh=np.ones(1, np.bool_), scored=np.ones(1, np.bool_), gap=np.zeros(1, np.uint8),
            deep=NONE,))  # fmt: skip
        return int(learnt.rank[0]), self.tuned.of(0).bucket - before

    def worth(self, u: int, target: int, params: RankingParams) -> float:
        """What the place of an item is worth by the equations, in plain numpy."""
        self.learning.ranking = params
        scores = scores_of(self.items, self.users.take(np.array([u])), self.learning, np.zeros(1))
        assert scores is not None
        if scores[target] == -np.inf:
            return 0.0
        known = np.sort(scores[np.isfinite(scores)])
        y = (np.delete(scores, target) - scores[target]) / (0.25 * known[-30:].std())
        y = y[np.isfinite(y) & (y > -12)]
        return float(1 / (1 + (1 / (1 + np.exp(-y))).sum() / 10))


def moved(params: RankingParams, knob: int, notches: float) -> RankingParams:
    value = getattr(params, NAMES[knob])
    way = notches * NOTCHES[knob]
    return replace(
        params, **{NAMES[knob]: value * np.exp(way) if LOGARITHMIC[knob] else value + way}
    )


def test_the_gradient_is_that_of_the_worth_by_finite_differences() -> None:
    world, random, compared = Tuned(SOME, 3), np.random.default_rng(1), 0
    world.learn(500)
    world.disturb(60)
    for _ in range(40):
        u, item = int(random.integers(USERS)), int(random.integers(60))
        row = int(rows_of(world.items, events((u, item)))[0])
        world.tuned.steps[:] = 0  # g alone is in the pull
        world.tuned.served = SOME
        worths = [
            [world.worth(u, row, moved(SOME, k, way)) for way in (0.02, -0.02)]
            for k in range(KNOBS)
        ]
        rank, sums = world.rank(u, item)
        expected = np.subtract(*np.transpose(worths)) / 0.04
        if rank == UNKNOWN:
            assert not sums.any()  # the user's own, or unknown: no gradient
        else:
            assert sums[0] == 1
            assert sums[1 : 1 + KNOBS] == pytest.approx(expected, rel=0.03, abs=2e-4)
            assert sums[1 + KNOBS :] == pytest.approx(np.square(expected), rel=0.06, abs=1e-5)
            compared += np.abs(expected).max() > 1e-3
    assert compared > 10
    assert not world.model._scratch.slopes.any()
    assert not world.model._scratch.boost.any()


def taught(tuned: TunedKnobs, bucket: int, *gradients: np.ndarray) -> TunedKnobs:
    """Return knobs that learnt from events with these gradients."""
    for gradient in gradients:
        arrays = tuned.of(bucket)
        arrays.gradient[:] = gradient
        learn_knobs(arrays)
    return tuned


def test_a_bad_start_recovers() -> None:
    tuned, random = TunedKnobs(START), np.random.default_rng(1)
    best = np.array([-3.0, 2.0, -4.0, 5.0])
    for _ in range(3_000):
        noise = random.normal(0, 0.05, KNOBS)
        taught(tuned, 0, 0.02 * (best - tuned.steps) + noise).move()
    bounded = np.clip(best, *tuned._bounds)
    assert tuned.steps == pytest.approx(bounded, abs=0.7)


def test_without_a_signal_knobs_stay() -> None:
    tuned, random = TunedKnobs(START), np.random.default_rng(2)
    taught(tuned, 0, *np.zeros((100, KNOBS))).move()
    assert tuned.served == START
    for _ in range(3_000):
        taught(tuned, 0, random.normal(0, 0.001, KNOBS)).move()
    assert np.abs(tuned.steps).max() < 1


def test_knobs_keep_their_bounds_and_parameters_that_are_valid() -> None:
    for sign in (-1, 1):
        tuned = TunedKnobs(START)
        for _ in range(500):
            taught(tuned, 0, np.full(KNOBS, 0.3 * sign)).move()
        found = list(tuned.values().values())
        assert found == pytest.approx([1, 1, 1, 4] if sign > 0 else [0.1, 0, 0.1, 0.05])
        assert [getattr(tuned.served, name) for name in NAMES] == found


def test_without_neighbours_their_weight_stays_0() -> None:
    tuned = taught(TunedKnobs(replace(START, neighbour_weight=0)), 0, *np.full((500, KNOBS), 0.3))
    tuned.move()
    assert tuned.served.neighbour_weight == 0


def test_sums_add_up_over_buckets_and_however_events_are_cut() -> None:
    gradients = np.random.default_rng(3).normal(0, 0.1, (60, KNOBS))
    whole = taught(TunedKnobs(START), 0, *gradients)
    parts = TunedKnobs(START)
    for bucket in range(3):
        parts.of(bucket)
    for n in range(0, 60, 7):
        taught(parts, n % 3, *gradients[n : n + 7])
    whole.move()
    parts.move()
    total = sum(parts.of(bucket).bucket for bucket in range(3))
    assert total == pytest.approx(whole.of(0).bucket)
    assert parts.steps == pytest.approx(whole.steps)
    assert parts.served.source_norm == pytest.approx(whole.served.source_norm)


def test_a_restored_state_serves_the_same() -> None:
    tuned = TunedKnobs(START)
    values = []
    for bucket in (1, 2):
        taught(tuned, bucket, *np.random.default_rng(bucket).normal(0.02, 0.1, (50, KNOBS)))
        sums = tuned.changed(bucket)
        assert sums is not None
        values.append(codec.encode(tuned.start, sums))
        assert tuned.changed(bucket) is None
    tuned.move()
    restored = TunedKnobs(START)
    for bucket in (1, 2):
        restored.restore(bucket, codec.decode(values[bucket - 1], restored.start))
    assert restored.values() == pytest.approx(tuned.values())
    assert restored.served.source_norm != START.source_norm


def test_the_past_is_forgotten_by_and_by() -> None:
    tuned = taught(TunedKnobs(START), 0, *np.full((10_000, KNOBS), 0.1))
    assert tuned.of(0).bucket[0] <= 8192
    assert tuned.of(0).total == pytest.approx(tuned.of(0).bucket)


def test_knobs_that_lose_against_their_starts_begin_anew() -> None:
    tuned = taught(TunedKnobs(START), 0, *np.full((50, KNOBS), 0.3))
    tuned.move()
    assert tuned.changed(0) is not None
    tuned.of(0).worse[0] = 4.5
    tuned.move()
    assert tuned.served == START
    assert not tuned.of(0).bucket.any()
    assert tuned.changed(0) is not None


def test_sums_of_other_starts_are_none() -> None:
    value = codec.encode(TunedKnobs(START).start, np.ones(TUNINGS))
    assert codec.decode(value, TunedKnobs(START).start).all()
    assert not codec.decode(value, TunedKnobs(SOME).start).any()
    assert not codec.decode(None, TunedKnobs(START).start).any()


@pytest.mark.parametrize("end", [2, 12, 40, -1])
def test_a_damaged_value_is_found(end: int) -> None:
    start = TunedKnobs(START).start
    with pytest.raises(StateError):
        codec.decode(codec.encode(start, np.ones(TUNINGS))[:end], start)


@pytest.mark.parametrize("seed", range(2))
def test_lists_are_served_with_the_knobs_that_were_found(seed: int) -> None:
    world = Tuned(SOME, seed)
    world.learn(400)
    world.tuned.steps[:] = [-2, 1, -3, 2]
    world.tuned.served = replace(SOME, **world.tuned.values())
    world.learning.ranking = world.tuned.served
    found = world.lists()
    for u in range(USERS):
        scores = world.scores(u)
        if scores is not None:
            best = np.sort(scores[np.isfinite(scores)])[::-1][: columns.FACTORS]
            listed = found.rows[u][: len(best)]
            assert scores[listed] == pytest.approx(best, abs=2e-3)
