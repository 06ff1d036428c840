"""From ranks and errors to sums, from sums to metrics."""

from math import isnan, log2

import numpy as np
import pytest

from models.columns.learnt import NOT_SCORED, UNKNOWN
from models.evaluation import ErrorSums, RankingSums, error_sums, ranking_sums


def ranks(*values: int) -> np.ndarray:
    return np.array(values, np.int32)


def test_a_rank_inside_the_list_is_a_hit() -> None:
    sums = ranking_sums(ranks(0, 9, 10), 10)
    assert (sums.scored, sums.hits) == (3, 2)
    assert sums.ndcg == pytest.approx(1 + 1 / log2(11))
    assert sums.reciprocal_rank == pytest.approx(1 + 1 / 10 + 1 / 11)


def test_an_unknown_item_is_a_miss_and_an_unscored_event_is_nothing() -> None:
    sums = ranking_sums(ranks(UNKNOWN, NOT_SCORED, 3), 10)
    assert (sums.scored, sums.hits) == (2, 1)
    assert sums.hit_rate == 0.5
    assert sums.mean_ndcg == pytest.approx(1 / log2(5) / 2)
    assert sums.mean_reciprocal_rank == pytest.approx(1 / 4 / 2)


def test_sums_of_parts_are_the_sums_of_the_whole() -> None:
    whole = np.random.default_rng(1).integers(-1, 50, 200).astype(np.int32)
    parts = [ranking_sums(part, 10) for part in np.split(whole, 8)]
    total = sum(parts, RankingSums())
    assert total.hits == ranking_sums(whole, 10).hits
    assert total.mean_ndcg == pytest.approx(ranking_sums(whole, 10).mean_ndcg)


def test_errors_add_up_to_rmse_and_mae() -> None:
    error = np.array([1, np.nan, -3], np.float32)
    sums = error_sums(error[:2]) + error_sums(error[2:])
    assert sums.scored == 2
    assert sums.rmse == pytest.approx(5**0.5)
    assert sums.mae == 2


def test_nothing_scored_has_no_metric() -> None:
    assert isnan(RankingSums().hit_rate)
    assert isnan(RankingSums().mean_ndcg)
    assert isnan(RankingSums().mean_reciprocal_rank)
    assert isnan(ErrorSums().rmse)
    assert isnan(ErrorSums().mae)
