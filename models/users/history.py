"""Lists of the last distinct things: a repeat moves to the end, the oldest falls out when full."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.arrays.items import Lookup
from models.arrays.users import UserArrays
from models.arrays.work import Window
from models.columns.users import Users
from models.compiled import Integer, Truth, compiled, entry, kernel
from models.index.lookup import row_of
from models.users.gaps import LONGEST

NEWEST = np.uint8(0x80)
"""Bit of a gap: its item is that of the user's last event that counted."""
GAP = np.uint8(0x7F)
"""Bits of the gap itself."""


@kernel
def remember(lists: NDArray[Any], length: NDArray[np.int32], u: Integer, thing: Integer) -> None:
    """Put a thing at the end of list u; lists (U, L) are left-aligned, oldest first."""
    n = length[u]
    at = 0
    while at < n and lists[u, at] != thing:
        at += 1
    if at == n:
        if n < lists.shape[1]:
            lists[u, n] = thing
            length[u] = n + 1
            return
        at = 0
    for i in range(at, n - 1):
        lists[u, i] = lists[u, i + 1]
    lists[u, n - 1] = thing


@kernel
def remember_positive(
    users: UserArrays, u: Integer, key: Integer, gap: Integer, counts: Truth
) -> None:
    """Put an item at the end of a user's history, and its gap with it.

    An event that does not count moves its item, which keeps the gap of the one that did.
    """
    n = users.history_length[u]
    at: Any = 0
    while at < n and users.history[u, at] != key:
        at += 1
    kept = users.history_gap[u, at] if at < n else np.uint8(gap)
    if at == n:
        at = 0 if n == users.history.shape[1] else n
    for i in range(at, min(n, users.history.shape[1]) - 1):
        users.history_gap[u, i] = users.history_gap[u, i + 1]
    remember(users.history, users.history_length, u, key)
    if counts:
        before: Any = users.history_length[u] - 2  # from the end: there it nearly always stands
        if kept < NEWEST or n < users.history_length[u]:
            while before >= 0 and users.history_gap[u, before] < NEWEST:
                before -= 1
            if before >= 0:
                users.history_gap[u, before] &= GAP
        kept = np.uint8(gap) | NEWEST
    users.history_gap[u, users.history_length[u] - 1] = kept


def as_counted(users: Users) -> tuple[NDArray[np.uint64], NDArray[np.uint8]]:
    """Return (U, H) items and gaps of histories, that of the last event that counted at the end.

    A history of before that was noted, or that has lost it, is as it is.
    """
    keys, gap = users.history, users.history_gap & GAP
    noted = users.history_gap >= NEWEST
    last = users.history_length.astype(np.intp) - 1
    newest = np.where(noted.any(axis=1), noted.argmax(axis=1), last)
    turned = np.flatnonzero(newest < last)
    if len(turned):
        keys, at = keys.copy(), np.arange(keys.shape[1])
        begin, end = newest[turned, None], last[turned, None]
        order = np.where((at >= begin) & (at < end), at + 1, np.where(at == end, begin, at))
        for columns in (keys, gap):
            columns[turned] = np.take_along_axis(columns[turned], order, axis=1)
    return keys, gap


@kernel
def contains(lists: NDArray[Any], length: NDArray[np.int32], u: Integer, thing: Integer) -> Any:
    """Return whether list u holds a thing."""
    found = False
    for at in range(length[u]):
        found |= lists[u, at] == thing
    return found


def empty_window(users: int, size: int) -> Window:
    """Return windows of `size` item rows that hold nothing."""
    return Window(
        rows=np.full((users, size), -1, np.int32),
        length=np.zeros(users, np.int32),
        coefficient=np.zeros(size, np.float32),
    )


@entry
def open_window(
    window: Window, a: Lookup, history: NDArray[np.uint64], length: NDArray[np.int32]
) -> None:
    """Fill windows with the last items of each history; items without a row are left out."""
    for u in range(len(length)):
        newest = length[u]
        for at in range(max(0, newest - window.rows.shape[1]), newest):
            row = row_of(a, history[u, at])
            if row >= 0:
                window.rows[u, window.length[u]] = row
                window.length[u] += 1


@compiled
def gaps_of(
    user: NDArray[np.int32],
    counts: NDArray[np.bool_],
    time: NDArray[np.int64],
    last_positive: NDArray[np.int64],
) -> NDArray[np.uint8]:
    """Return the octave of seconds since each user's newest event before, see `models.users.gaps`.

    Parameters
    ----------
    user, time : (n,)
        Columns of the events.
    counts : bool[n]
        Positive events that count: the others have no gap, and are none for those that follow.
    last_positive : int64[U]
        Updated in place.
    """
    gap = np.full(len(user), LONGEST, np.uint8)
    for e in range(len(user)):
        u = user[e]
        if counts[e]:
            if last_positive[u] >= 0:
                seconds = max(0, time[e] - last_positive[u]) / 1000.0
                gap[e] = min(LONGEST, int(np.log2(1.0 + seconds)))
            last_positive[u] = max(last_positive[u], time[e])
    return gap


@compiled
def pack(window: Window) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return all windows one after the other, and where each user's starts."""
    start = np.zeros(len(window.length) + 1, np.int32)
    start[1:] = np.cumsum(window.length)
    rows = np.empty(start[-1], np.int32)
    for u in range(len(window.length)):
        rows[start[u] : start[u + 1]] = window.rows[u, : window.length[u]]
    return rows, start


@entry
def unpack(window: Window, rows: NDArray[np.int32], start: NDArray[np.int32]) -> None:
    """Fill windows from what `pack` returned."""
    for u in range(len(window.length)):
        for at in range(start[u], start[u + 1]):
            remember(window.rows, window.length, u, rows[at])
