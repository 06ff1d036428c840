"""Rows of factors: scalar products, and steps that cannot leave a ball."""

import numpy as np
from numpy.typing import NDArray

from models.compiled import Integer, Real, kernel


@kernel
def dot(p: NDArray[np.float32], u: Integer, q: NDArray[np.float32], row: Integer) -> Real:
    """Return the scalar product of two rows."""
    total = np.float32(0)
    for f in range(p.shape[1]):
        total += p[u, f] * q[row, f]
    return total


@kernel
def joined(
    p: NDArray[np.float32],
    u: Integer,
    q: NDArray[np.float32],
    row: Integer,
    weight: NDArray[np.float32],
) -> Real:
    """Return what hidden units say of the sum of two rows: weight · relu(p_u + q_row)."""
    total = np.float32(0)
    for f in range(p.shape[1]):
        total += weight[f] * max(p[u, f] + q[row, f], np.float32(0))
    return total


@kernel
def move(
    factors: NDArray[np.float32],
    row: Integer,
    step: Real,
    along: NDArray[np.float32],
    u: Integer,
    decay: Real,
    radius: Real,
) -> Real:
    """Move a row of factors along another, and back into the ball of the given radius.

    Return its squared norm then.
    """
    keep, length = np.float32(1 - decay), np.float32(0)
    for f in range(factors.shape[1]):
        moved = keep * factors[row, f] + step * along[u, f]
        factors[row, f] = moved
        length += moved * moved
    _shorten(factors, row, length, radius)
    return min(length, np.float32(radius * radius))


@kernel
def shorten(factors: NDArray[np.float32], row: Integer, radius: Real) -> None:
    """Move a row back into the ball of the given radius, where it has left it."""
    _shorten(factors, row, norm(factors, row), radius)


@kernel
def _shorten(factors: NDArray[np.float32], row: Integer, length: Real, radius: Real) -> None:
    if length > radius * radius:
        shrink = np.float32(radius) / np.sqrt(length)
        for f in range(factors.shape[1]):
            factors[row, f] *= shrink


@kernel
def norm(factors: NDArray[np.float32], row: Integer) -> Real:
    """Return the squared norm of a row."""
    return dot(factors, row, factors, row)
