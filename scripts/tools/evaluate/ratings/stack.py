r"""Stacking: the predictions x of several models as one, by online least squares.

.. math:: \hat r = w x, \quad e = r - \hat r, \quad h = \frac{C x}{1 + x C x}, \quad
    w \mathrel{+}= h e, \quad C \mathrel{-}= h (C x)^T

from equal weights, which add up to 1, and C = I/λ (recursive least squares without forgetting,
Plackett, Biometrika 37, 1950; stacking: Wolpert, Neural Networks 5(2), 1992).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.compiled import Integer, Real, entry, kernel
from models.numeric.finite import finite

_RIDGE = 1e-3
"""λ: how much the equal weights of the start count."""


class Stack(NamedTuple):
    """Weights of d models, learnt in place."""

    weights: NDArray[np.float64]
    """(d,)"""
    covariance: NDArray[np.float64]
    """(d, d) C of the equations."""
    spread: NDArray[np.float64]
    """(d,) scratch: C x."""
    skipped: NDArray[np.int64]
    """(1,) events not learnt: a prediction or a rating that is not finite."""
    lowest: float
    highest: float

    @classmethod
    def new(cls, models: int, *, lowest: float, highest: float) -> "Stack":
        """Return a stack of equal weights; its predictions are clipped to the range."""
        return cls(
            weights=np.full(models, 1 / models),
            covariance=np.eye(models) / _RIDGE,
            spread=np.empty(models),
            skipped=np.zeros(1, np.int64),
            lowest=float(lowest),
            highest=float(highest),
        )


@entry
def learn_events(
    x: NDArray[np.float32],
    rating: NDArray[np.float32],
    stack: Stack,
    predicted: NDArray[np.float32],
) -> None:
    """Predict, then learn, n events in order.

    Parameters
    ----------
    x : float32[n, d]
        What the models predicted before each event, clipped to the range.
    rating : float32[n]
    stack : Stack
        Learns in place.
    predicted : float32[n]
        Set to the predictions of the stack, clipped to the range.
    """
    for e in range(len(x)):
        predicted[e] = learn(stack, x, e, rating[e])


@kernel
def predict(stack: Stack, x: NDArray[np.float32], e: Integer) -> Real:
    """Return the rating expected after row e of the models' predictions, within the range."""
    return min(stack.highest, max(stack.lowest, _joined(stack, x, e)))


@kernel
def learn(stack: Stack, x: NDArray[np.float32], e: Integer, rating: Real) -> Real:
    """Learn one rating, and return what was predicted before, within the range."""
    expected, total = _joined(stack, x, e), 1.0
    for a in range(len(stack.weights)):
        stack.spread[a] = 0.0
        for b in range(len(stack.weights)):
            stack.spread[a] += stack.covariance[a, b] * x[e, b]
        total += x[e, a] * stack.spread[a]
    step = (rating - expected) / total
    if total > 0 and finite(step):
        _move(stack, step, total)
    else:
        stack.skipped[0] += 1
    return min(stack.highest, max(stack.lowest, expected))


@kernel
def _joined(stack: Stack, x: NDArray[np.float32], e: Integer) -> Real:
    total = 0.0
    for a in range(len(stack.weights)):
        total += stack.weights[a] * x[e, a]
    return total


@kernel
def _move(stack: Stack, step: Real, total: Real) -> None:
    spread = stack.spread
    for a in range(len(spread)):
        stack.weights[a] += spread[a] * step
        for b in range(len(spread)):
            stack.covariance[a, b] -= spread[a] * spread[b] / total
