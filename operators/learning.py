"""Makers of the configured objective and of its items."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from models.items.table import Items
from models.objective import Objective
from models.params.rating import KalmanParams
from models.ranking.model import Ranking
from models.rating.ekf import FilteredRating, start_of
from models.rating.model import Rating
from models.weights.knobs import TunedKnobs
from models.weights.popularity import PopularityWeights
from operators.params import LearningParams

OBJECTIVES: dict[
    str, Callable[[LearningParams, PopularityWeights | None, TunedKnobs | None], Objective]
] = {
    "ranking": lambda p, weights, knobs: Ranking(
        p.ranking,
        users=p.users,
        transitions=p.transitions,
        neighbours=p.sequences,
        weights=weights if p.ranking.popularity else None,
        tuned=knobs if p.ranking.adaptive else None,
    ),
    "rating": lambda p, *_: (
        FilteredRating(rating, users=p.users)
        if isinstance(rating := p.rating_in_stars, KalmanParams)
        else Rating(rating, users=p.users)
    ),
}
"""How each objective is made."""


def objective(
    params: LearningParams,
    weights: PopularityWeights | None = None,
    knobs: TunedKnobs | None = None,
) -> Objective:
    """Return the configured objective, which takes what is learnt of scores from there."""
    return OBJECTIVES[params.objective](params, weights, knobs)


def empty_items(params: LearningParams) -> Items:
    """Return a replica that knows nothing yet."""
    return Items(
        factors=params.factors,
        transitions=params.transitions,
        limit=params.item_limit,
        seed=params.seed,
        half_life_ms=params.half_life_ms,
        context=params.context,
        neighbours=params.sequences,
        start=start_of(params.filter) if params.filter else None,
        radius=(params.ranking if params.objective == "ranking" else params.rating).radius,
    )


def name_new(items: Items, rows: NDArray[np.int32], ids: list[str]) -> None:
    """Give those rows their id that have none yet; row n belongs to id n."""
    if len(rows) and not items.arrays.named[rows].all():
        unnamed = np.flatnonzero(items.unnamed(rows))
        items.name(rows[unnamed], [ids[n] for n in unnamed.tolist()])
