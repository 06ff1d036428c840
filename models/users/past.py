"""Items of a user's past that are not recommended again: four bytes each, some thousands of them.

An entry is the lower half of the item's key; its lowest bit says whether the event was a strong
one, such as a purchase. Of two items whose keys share 31 bits, one is taken for the other: with
2,048 entries once in a million items. Where some are hidden for a time only, four more bytes an
entry hold the minute since 1970 until which it is.
"""

import numpy as np

from models.arrays.users import UserArrays
from models.compiled import Integer, Truth, kernel
from models.index.lookup import short_of

ALWAYS = np.iinfo(np.int64).max
"""Hidden for ever, as a duration."""
FOREVER = np.iinfo(np.uint32).max
"""Hidden for ever, as the minute until which."""
_MINUTE_MS = 60_000


@kernel
def note_past(
    users: UserArrays, u: Integer, key: Integer, strong: Truth, time: Integer, hide: Integer
) -> None:
    """Add an item to a user's past for `hide` ms from the event time, rounded up to a minute.

    A full past loses an entry whose time is over, else its oldest weak one, else its oldest. What
    is hidden longer already stays so.
    """
    past, n = users.past, users.past_length[u]
    if hide <= 0 or past.shape[1] == 0:
        return
    short, until = short_of(key), _until(time, hide)
    bit = np.uint32(1) if strong else np.uint32(0)
    timed = users.past_until.shape[1] > 0
    for at in range(n):
        if past[u, at] & np.uint32(0xFFFFFFFE) == short:
            past[u, at] |= bit
            if timed:
                users.past_until[u, at] = max(users.past_until[u, at], until)
            return
    if n == past.shape[1]:
        out = _leaving(users, u, time)
        for at in range(out, n - 1):
            past[u, at] = past[u, at + 1]
            if timed:
                users.past_until[u, at] = users.past_until[u, at + 1]
        n -= 1
    past[u, n] = short | bit
    if timed:
        users.past_until[u, n] = until
    users.past_length[u] = n + 1


@kernel
def is_past(users: UserArrays, u: Integer, key: Integer, time: Integer) -> Truth:
    """Return whether an item belongs to a user's past at a time, ms."""
    short, found = short_of(key), False
    if users.past_until.shape[1] > 0:
        minute = minute_of(time)
        for at in range(users.past_length[u]):
            same = users.past[u, at] & np.uint32(0xFFFFFFFE) == short
            found |= same & (users.past_until[u, at] > minute)
        return found
    for at in range(users.past_length[u]):  # no early exit: the loop is vectorised
        found |= users.past[u, at] & np.uint32(0xFFFFFFFE) == short
    return found


@kernel
def minute_of(time: Integer) -> Integer:
    """Return the minute since 1970 that a time, ms, lies in."""
    return np.uint32(min(max(time, 0) // _MINUTE_MS, FOREVER - 1))


@kernel
def _until(time: Integer, hide: Integer) -> Integer:
    """Return the first minute at which something hidden for a while is no longer."""
    if hide == ALWAYS:
        return np.uint32(FOREVER)
    return np.uint32(min((max(time, 0) + hide + _MINUTE_MS - 1) // _MINUTE_MS, FOREVER - 1))


@kernel
def _leaving(users: UserArrays, u: Integer, time: Integer) -> Integer:
    """Return the entry that a full past loses."""
    n = users.past_length[u]
    if users.past_until.shape[1] > 0:
        minute = minute_of(time)
        for at in range(n):
            if users.past_until[u, at] <= minute:
                return at
    for at in range(n):
        if not users.past[u, at] & np.uint32(1):
            return at
    return 0
