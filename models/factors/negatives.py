"""Sampled items an event is compared with: drawn from the event itself, so a replay agrees."""

import numpy as np
from numpy.typing import NDArray

from models.arrays.items import KNOWN, RECENT, ItemArrays
from models.arrays.users import UserArrays
from models.compiled import Integer, Truth, kernel
from models.numeric.initial import scrambled
from models.users.own import is_own, may_be_own


@kernel
def first_word(identity: Integer, seed: Integer) -> Integer:
    """Return where the random words of an event start; add GAMMA for the next draw."""
    return scrambled(identity ^ scrambled(np.uint64(seed)))


@kernel
def draw_negative(
    word: Integer,
    uniform: Truth,
    key: Integer,
    u: Integer,
    time: Integer,
    users: UserArrays,
    own: NDArray[np.uint64],
    a: ItemArrays,
) -> Integer:
    """Return a known item that is neither the event's nor the user's own at its time, else -1.

    Uniform over all items with an event, or by popularity: that of one of the last events. What
    does not suit is drawn once more, uniformly.

    Parameters
    ----------
    own
        See `Scratch.own`.
    """
    if a.counters[KNOWN] == 0:
        return np.int64(-1)
    row: Integer
    recent: Integer = min(a.counters[RECENT], len(a.recent))
    if uniform or recent == 0:
        row = a.known[_below(word, a.counters[KNOWN])]
    else:
        row = a.recent[_below(word, recent)]
    if not _suits(row, key, u, time, users, own, a):
        row = a.known[_below(scrambled(word), a.counters[KNOWN])]
        if not _suits(row, key, u, time, users, own, a):
            row = np.int32(-1)
    return np.int64(row)


@kernel
def _suits(
    row: Integer,
    key: Integer,
    u: Integer,
    time: Integer,
    users: UserArrays,
    own: NDArray[np.uint64],
    a: ItemArrays,
) -> Truth:
    other = a.keys[row]
    return other != key and not (may_be_own(own, other) and is_own(users, u, other, time))


@kernel
def _below(word: Integer, limit: Integer) -> Integer:
    """Return a number in [0, limit), by the upper half of a random word."""
    upper = scrambled(word) >> np.uint64(32)
    return np.int64(upper * np.uint64(limit) >> np.uint64(32))
