"""Sampled items an event is compared with: drawn from the event itself, so a replay agrees."""

import numpy as np

from models.arrays import EVENTS, SIZE, ItemArrays, UserArrays
from models.compiled import Integer, Truth, kernel
from models.history import contains
from models.initial import scrambled


@kernel
def first_word(identity: Integer, seed: Integer) -> Integer:
    """Return where the random words of an event start; add GAMMA for the next draw."""
    return scrambled(identity ^ scrambled(np.uint64(seed)))


@kernel
def draw_negative(
    word: Integer, uniform: Truth, key: Integer, u: Integer, users: UserArrays, a: ItemArrays
) -> Integer:
    """Return a known item that is neither the event's nor in the user's history, else -1.

    Uniform over all items, or by popularity: that of one of the last events. What does not suit
    is drawn once more, uniformly.
    """
    if uniform:
        row = _below(word, a.counters[SIZE])
    else:
        row = np.int64(a.recent[_below(word, min(a.counters[EVENTS], len(a.recent)))])
    if not _suits(row, key, u, users, a):
        row = _below(scrambled(word), a.counters[SIZE])
        if not _suits(row, key, u, users, a):
            row = np.int64(-1)
    return row


@kernel
def _suits(row: Integer, key: Integer, u: Integer, users: UserArrays, a: ItemArrays) -> Truth:
    if a.counts[row] == 0 or a.keys[row] == key:
        return False
    return not contains(users.history, users.history_length, u, a.keys[row])


@kernel
def _below(word: Integer, limit: Integer) -> Integer:
    """Return a number in [0, limit), by the upper half of a random word."""
    upper = scrambled(word) >> np.uint64(32)
    return np.int64(upper * np.uint64(limit) >> np.uint64(32))
