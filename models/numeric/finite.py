"""A test for finite numbers in compiled code."""

import numpy as np

from models.compiled import Real, Truth, kernel


@kernel
def finite(number: Real) -> Truth:
    """Return whether a number is neither NaN nor infinite.

    `np.isfinite` is compiled to x - x == x - x, which is always true of a sum or a difference where
    sums may be reordered, as they may in all kernels.
    """
    return abs(number) < np.inf
