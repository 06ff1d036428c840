"""The gate lets a challenger pass that is not worse, and refuses one that clearly is."""

import numpy as np
import pytest

from models.deep.gate import gains, judge, judge_errors


def ranks(seed: int, hits: float, n: int = 2_000) -> np.ndarray:
    """Ranks that lie among the first ten with a probability."""
    random = np.random.default_rng(seed)
    near, far = random.integers(0, 10, n), random.integers(10, 500, n)
    return np.where(random.random(n) < hits, near, far).astype(np.int32)


def test_the_first_model_has_nobody_to_beat() -> None:
    verdict = judge(None, ranks(1, 0.0))
    assert verdict.accepted
    assert verdict.reason == "first model"


@pytest.mark.parametrize("events", [0, 199, 200])
@pytest.mark.parametrize("worse", [0, 1])
def test_where_too_few_events_tell_nothing_the_champion_stays(events: int, worse: int) -> None:
    rank = np.zeros(events, np.int32)
    verdict = judge(rank, rank + 400 * worse)
    assert verdict.accepted == (events >= 200 and not worse)
    assert ("too few events" in verdict.reason) == (events < 200)
    errors = np.full(events, 0.5, np.float32)
    verdict = judge_errors(errors, errors + worse)
    assert verdict.accepted == (events >= 200 and not worse)
    assert ("too few events" in verdict.reason) == (events < 200)


def test_a_clearly_worse_model_is_refused_with_the_figures() -> None:
    verdict = judge(ranks(1, 0.5), ranks(2, 0.3))
    assert not verdict.accepted
    assert verdict.reason.startswith("worse than the champion: NDCG@10 0.1")
    assert verdict.reason.endswith("on 2000 events")


@pytest.mark.parametrize("seed", range(5))
def test_an_equal_model_is_accepted(seed: int) -> None:
    assert judge(ranks(seed, 0.4), ranks(seed + 100, 0.4)).accepted


def test_a_better_model_is_accepted() -> None:
    assert judge(ranks(1, 0.3), ranks(2, 0.5)).accepted


def test_the_same_ranks_are_accepted_without_any_tolerance() -> None:
    assert judge(ranks(1, 0.4), ranks(1, 0.4), tolerance=0).accepted


def test_a_loss_within_the_tolerance_is_forgiven() -> None:
    champion = ranks(1, 0.5, 4_000)
    challenger = champion.copy()
    lost = np.flatnonzero(champion < 10)[::20]  # 5 % of the hits
    challenger[lost] = 400
    assert not judge(champion, challenger, tolerance=0.01).accepted
    assert judge(champion, challenger, tolerance=0.1).accepted


def test_ranks_of_different_events_are_refused() -> None:
    verdict = judge(ranks(1, 0.4), ranks(1, 0.4)[1:])
    assert not verdict.accepted
    assert verdict.reason == "ranks of different events"


def test_the_verdict_is_the_same_every_time() -> None:
    assert judge(ranks(1, 0.42), ranks(2, 0.4)) == judge(ranks(1, 0.42), ranks(2, 0.4))


def test_gains_by_hand() -> None:
    found = gains(np.array([0, 2, 9, 10, -1], np.int32))
    assert found == pytest.approx([1, 0.5, 1 / np.log2(11), 0, 0])


def errors(seed: int, spread: float, n: int = 2_000) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, spread, n).astype(np.float32)


def test_models_of_ratings_are_judged_by_their_errors() -> None:
    assert judge_errors(None, errors(1, 9.0)).reason == "first model"
    worse = judge_errors(errors(1, 0.9), errors(2, 1.1))
    assert not worse.accepted
    assert worse.reason.startswith("worse than the champion: RMSE 1.")
    assert worse.reason.endswith("on 2000 events")
    assert judge_errors(errors(1, 1.1), errors(2, 0.9)).accepted
    assert not judge_errors(errors(1, 0.9), errors(2, 0.9, 1_999)).accepted


@pytest.mark.parametrize("seed", range(5))
def test_an_equal_model_of_ratings_is_accepted(seed: int) -> None:
    assert judge_errors(errors(seed, 0.9), errors(seed + 100, 0.9)).accepted


def test_a_model_whose_errors_are_no_numbers_is_refused() -> None:
    wrong = errors(1, 0.5)
    wrong[7] = np.nan
    assert not judge_errors(errors(1, 0.9), wrong).accepted
