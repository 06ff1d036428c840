"""Exploration: some places of a list are drawn, and it is said with which probability.

With probability e, each of the first M places for itself, the ranked item is replaced by one drawn
from the M next best, none twice. An item of these then has the propensity e / M at every such
place, and the ranked item 1 - e at its own: what off-policy estimates divide by (Horvitz and
Thompson, 1952). Places beyond the M-th keep their items.
"""

import numpy as np
from numpy.typing import NDArray

from models.columns.lists import BY_EXPLORED, Recommended
from models.compiled import Integer, Real, compiled, kernel
from models.numeric.initial import GAMMA, scrambled

_UNIT = 1.0 / (1 << 53)


def explore(
    longer: Recommended, k: int, exploration: float, seeds: NDArray[np.uint64]
) -> tuple[Recommended, NDArray[np.float32]]:
    """Return the first k items of each list, some of them drawn from the rest, and propensities.

    Parameters
    ----------
    longer : Recommended
        (U, K) with K >= k; who has no more than k items gets those.
    exploration : float
        e above.
    seeds : uint64[U]
        The same seed draws the same.

    Returns
    -------
    Recommended, float32[U, k]
    """
    cut = first(longer, k)
    propensities = np.ones(cut.rows.shape, np.float32)
    if exploration > 0:
        _draw(
            longer.rows, longer.scores, exploration, seeds,
            cut.rows, cut.scores, cut.reasons, cut.sources, propensities,
        )  # fmt: skip
    return cut, propensities


def first(longer: Recommended, k: int) -> Recommended:
    """Return the first k items of each list."""
    return Recommended(
        longer.rows[:, :k].copy(),
        longer.scores[:, :k].copy(),
        longer.reasons[:, :k].copy(),
        longer.sources[:, :k].copy(),
    )


@compiled
def _draw(  # noqa: PLR0913  # columns
    rows: NDArray[np.int32],
    scores: NDArray[np.float32],
    exploration: Real,
    seeds: NDArray[np.uint64],
    to_rows: NDArray[np.int32],
    to_scores: NDArray[np.float32],
    to_reasons: NDArray[np.uint8],
    to_sources: NDArray[np.int32],
    propensities: NDArray[np.float32],
) -> None:
    k = to_rows.shape[1]
    left = np.empty(rows.shape[1], np.int64)
    for u in range(len(rows)):
        pool = 0
        for at in range(k, rows.shape[1]):
            if rows[u, at] >= 0:
                left[pool] = at
                pool += 1
        many, word = pool, seeds[u]
        for place in range(min(k, many)):
            word += GAMMA
            if _unit(word) < exploration:
                word += GAMMA
                n = np.int64(_unit(word) * pool)
                drawn = left[n]
                pool -= 1
                left[n] = left[pool]
                to_rows[u, place] = rows[u, drawn]
                to_scores[u, place] = scores[u, drawn]
                to_reasons[u, place] = BY_EXPLORED
                to_sources[u, place] = -1
                propensities[u, place] = exploration / many
            else:
                propensities[u, place] = 1 - exploration


@kernel
def _unit(word: Integer) -> Real:
    """Return the number from 0 to less than 1 of a word of a SplitMix64 stream."""
    return np.float64(scrambled(np.uint64(word)) >> np.uint64(11)) * _UNIT
