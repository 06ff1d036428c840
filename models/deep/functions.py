"""Elementwise functions of the networks, in numpy."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
_EPSILON = np.float32(1e-5)


def normed(x: Array, weight: Array, bias: Array) -> Array:
    """Return the rows of x (n, d) after layer normalisation, as torch has it."""
    centred = x - x.mean(axis=1, keepdims=True)
    deviation = np.sqrt(np.einsum("ij,ij->i", centred, centred) / x.shape[1] + _EPSILON)
    normed: Array = centred / deviation[:, None] * weight + bias
    return normed


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x))."""
    # the exponential of a large number is inf, and 1 / inf is the right answer
    with np.errstate(over="ignore"):
        result: Array = 1 / (1 + np.exp(-x))
    return result


def gelu(x: Array) -> Array:
    """Return the tanh form of GELU (Hendrycks and Gimpel, arXiv 1606.08415)."""
    inner = np.float32(0.7978845608) * (x + np.float32(0.044715) * x * x * x)
    result: Array = np.float32(0.5) * x * (1 + np.tanh(inner))
    return result
