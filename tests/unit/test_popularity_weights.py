"""How much popularity weighs: learnt by the places it brings, by length of history."""

import numpy as np
import pytest

from models.arrays import CHOICES, GAINS, HISTORIES
from models.popularity import part
from models.popularity.weights import GRID, PopularityWeights, no_sums
from state import popularity
from state.codec import StateError
from tests.columns import new_items
from tests.kernels import add_gains, count_event, history_of

DEFAULT = GRID[1]


def sums_of(history: int, gains: dict[int, float], events: int = 100) -> np.ndarray:
    """Return sums over events at which choices gained so much each, with little variance."""
    sums = no_sums()
    sums[history, 0] = events
    for choice, gain in gains.items():
        sums[history, 1 + choice] = gain * events
        sums[history, 1 + CHOICES + choice] = gain * gain * events
    return sums


@pytest.mark.parametrize(
    ("positives", "history"),
    [(0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (511, 8), (512, 9), (1 << 30, 9)],
)
def test_histories_are_told_apart_by_powers_of_two(positives: int, history: int) -> None:
    assert history_of(positives) == history


def test_gains_are_those_of_the_places_by_each_weight() -> None:
    items, random = new_items(), np.random.default_rng(1)
    rows = items.rows(np.arange(40).astype(np.uint64))
    for row in rows:
        count_event(items.arrays, row, 0)
    first, second = (random.normal(size=len(rows)).astype(np.float32) for _ in range(2))
    marks, places, sums = np.zeros(64, np.int64), np.zeros(CHOICES, np.float32), np.zeros(GAINS)
    marks[7] = 5  # the user's own: no rival
    add_gains(first, second, items.arrays, marks, 5, 3, places, sums)
    others = [row for row in range(40) if row not in (3, 7)]
    expected = []
    for weight in (0, *GRID):
        score = first + np.float32(weight) * second
        place = sum(score[row] > score[3] for row in others)
        expected.append(1 / (1 + place / 10))
    gains = np.array(expected) - expected[2]
    assert sums[0] == 1
    np.testing.assert_allclose(sums[1 : 1 + CHOICES], gains, atol=1e-6)
    np.testing.assert_allclose(sums[1 + CHOICES :], gains**2, atol=1e-6)


def test_a_weight_is_taken_that_surely_brings_more_for_users_of_as_long_a_history() -> None:
    weights = PopularityWeights()
    weights.learn(0, sums_of(3, {9: 0.1}))
    assert weights.weights[3] == GRID[8]
    assert (np.delete(weights.weights, 3) == DEFAULT).all()


def test_without_evidence_the_weight_stays() -> None:
    weights = PopularityWeights()
    weights.learn(0, sums_of(3, {9: 0.1}, events=10))
    weights.learn(1, sums_of(4, {9: -0.1, 0: -0.01}))
    assert (weights.weights == DEFAULT).all()


def test_popularity_can_come_to_weigh_nothing() -> None:
    weights = PopularityWeights()
    weights.learn(0, sums_of(0, {0: 0.01}))
    assert weights.weights[0] == 0


def test_buckets_add_up_and_are_restored_one_by_one() -> None:
    learnt, restored = PopularityWeights(), PopularityWeights()
    one = learnt.learn(1, sums_of(2, {5: 0.2}, events=20))
    two = learnt.learn(2, sums_of(2, {5: 0.2}, events=20))
    assert learnt.weights[2] == GRID[4]
    restored.restore(1, popularity.decode(popularity.encode(one)))
    assert restored.knows(1)
    assert not restored.knows(2)
    assert restored.weights[2] == DEFAULT  # twenty events are not enough
    restored.restore(2, popularity.decode(popularity.encode(two)))
    assert restored.weights[2] == GRID[4]


def test_the_past_is_forgotten_by_and_by() -> None:
    weights = PopularityWeights()
    for _ in range(100):
        weights.learn(0, sums_of(1, {9: 0.1}))
    for _ in range(100):
        weights.learn(0, sums_of(1, {9: -0.3, 0: 0.1}))
    assert weights.weights[1] == 0


def test_sums_that_are_not_finite_teach_nothing() -> None:
    weights = PopularityWeights()
    weights.learn(0, sums_of(1, {9: np.nan}))
    weights.learn(0, sums_of(1, {9: 0.1}))
    assert weights.weights[1] == GRID[8]


def test_no_value_is_no_sums_and_those_of_other_weights_are_none() -> None:
    assert not popularity.decode(None).any()
    assert not popularity.decode(popularity.encode(np.ones((3, 5)))).any()


@pytest.mark.parametrize("end", [2, 12, 40, -1])
def test_a_damaged_value_is_found(end: int) -> None:
    with pytest.raises(StateError):
        popularity.decode(popularity.encode(np.ones((HISTORIES, GAINS)))[:end])


def test_popularity_counts_what_is_left_of_it_now() -> None:
    items = new_items()
    rows = items.rows(np.arange(3).astype(np.uint64))
    half_life = int(items.arrays.half_life)
    for _ in range(4):
        count_event(items.arrays, rows[0], 0)
    count_event(items.arrays, rows[1], 5 * half_life)
    scores = np.full(3, np.nan, np.float32)
    part.fill(items.arrays, 2 * half_life, scores)
    # the second one's event is of later: it counts as of now
    np.testing.assert_allclose(scores, [np.log(2), np.log(2), 0], atol=1e-5)
