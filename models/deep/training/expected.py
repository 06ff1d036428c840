r"""The gain a deep score should bring beside the online one, before users were ranked by both.

The online model is not here, but most of what it ranks by is: the counts of transitions. So the
next items of users that the round does not train on are ranked by these alone,

.. math:: x_j = \log(1 + s_j / \epsilon) - 0.3 \log n_j, \quad
    s_j = \sum_h c_h C_{hj} \Big/ \sum_h c_h C_{h \cdot}, \quad c_h = 0.8^{h-1} n_h^{-0.6}

(see `models.transitions.share`), with as much popularity as suits them best, else what the network
knows of that would count as its own; and by :math:`x_j + \theta z_j` with the deep score z. What
that gains is more than the model will bring beside the whole online one: `models.weights.blend`
believes half.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.deep.training.start import Counts

MOST = 2_048
"""Next items that are ranked, at most."""
_SCORES = 20_000_000
"""Scores that are looked at: of a large catalogue fewer next items are ranked."""
_BLOCK = 1_000_000
"""Scores, and followers of last items, that are held at a time, about."""
_POPULARITY = (0.0, 0.1, 0.3, 0.8, 2.0, 5.0, 20.0)
"""Weights of log n that the transitions may have beside them."""
_SOFT = 10.0
"""Place that is worth half of the first, as in `models.weights.ranks`."""
_DECAY, _SOURCE_NORM, _NORM, _BACKWARD, _SMOOTHING = 0.8, 0.6, 0.3, 0.4, 1e-5
_RARE = 0.02
"""Share of next items that are none of the last ones' below which own items are left out."""


