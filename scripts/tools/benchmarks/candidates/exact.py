"""The exact best items of a user, by the equations of the model's rooms in plain numpy.

Nothing of the kernels that make lists is used, so that a list that misses something is noticed.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from models.arrays.neighbours import RANK_BITS, SLOT_SHIFT, UNIT, NeighbourArrays
from models.arrays.transitions import TransitionArrays
from models.columns.users import Users
from models.items.table import Items
from operators.params import LearningParams

TIE = 1e-3
"""Scores this close to the last one of the best are as good: sums of 32 bits differ by as much."""
_SHORT = 0xFFFFFFFE
"""Bits of a key that the past of a user keeps, see `models.users.past`."""

Scores = NDArray[np.float64]


def recall(listed: NDArray[np.int32], scores: Scores) -> float:
    """Return which share of the k best by the scores a list of k rows holds, -1 for none.

    Parameters
    ----------
    scores
        Of every row; -inf where it must not be listed.
    """
    k = min(len(listed), int(np.isfinite(scores).sum()))
    worst = np.sort(scores)[-k] if k else 0.0
    rows = np.unique(listed[listed >= 0])
    return float((scores[rows] >= worst - TIE).sum()) / k if k else 1.0


def scores_of(
    items: Items, user: Users, learning: LearningParams, popularity: NDArray[np.float32]
) -> Scores | None:
    """Return the score of every item for one user, None where its last items say nothing.

    Parameters
    ----------
    popularity : float32[HISTORIES]
        Its weight by length of history.
    """
    history = user.history[0, : user.history_length[0]]
    window = _known(items, history[-learning.transitions.window :])
    shares = _transition_shares(items, window, learning)
    if shares is None:
        return None
    found: Scores = _log_discount(items, learning)
    found += np.log1p(shares / learning.ranking.smoothing)
    found += learning.ranking.factors_weight * _factors(items, user, window, learning)
    if learning.sequences is not None:
        recent = _known(items, history[-learning.sequences.recent :])
        received = _neighbour_shares(items.neighbours.arrays, recent, int(user.key[0]), items.size)
        found += learning.ranking.neighbour_weight * np.log1p(
            received / learning.sequences.smoothing
        )
    history_length = max(1, int(user.positives[0])).bit_length() - 1
    weight = popularity[min(history_length, len(popularity) - 1)]
    found += weight * _popularity(items, int(user.session_last[0]))
    found[~_listable(items, user)] = -np.inf
    return found


def _known(items: Items, keys: NDArray[np.uint64]) -> NDArray[np.int32]:
    """Return the rows of keys that have one, newest first."""
    rows = items.rows(keys, register=False)[::-1]
    return rows[rows >= 0]


def _log_discount(items: Items, learning: LearningParams) -> Scores:
    logs: Scores = -learning.transitions.norm * np.log(np.maximum(items.count, 1))
    return logs


def _transition_shares(
    items: Items, window: NDArray[np.int32], learning: LearningParams
) -> Scores | None:
    t, shares, total = items.transitions.arrays, np.zeros(items.size), 0.0
    weights = learning.ranking.source_decay ** np.arange(len(window))
    weights = weights * _discount(items, window, learning)
    for row, weight in zip(window.tolist(), weights.tolist(), strict=True):
        successors, counts = _successors(t, row)
        np.add.at(shares, successors, weight * counts)
        total += weight * counts.sum()
    return shares / total if total > 0 else None


def _discount(items: Items, rows: NDArray[np.int32], learning: LearningParams) -> Scores:
    found: Scores = np.maximum(items.count[rows], 1.0) ** -learning.ranking.source_norm
    return found


def _successors(t: TransitionArrays, row: int) -> tuple[NDArray[np.int32], Scores]:
    slots = slice(t.start[row], t.start[row] + t.capacity[row])
    taken = t.successor[slots] >= 0
    return t.successor[slots][taken], t.weight[slots][taken].astype(np.float64)


def _factors(
    items: Items, user: Users, window: NDArray[np.int32], learning: LearningParams
) -> Scores:
    a, size = items.arrays, items.size
    z = user.factors[0].astype(np.float64)
    last = window[: learning.ranking.context]
    if len(last):
        decay = learning.ranking.context_decay ** np.arange(len(last))
        z = z + decay @ a.context[last] / np.sqrt(decay.sum())
    found: Scores = a.factors[:size] @ z + a.bias[:size]
    return found


def _popularity(items: Items, now: int) -> Scores:
    a, size = items.arrays, items.size
    age = np.maximum(0, now - a.last_time[:size])
    found: Scores = np.log1p(a.popularity[:size] * np.exp2(-age / a.half_life))
    return found


def _neighbour_shares(n: NeighbourArrays, recent: NDArray[np.int32], key: int, size: int) -> Scores:
    said, reach = np.zeros(size), len(n.falloff) // 2
    for place, weight in _neighbours(n, recent, key):
        slot = place >> SLOT_SHIFT
        begin, end = max(n.first[slot], place - reach), min(n.until[slot], place + reach + 1)
        for at in range(begin, end):
            chunk = n.chunks[slot, (at >> n.shift) & (n.chunks.shape[1] - 1)]
            row = n.items[chunk, at & (n.items.shape[1] - 1)]
            if row >= 0:
                said[row] += weight * n.falloff[at - place + reach]
    return said / (said.sum() or 1.0)


def _neighbours(
    n: NeighbourArrays, recent: NDArray[np.int32], key: int
) -> Iterator[tuple[int, float]]:
    """Yield the place and the weight of the most similar sequences; of equals the first found."""
    similarity: dict[int, int] = {}
    found: dict[int, tuple[int, int]] = {}
    for depth, row in enumerate(recent[: len(n.steps)].tolist()):
        for place in _places(n, row):
            slot = place >> SLOT_SHIFT
            if place >= n.first[slot] and n.keys[slot] != key:
                found.setdefault(slot, (place, depth))
                more = int(n.steps[depth]) >> RANK_BITS
                similarity[slot] = similarity.get(slot, 0) + more
    for slot in sorted(similarity, key=lambda one: -similarity[one])[: n.keep]:
        place, depth = found[slot]
        yield place, similarity[slot] / UNIT * float(n.fade[depth])


def _places(n: NeighbourArrays, row: int) -> list[int]:
    """Return the last places of an item, newest first."""
    room, end = n.places.shape[1], int(n.cursor[row])
    at = (end - 1 - np.arange(int(n.held[row]))) % room
    return [int(place) for place in n.places[row, at]]


def _listable(items: Items, user: Users) -> NDArray[np.bool_]:
    a, size, keys = items.arrays, items.size, items.keys
    past = user.past[0, : user.past_length[0]].astype(np.uint64) & np.uint64(_SHORT)
    excluded = user.excluded[0, : user.excluded_length[0]]
    own = np.isin(keys & np.uint64(_SHORT), past) | np.isin(keys, excluded)
    found: NDArray[np.bool_] = a.named[:size] & (a.counts[:size] > 0) & ~own
    return found
