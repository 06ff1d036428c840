"""Noise and threshold of private counts, by exact probabilities of a small histogram."""

import itertools
import math

import pytest

from models.popularity.private import PrivateCounts, total

BUDGETS = [(1.0, 1e-6, 5), (0.1, 1e-9, 1), (4.0, 1e-3, 2), (8.0, 0.01, 3), (20.0, 1e-6, 1)]


def made(budget: tuple[float, float, int]) -> PrivateCounts:
    epsilon, delta, items = budget
    return PrivateCounts(epsilon=epsilon, delta=delta, items=items)


@pytest.mark.parametrize("budget", BUDGETS)
def test_the_noise_is_a_distribution_and_the_difference_of_two_geometric_ones(
    budget: tuple[float, float, int],
) -> None:
    private = made(budget)
    far = int(40 * private.scale) + 40
    assert math.fsum(private.probability(z) for z in range(-far, far + 1)) == pytest.approx(1)
    a = private.ratio
    for z in (0, 1, 3):
        both = math.fsum((1 - a) ** 2 * a**g * a ** (g + z) for g in range(far))
        assert private.probability(z) == pytest.approx(both, rel=1e-6)


def shown(private: PrivateCounts, count: int, value: int | None) -> float:
    """Return the probability that an item of a count is told with a value, or is not told."""
    if count == 0:  # no row, no noise
        return float(value is None)
    if value is not None:
        return private.probability(value - count) if value >= private.threshold else 0.0
    below = private.threshold - count
    far = int(40 * private.scale) + 40
    return math.fsum(private.probability(z) for z in range(-far, below))


@pytest.mark.parametrize("budget", [(1.0, 1e-2, 2), (4.0, 1e-3, 2), (2.0, 1e-4, 2), (0.5, 0.01, 2)])
@pytest.mark.parametrize("others", [(0, 0), (0, 1), (3, 0), (2, 5), (9, 9)])
def test_a_release_of_two_items_with_and_without_a_user_keeps_the_budget(
    budget: tuple[float, float, int], others: tuple[int, int]
) -> None:
    """The least delta for an epsilon is the sum of what exceeds it, over all outcomes."""
    private = made(budget)
    far = int(20 * private.scale) + 20
    values = [None, *range(private.threshold, private.threshold + far)]

    def release(counts: tuple[int, int]) -> list[float]:
        first, second = ([shown(private, n, value) for value in values] for n in counts)
        return [one * two for one, two in itertools.product(first, second)]

    without, beside = release(others), release((others[0] + 1, others[1] + 1))
    grown = math.exp(private.epsilon)
    for one, other in ((without, beside), (beside, without)):
        excess = math.fsum(max(p - grown * q, 0) for p, q in zip(one, other, strict=True))
        assert excess <= private.delta * (1 + 1e-6)


@pytest.mark.parametrize("budget", BUDGETS)
def test_the_threshold_is_the_least_that_keeps_delta(budget: tuple[float, float, int]) -> None:
    private = made(budget)

    def lone(threshold: int) -> float:
        return private.items * private.ratio ** (threshold - 1) / (1 + private.ratio)

    assert lone(private.threshold) <= private.delta
    assert lone(private.threshold - 1) > private.delta or private.threshold == 2


def test_thresholds_are_these() -> None:
    assert [made(budget).threshold for budget in BUDGETS] == [76, 202, 5, 4, 2]


def test_several_releases_cost_the_sum_or_less() -> None:
    private = PrivateCounts(epsilon=1.0, delta=1e-6, items=5)
    day = total(private, 24)
    assert (day.epsilon, day.delta) == (24, pytest.approx(24e-6))
    small = PrivateCounts(epsilon=0.01, delta=1e-9, items=5)
    year = total(small, 10_000)
    expected = math.sqrt(20_000 * math.log(1e6)) * 0.01 + 100 * math.expm1(0.01)
    assert year.epsilon == pytest.approx(expected)
    assert year.epsilon < 100
    assert year.delta == pytest.approx(1e-5 + 1e-6)
    assert total(PrivateCounts(epsilon=100.0, delta=1e-6, items=1), 10_000).epsilon == 1e6
