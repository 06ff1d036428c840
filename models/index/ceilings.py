r"""Upper bounds of the scores of items, so that most of a catalogue need not be looked at.

To a user, an item that neither its last items nor its neighbours name says

.. math:: \theta (b_j + z \cdot q_j) - \alpha \log n_j + w P_j \le \theta (C_j + |z| |q_j|) + w M_j

with :math:`\theta \le 1` the weight of factors, :math:`C_j = b_j - \alpha \log n_j`, whose second
term is never above 0, and M the popularity component as of the item's last event: it only fades.
For every `BLOCK` rows, `ItemArrays.tops` holds what none of them exceeds in C, M and |q|.
Whatever changes a row raises the tops of its block; whoever looks at all rows of a block lowers
them to what they hold, see `models.ranking.shortlist`.
"""

import numpy as np
from numpy.typing import NDArray

from models.arrays.items import ItemArrays
from models.compiled import Integer, Real, Truth, entry, kernel
from models.numeric.logarithm import log1p
from models.numeric.vectors import norm

CEILING, MOST, LENGTH = range(3)
"""Rows of `ItemArrays.tops`: C, M and |q|."""
SHIFT = 6
BLOCK = 1 << SHIFT
"""Rows of a block."""


def empty_tops(rows: int) -> NDArray[np.float32]:
    """Return the tops of blocks without an item, float32[3, B]."""
    tops = np.zeros((3, (rows >> SHIFT) + 1), np.float32)
    tops[CEILING] = -np.inf
    return tops


def blocks(rows: int) -> int:
    """Return how many blocks the first rows lie in."""
    return (rows + BLOCK - 1) >> SHIFT


@kernel
def listable(a: ItemArrays, row: Integer) -> Truth:
    """Return whether an item can be recommended at all."""
    return a.named[row] and a.counts[row] > 0 and not a.unavailable[row]


@kernel
def ceiling_of(a: ItemArrays, row: Integer) -> Real:
    """Return C of an item."""
    return a.bias[row] + a.log_discount[row]


@kernel
def most_of(a: ItemArrays, row: Integer) -> Real:
    """Return M of an item; rounded before, as in `models.popularity.part`, which it bounds."""
    return log1p(np.float32(a.popularity[row]))


@kernel
def raise_factors(a: ItemArrays, row: Integer, square: Real) -> None:
    """Note that the factors, of the squared norm given, or the bias of a row have changed."""
    a.length[row] = np.sqrt(square)
    _raise(a, LENGTH, row, a.length[row])
    _raise(a, CEILING, row, ceiling_of(a, row))


@kernel
def raise_popularity(a: ItemArrays, row: Integer) -> None:
    """Note that the popularity of a row has changed."""
    _raise(a, MOST, row, most_of(a, row))


@entry
def raise_all(a: ItemArrays, rows: NDArray[np.int32]) -> None:
    """Note that anything of some rows has changed."""
    for n in range(len(rows)):
        raise_factors(a, rows[n], norm(a.factors, rows[n]))
        raise_popularity(a, rows[n])


@kernel
def _raise(a: ItemArrays, which: Integer, row: Integer, value: Real) -> None:
    at = row >> SHIFT
    if value > a.tops[which, at]:  # never by what is no number: it would hide the others
        a.tops[which, at] = value
