"""Timestamps in s, ms, µs or ns: the unit is told by their size."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.tools.console import ToolError

UNITS = (("s", 2**32, 1e3), ("ms", 2**32 * 1e3, 1.0), ("us", 2**32 * 1e6, 1e-3),
         ("ns", 2**32 * 1e9, 1e-6))  # fmt: skip
"""Unit of a timestamp, what it stays below (until the year 2106), and its milliseconds.

So s are told from ms of February 20, 1970 and later, and ms from us.
"""


def milliseconds(times: NDArray[Any]) -> tuple[NDArray[np.int64], str]:
    """Return timestamps in ms, and the unit they were in, told by the largest one.

    >>> milliseconds(np.array([956703836]))
    (array([956703836000]), 's')
    """
    unit, factor = unit_of(float(np.abs(times).max(initial=0)))
    return scaled(times, factor), unit


def unit_of(largest: float) -> tuple[str, float]:
    """Return the unit that the largest timestamp shows, and its milliseconds.

    >>> unit_of(956703836)
    ('s', 1000.0)
    """
    for unit, limit, factor in UNITS:
        if largest < limit:
            return unit, factor
    message = f"timestamp: expected s, ms, us or ns since 1970, up to 2106, got {largest:g}"
    raise ToolError(message)


def scaled(times: NDArray[Any], factor: float) -> NDArray[np.int64]:
    """Return timestamps of a known unit in ms."""
    if factor < 1:
        return np.asarray(times // round(1 / factor), np.int64)
    return np.asarray(np.rint(times * factor), np.int64)
