"""Baselines over a stream."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.columns.learnt import NOT_SCORED
from scripts.tools.data.behaviour import Blocks
from scripts.tools.evaluate.baselines.bpr import Bpr
from scripts.tools.evaluate.baselines.item_knn import ItemKnn
from scripts.tools.evaluate.baselines.popularity import DecayedPopularity
from scripts.tools.evaluate.baselines.stream import Stream
from scripts.tools.evaluate.common.figures import Ranked

MODELS: dict[str, Callable[..., Any]] = {
    "bpr": Bpr,
    "decayed_popularity": DecayedPopularity,
    "item_knn": ItemKnn,
}
"""How each baseline is made."""
_BLOCK = 20_000


def run(
    data: Blocks,
    models: Sequence[str],
    *,
    every: int,
    more: NDArray[np.bool_],
    seed: int,
    report: Callable[[int, str], None],
) -> dict[str, Ranked]:
    """Let baselines take a stream, each in one pass.

    Parameters
    ----------
    models
        Some of `MODELS`.
    every
        One event in so many is ranked.
    more
        Of every event: whether it is ranked in any case.
    report
        Is told how many events are done, and of what.
    """
    if not models:
        return {}
    stream = Stream.of(data, more)
    return {model: ranked(stream, model, every, seed, report) for model in models}


def ranked(
    stream: Stream, model: str, every: int, seed: int, report: Callable[[int, str], None]
) -> Ranked:
    """Return the ranked events of one baseline."""
    one = MODELS[model](stream, seed=seed)
    size = len(stream.user)
    ranks = np.full(size, NOT_SCORED, np.int32)
    one.learn(stream, 0, 0, every, ranks)  # compiles
    for begin in range(0, size, _BLOCK):
        end = min(begin + _BLOCK, size)
        one.learn(stream, begin, end, every, ranks)
        report(int(stream.number[end - 1]) + 1, model)
    scored = ranks != NOT_SCORED
    return Ranked(stream.number[scored], ranks[scored])
