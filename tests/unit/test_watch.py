"""The watch finds a blend that makes lists worse, and seldom cries wolf."""

import numpy as np
import pytest

from models.deep.watch import BET, LIMIT, wealth_after

HIT, MISS = 3, 50


def decided(random: np.random.Generator, loses: float, events: int) -> tuple[np.ndarray, ...]:
    """Ranks of events where one side hits alone; the blend loses with a probability."""
    lost = random.random(events) < loses
    return np.where(lost, MISS, HIT).astype(np.int32), np.where(lost, HIT, MISS).astype(np.int32)


@pytest.mark.parametrize("seed", range(10))
def test_a_worse_blend_is_found_within_a_few_hundred_decided_events(seed: int) -> None:
    rank, online = decided(np.random.default_rng(seed), 0.65, 600)
    assert wealth_after(1.0, rank, online) >= LIMIT


def test_a_blend_that_is_all_wrong_is_found_at_once() -> None:
    rank, online = decided(np.random.default_rng(1), 1.0, 60)
    assert wealth_after(1.0, rank[:50], online[:50]) < LIMIT
    assert wealth_after(1.0, rank, online) >= LIMIT


def test_false_alarms_of_an_equal_blend_are_rare() -> None:
    random = np.random.default_rng(7)
    alarms = sum(wealth_after(1.0, *decided(random, 0.5, 2_000)) >= LIMIT for _ in range(200))
    assert alarms <= 12


def test_a_better_blend_never_raises_an_alarm() -> None:
    random = np.random.default_rng(8)
    assert max(wealth_after(1.0, *decided(random, 0.35, 2_000)) for _ in range(200)) < LIMIT


def test_events_that_decide_nothing_change_nothing() -> None:
    both = np.array([HIT, MISS, -1, 0, 9], np.int32)
    other = np.array([0, MISS + 1, -1, 9, 0], np.int32)
    assert wealth_after(17.0, both, other) == 17.0
    assert wealth_after(17.0, both[:0], other[:0]) == 17.0


def test_an_item_nobody_knew_is_a_miss() -> None:
    assert wealth_after(1.0, np.array([-1]), np.array([0])) == pytest.approx(1 + BET)


def test_wealth_never_falls_below_one() -> None:
    rank, online = decided(np.random.default_rng(1), 0.0, 500)
    assert wealth_after(150.0, rank, online) == 1.0


def test_an_alarm_is_not_taken_back_by_what_follows() -> None:
    lost, won = decided(np.random.default_rng(1), 1.0, 80), decided(np.random.default_rng(1), 0, 80)
    rank, online = (np.concatenate(pair) for pair in zip(lost, won, strict=True))
    assert wealth_after(1.0, rank, online) >= LIMIT


@pytest.mark.parametrize("size", [1, 7, 100])
def test_how_events_are_cut_makes_no_difference(size: int) -> None:
    rank, online = decided(np.random.default_rng(3), 0.55, 400)
    whole, wealth = wealth_after(1.0, rank, online), 1.0
    for at in range(0, 400, size):
        wealth = wealth_after(wealth, rank[at : at + size], online[at : at + size])
    assert wealth == whole
