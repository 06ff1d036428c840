"""A user's own items: those of its past and its exclusions, which are not recommended."""

import numpy as np
from numpy.typing import NDArray

from models.arrays.items import ItemArrays
from models.arrays.users import UserArrays
from models.arrays.work import OWN_WORDS, Scratch
from models.compiled import Integer, Truth, kernel
from models.index.lookup import mark_short, row_of
from models.users.history import contains
from models.users.past import is_past, minute_of


@kernel
def mark_own(
    scratch: Scratch, a: ItemArrays, users: UserArrays, u: Integer, time: Integer
) -> Integer:
    """Mark the items of a user's past and exclusions at a time, ms; return the mark."""
    scratch.stamp[0] += 2  # the odd ones are for whoever marks something besides
    mark = scratch.stamp[0]
    timed, minute = users.past_until.shape[1] > 0, minute_of(time)
    for at in range(users.past_length[u]):
        if not timed or users.past_until[u, at] > minute:
            mark_short(a, users.past[u, at], scratch.mark, mark)
    for at in range(users.excluded_length[u]):
        row = row_of(a, users.excluded[u, at])
        if row >= 0:
            scratch.mark[row] = mark
    return mark


@kernel
def note_own(own: NDArray[np.uint64], users: UserArrays, u: Integer) -> None:
    """Set a bit for each item that may be a user's own; `may_be_own` says which."""
    own[:] = 0
    for at in range(users.past_length[u]):
        bit = _bit_of(users.past[u, at])
        own[bit >> 6] |= np.uint64(1) << np.uint64(bit & 63)
    for at in range(users.excluded_length[u]):
        bit = _bit_of(users.excluded[u, at])
        own[bit >> 6] |= np.uint64(1) << np.uint64(bit & 63)


@kernel
def may_be_own(own: NDArray[np.uint64], key: Integer) -> Truth:
    """Return False for an item that is not among those noted: for most that are not."""
    bit = _bit_of(key)
    return own[bit >> 6] >> np.uint64(bit & 63) & np.uint64(1) != 0


@kernel
def _bit_of(key: Integer) -> Integer:
    """Return the bit of a key, or of a short one, whose lowest bit says something else."""
    return np.int64(np.uint64(key) >> np.uint64(1) & np.uint64(64 * OWN_WORDS - 1))


@kernel
def is_own(users: UserArrays, u: Integer, key: Integer, time: Integer) -> Truth:
    """Return whether an item is in a user's past or exclusions at a time, ms."""
    excluded = contains(users.excluded, users.excluded_length, u, key)
    return excluded or is_past(users, u, key, time)
