r"""Components: what the ranking model is joined from, and the one formula that joins them.

A component gives every item a score in log-odds for a user: one row of `Scratch.parts`. Items are
ranked by

.. math:: \ell_j = \sum_c \theta_c x_{cj}

Each component is a room of `models/` with these kernels, as far as they apply to it:

`part_of`
    The component's score of one item.
`fill`
    Its scores of all items, into its row of `Scratch.parts`.
`learn_…`, `apply_…`
    What one event teaches it: the user's own worker, and everybody else's item side.

The loops over events and over users are those of `models.ranking`.
"""

import numpy as np
from numpy.typing import NDArray

from models.columns.lists import BY_DEEP, BY_FACTORS, BY_NEIGHBOURS, BY_POPULAR, BY_TRANSITION
from models.compiled import Integer, Real, kernel

TRANSITIONS, FACTORS, NEIGHBOURS, DEEP, POPULARITY = 0, 1, 2, 3, 4
"""Rows of `Scratch.parts` and places in its weights."""
COMPONENTS = 5
REASONS = np.array([BY_TRANSITION, BY_FACTORS, BY_NEIGHBOURS, BY_DEEP, BY_POPULAR], np.uint8)
"""Why an item is recommended that a component puts on the list."""


@kernel
def join(
    parts: NDArray[np.float32],
    weights: NDArray[np.float32],
    components: Integer,
    size: Integer,
    joint: NDArray[np.float32],
) -> None:
    """Set the scores of the first `size` items by the first so many components together.

    A component of weight 0 is not looked at.
    """
    first = True
    for c in range(components):
        weight = weights[c]
        if weight == 0:
            continue
        if first:
            for row in range(size):
                joint[row] = weight * parts[c, row]
        else:
            for row in range(size):
                joint[row] += weight * parts[c, row]
        first = False


@kernel
def add(part: NDArray[np.float32], weight: Real, size: Integer, joint: NDArray[np.float32]) -> None:
    """Add one component to the joint score of the first `size` items."""
    for row in range(size):
        joint[row] += weight * part[row]


@kernel
def add_up(parts: NDArray[np.float32], size: Integer, sums: NDArray[np.float32]) -> None:
    """Set the sum of each component over the first `size` items."""
    for c in range(len(parts)):
        total = np.float32(0)
        for row in range(size):
            total += parts[c, row]
        sums[c] = total


@kernel
def winner(
    parts: NDArray[np.float32],
    weights: NDArray[np.float32],
    sums: NDArray[np.float32],
    size: Integer,
    row: Integer,
) -> Integer:
    """Return the component that lifts an item above the average one most; `add_up` first.

    The factors, where none does: they are what knows every user and item.
    """
    won = FACTORS
    most: Real = np.float32(0)
    for c in range(len(parts)):
        lift = weights[c] * (parts[c, row] - sums[c] / np.float32(size))
        if lift > most:
            won, most = c, lift
    return won