class Transitions:
    """Transition scores of all items after some last ones."""

    def __init__(self, counts: Counts, events: NDArray[np.int64]) -> None:
        self._items = counts.items
        forth = counts.row * counts.items + counts.column
        back = counts.column * counts.items + counts.row
        code = np.concatenate([forth, back])
        value = np.concatenate([counts.value, _BACKWARD * counts.value])
        order = np.argsort(code, kind="stable")
        self._column, self._value = code[order] % counts.items, value[order]
        self._start = np.searchsorted(code[order] // counts.items, np.arange(counts.items + 1))
        self._total = np.bincount(code // counts.items, value, counts.items)
        size = np.log(np.maximum(events, 1))
        self.popularity = torch.from_numpy(np.log1p(events).astype(np.float32))
        """(K,)"""
        self._source, self._discount = np.exp(-_SOURCE_NORM * size), _NORM * size

    def blocks(self, last: NDArray[np.int64]) -> Iterator[slice]:
        """Cut last items (n, h) so that little memory is needed at a time."""
        many = np.where(last >= 0, self._start[last + 1] - self._start[last], 0).sum(1)
        size = np.cumsum(many + self._items) // _BLOCK
        bounds = [0, *(1 + np.flatnonzero(np.diff(size))).tolist(), len(last)]
        for begin, end in pairwise(bounds):
            yield slice(begin, end)

    def scores(self, last: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return x (b, K) after the last items (b, h), the newest in the last column; -1: none."""
        steps = np.arange(last.shape[1] - 1, -1, -1)
        coefficient = np.where(last >= 0, _DECAY**steps * self._source[last], 0.0)
        total = (coefficient * np.where(last >= 0, self._total[last], 0.0)).sum(1, keepdims=True)
        coefficient = coefficient / np.maximum(total, 1e-12)
        begin, end = self._start[last], self._start[last + 1]
        many = np.where(last >= 0, end - begin, 0).reshape(-1)
        first = np.cumsum(many) - many
        at = np.arange(many.sum()) - np.repeat(first - begin.reshape(-1), many)
        row = np.repeat(np.arange(len(last)).repeat(last.shape[1]), many)
        share = np.bincount(
            row * self._items + self._column[at],
            np.repeat(coefficient.reshape(-1), many) * self._value[at],
            len(last) * self._items,
        ).reshape(len(last), self._items)
        found: NDArray[np.float32] = np.log1p(share / _SMOOTHING).astype(np.float32)
        return found - self._discount.astype(np.float32)


@dataclass(frozen=True, slots=True)
class Judged:
    """Next items of users that the round does not train on."""

    last: NDArray[np.int64]
    """(n, h) items before, the newest in the last column; -1: none."""
    target: NDArray[np.int64]
    """(n,)"""
    user: NDArray[np.int64]
    """(n,)"""
    y: Tensor
    """float32 (n, d) outputs of the network there."""

    def some(self, most: int) -> "Judged":
        """Return so many of them at most, of all users alike."""
        if len(self.target) <= most:
            return self
        at = np.linspace(0, len(self.target) - 1, most).astype(np.int64)
        return Judged(self.last[at], self.target[at], self.user[at], self.y[torch.from_numpy(at)])


def gains(
    transitions: Transitions,
    judged: Judged,
    embedding: Tensor,
    bias: Tensor,
    weights: Sequence[float],
) -> dict[str, list[float]]:
    """Return what each weight of the deep score gains: sums, of squares too, and their variances.

    Parameters
    ----------
    embedding, bias : float32[K, d], float32[K]
        Of all items.
    weights : sequence of float
        W, not 0.
    """
    judged = judged.some(min(MOST, max(1, _SCORES // len(embedding))))
    # as they are served: an item that the network does not know has the score 0
    embedding, bias = embedding - embedding.mean(0), bias - bias.mean()
    popularity = _popularity(transitions, judged)
    found = np.zeros((len(judged.target), len(weights)))
    for part, x in _online(transitions, judged):
        z = _leads(judged.y[part] @ embedding.t() + bias, judged.target[part])
        x = x + popularity * _leads(transitions.popularity.expand(x.shape), judged.target[part])
        without = _worth(x)
        for k, weight in enumerate(weights):
            found[part, k] = (_worth(x + weight * z) - without).numpy()
    return {
        "events": [float(len(found))],
        "gains": found.sum(0).tolist(),
        "squares": np.square(found).sum(0).tolist(),
        "variances": _variances(found, judged.user).tolist(),
    }


def _online(transitions: Transitions, judged: Judged) -> Iterator[tuple[slice, Tensor]]:
    """Yield leads of all items (b, K) on the targets of some next items."""
    again = bool((judged.last == judged.target[:, None]).any(1).mean() > _RARE)
    for part in transitions.blocks(judged.last):
        x = torch.from_numpy(transitions.scores(judged.last[part]))
        if not again:
            _leave_out(x, judged.last[part])
        yield part, _leads(x, judged.target[part])


def _popularity(transitions: Transitions, judged: Judged) -> float:
    """Return the weight of popularity that ranks best beside the transitions."""
    worth = np.zeros(len(_POPULARITY))
    for part, x in _online(transitions, judged):
        lead = _leads(transitions.popularity.expand(x.shape), judged.target[part])
        worth += [float(_worth(x + weight * lead).sum()) for weight in _POPULARITY]
    return _POPULARITY[int(np.argmax(worth))]


def _variances(found: NDArray[np.float64], user: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the variance of each sum (W,) over next items (n, W), which come user by user."""
    _, row, many = np.unique(user, return_inverse=True, return_counts=True)
    sums = np.zeros((len(many), found.shape[1]))
    np.add.at(sums, row, found)
    off = sums - many[:, None] * found.mean(0)
    users = len(many)
    spread: NDArray[np.float64] = np.square(off).sum(0) * users / max(1, users - 1)
    return spread if users > 1 else np.square(found).sum(0) * len(found)


def _leads(scores: Tensor, target: NDArray[np.int64]) -> Tensor:
    """Return by how much all items (b, K) are ahead of the targets (b,)."""
    return scores - scores.gather(1, torch.from_numpy(target)[:, None])


def _leave_out(scores: Tensor, last: NDArray[np.int64]) -> None:
    """Put a user's own items last."""
    row, column = np.nonzero(last >= 0)
    scores[torch.from_numpy(row), torch.from_numpy(last[row, column])] = -torch.inf


def _worth(lead: Tensor) -> Tensor:
    """Return what places (b,) are worth, by the leads (b, K) of all items on the target."""
    above = (lead > 0).sum(1).double() + 0.5 * ((lead == 0).sum(1) - 1)
    return 1 / (1 + above / _SOFT)
