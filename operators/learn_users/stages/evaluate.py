"""Evaluate: sums over the events of a micro-batch that were scored."""

from models import evaluation
from models.columns.learnt import NOT_SCORED, Learnt
from state.topics.window import Sums


def evaluate(learnt: Learnt, k: int, metrics: Sums, unit: float = 1.0) -> None:
    """Add ranks and errors of scored events to the metrics, with cut-off k.

    `unit` is what a star, in which errors are learnt, is in ratings.
    """
    _evaluate_ranks(learnt, k, metrics)
    errors = evaluation.error_sums(learnt.error)
    metrics.errors = errors.scored
    metrics.squared_error = unit * unit * errors.squared
    metrics.absolute_error = unit * errors.absolute


def _evaluate_ranks(learnt: Learnt, k: int, metrics: Sums) -> None:
    if (learnt.rank == NOT_SCORED).all():  # of few users anything is
        return
    model = evaluation.ranking_sums(learnt.rank, k)
    popularity = evaluation.ranking_sums(learnt.popularity_rank, k)
    metrics.scored, metrics.hits = model.scored, model.hits
    metrics.ndcg, metrics.mrr = model.ndcg, model.reciprocal_rank
    metrics.popularity_hits, metrics.popularity_ndcg = float(popularity.hits), popularity.ndcg
    deep = evaluation.ranking_sums(learnt.deep_rank, k)
    metrics.deep_scored, metrics.deep_hits = deep.scored, deep.hits
    metrics.online_hits = evaluation.ranking_sums(learnt.online_rank, k).hits
