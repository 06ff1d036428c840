r"""What the deep score should bring beside the online one, before anybody was ranked by both.

The online model is not here, but most of what it ranks by is: the counts of transitions. So the
next items of users that the round does not train on are ranked by these alone,

.. math:: x_j = \log(1 + s_j / \epsilon) - 0.3 \log n_j, \quad
    s_j = \sum_h c_h C_{hj} \Big/ \sum_h c_h C_{h \cdot}, \quad c_h = 0.8^{h-1} n_h^{-0.6}

(see `models.transitions.share`), and by :math:`x_j + \theta z_j` with the deep score z. What that
gains is more than the model will bring beside the whole online one: `models.blend` believes half.
"""

from collections.abc import Sequence

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
_SOFT = 10.0
"""Place that is worth half of the first, as in `models.places`."""
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
        self._source, self._discount = np.exp(-_SOURCE_NORM * size), _NORM * size

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


def gains(
    transitions: Transitions,
    last: NDArray[np.int64],
    target: NDArray[np.int64],
    y: Tensor,
    embedding: Tensor,
    bias: Tensor,
    weights: Sequence[float],
) -> dict[str, list[float]]:
    """Return what each weight of the deep score gains: sums over some next items, of squares too.

    Parameters
    ----------
    last : int64[n, h]
        Items before, the newest in the last column; -1: none.
    target : int64[n]
        Next items.
    y : float32[n, d]
        Outputs of the network there.
    embedding, bias : float32[K, d], float32[K]
        Of all items.
    weights : sequence of float
        W, not 0.
    """
    items = len(embedding)
    most = min(MOST, len(target), max(1, _SCORES // items))
    last, target, y = last[:most], target[:most], y[:most]
    # as they are served: an item that the network does not know has the score 0
    embedding, bias = embedding - embedding.mean(0), bias - bias.mean()
    again = bool((last == target[:, None]).any(1).mean() > _RARE)
    total, squares = np.zeros(len(weights)), np.zeros(len(weights))
    block = max(1, _BLOCK // items)
    for at in range(0, most, block):
        part = slice(at, at + block)
        x = torch.from_numpy(transitions.scores(last[part]))
        z = y[part] @ embedding.t() + bias
        if not again:
            _leave_out(x, last[part])
        aim = torch.from_numpy(target[part])[:, None]
        x, z = x - x.gather(1, aim), z - z.gather(1, aim)
        worth = [_worth(x + weight * z) for weight in (0.0, *weights)]
        for k in range(len(weights)):
            gain = (worth[1 + k] - worth[0]).numpy()
            total[k] += gain.sum()
            squares[k] += np.square(gain).sum()
    return {"events": [float(most)], "gains": total.tolist(), "squares": squares.tolist()}


def _leave_out(scores: Tensor, last: NDArray[np.int64]) -> None:
    """Put a user's own items last."""
    row, column = np.nonzero(last >= 0)
    scores[torch.from_numpy(row), torch.from_numpy(last[row, column])] = -torch.inf


def _worth(lead: Tensor) -> Tensor:
    """Return what places (b,) are worth, by the leads (b, K) of all items on the target."""
    above = (lead > 0).sum(1).double() + 0.5 * ((lead == 0).sum(1) - 1)
    return 1 / (1 + above / _SOFT)
