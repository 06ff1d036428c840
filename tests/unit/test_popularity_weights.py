"""How much popularity weighs: learnt by the places it brings, by length of history."""

import numpy as np
import pytest

from models.arrays.weights import CHOICES, GAINS, HISTORIES
from models.weights.popularity import GRID, PopularityWeights
from state.codec.sealed import StateError
from state.keyed import popularity
from tests.columns import new_items
from tests.kernels import count_event, fill_popularity, gains_of, history_of, learn_gains

STARTS = np.array([1.3, 0.8, 0.5, *[0.2] * 7], np.float32)
"""Weights to begin with, by length of history."""


def taught(
    weights: PopularityWeights,
    bucket: int,
    history: int,
    gains: dict[int, float],
    events: int = 100,
) -> PopularityWeights:
    """Return weights that learnt from events at which choices gained so much each."""
    found = np.zeros(CHOICES)
    for choice, gain in gains.items():
        found[choice] = gain
    for _ in range(events):
        learn_gains(weights.of(bucket), history, found)
    return weights


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
    marks, places, gains = np.zeros(64, np.int64), np.zeros(CHOICES, np.float32), np.zeros(CHOICES)
    marks[7] = 5  # the user's own: no rival
    gains_of(first, second, items.arrays, marks, 5, 3, places, gains)
    others = [row for row in range(40) if row not in (3, 7)]
    expected = []
    for weight in (0, *GRID):
        score = first + np.float32(weight) * second
        place = sum(score[row] > score[3] for row in others)
        expected.append(1 / (1 + place / 10))
    np.testing.assert_allclose(gains, np.array(expected) - expected[2], atol=1e-6)


def test_the_sums_are_of_gains_and_their_squares() -> None:
    weights = PopularityWeights()
    series = np.random.default_rng(1).normal(size=(50, CHOICES))
    for n, gains in enumerate(series):
        learn_gains(weights.of(n % 2), 3, gains)
    total = weights.of(0).bucket + weights.of(1).bucket
    expected = [50, *series.sum(axis=0), *(series**2).sum(axis=0)]
    np.testing.assert_allclose(total[3], expected)
    np.testing.assert_allclose(weights.of(0).total, total)
    mean, error = series.mean(axis=0), series.std(axis=0) / np.sqrt(50)
    best = int(np.argmax(mean - error))
    assert (mean - error)[best] > 0
    assert weights.weights[3] == (0, *GRID)[best]


def test_a_weight_is_taken_that_surely_brings_more_for_users_of_as_long_a_history() -> None:
    weights = taught(PopularityWeights(), 0, 3, {9: 0.1})
    assert weights.weights[3] == GRID[8]
    assert (np.delete(weights.weights, 3) == np.delete(STARTS, 3)).all()


def test_without_evidence_the_weight_stays() -> None:
    weights = taught(PopularityWeights(), 0, 3, {9: 0.1}, events=10)
    taught(weights, 1, 4, {9: -0.1, 0: -0.01})
    assert (weights.weights == STARTS).all()


def test_new_users_begin_with_more_until_that_brings_less() -> None:
    """What ranks gained at the weight to begin with is what others are held against."""
    harms = {choice: -0.01 * choice for choice in range(CHOICES)}
    assert taught(PopularityWeights(), 0, 0, harms).weights[0] == 0
    random, weights = np.random.default_rng(2), PopularityWeights()
    for _ in range(400):  # all weights gain alike, but for a little noise
        learn_gains(weights.of(0), 0, random.normal(0, 0.1) + np.zeros(CHOICES))
    assert weights.weights[0] == STARTS[0]


def test_popularity_can_come_to_weigh_nothing() -> None:
    assert taught(PopularityWeights(), 0, 0, {0: 0.01}).weights[0] == 0


def test_buckets_add_up_and_are_restored_one_by_one() -> None:
    weights, restored = PopularityWeights(), PopularityWeights()
    values = []
    for bucket in (1, 2):
        taught(weights, bucket, 2, {5: 0.2}, events=15)
        values.append(popularity.encode(weights.of(bucket).bucket))
    assert weights.weights[2] == GRID[4]
    restored.restore(1, popularity.decode(values[0]))
    assert restored.knows(1)
    assert not restored.knows(2)
    assert restored.weights[2] == STARTS[2]  # fifteen events are not enough
    restored.restore(2, popularity.decode(values[1]))
    assert restored.weights[2] == GRID[4]
    restored.restore(2, popularity.decode(None))
    assert restored.weights[2] == STARTS[2]


def test_sums_are_to_be_stored_once_they_changed() -> None:
    weights = PopularityWeights()
    assert weights.changed(0) is None
    taught(weights, 0, 2, {5: 0.2}, events=1)
    sums = weights.changed(0)
    assert sums is not None
    assert sums[2, 0] == 1
    assert weights.changed(0) is None


def test_the_past_is_forgotten_by_and_by() -> None:
    weights = taught(PopularityWeights(), 0, 1, {9: 0.1}, events=10_000)
    taught(weights, 0, 1, {9: -0.3, 0: 0.1}, events=10_000)
    assert weights.weights[1] == 0
    assert weights.of(0).bucket[1, 0] <= 4096
    np.testing.assert_allclose(weights.of(0).total, weights.of(0).bucket, atol=1e-6)


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
    fill_popularity(items.arrays, 2 * half_life, scores)
    # the second one's event is of later: it counts as of now
    np.testing.assert_allclose(scores, [np.log(2), np.log(2), 0], atol=1e-5)
