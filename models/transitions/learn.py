"""Learning of transitions: the event's item followed those of the user's window.

A user counts once for a pair of items: by 1 however strong the event is, and what came before the
last time that the user had the item was counted then.
"""

import numpy as np

from models.arrays.events import BatchArrays, EventArrays
from models.arrays.items import ItemArrays
from models.arrays.transitions import TransitionArrays
from models.arrays.work import Knobs, Window, Work
from models.compiled import Integer, Truth, kernel
from models.index.marks import is_new
from models.transitions.rows import add, fetch


@kernel
def learn_event(e: Integer, u: Integer, row: Integer, events: EventArrays, work: Work) -> None:
    """Count that an item followed those of the window, the nearest most."""
    window, knobs = work.window, work.knobs
    step = min(np.float32(events.weight[e]), np.float32(1))
    back = knobs.backward > 0 and is_new(work.until, work.items, row, events.coordinate[e])
    fetch_all(work.transitions, window, u, row)
    for at in range(window.length[u] - 1, -1, -1):
        before = window.rows[u, at]
        if before == row and not knobs.repeats:
            break
        if is_new(work.until, work.items, before, events.coordinate[e]):
            add(work.transitions, before, row, step)
        if back:
            add(work.transitions, row, before, np.float32(knobs.backward) * step)
        step *= np.float32(knobs.window_decay)


@kernel
def fetch_all(t: TransitionArrays, window: Window, u: Integer, row: Integer) -> None:
    """Bring what an event changes into the cache: all waits overlap, instead of one by one."""
    seen = 0
    for at in range(window.length[u]):
        seen += fetch(t, window.rows[u, at], row) + fetch(t, row, window.rows[u, at])
    t.sink[0] = seen  # or the compiler would leave it all out


@kernel
def apply_event(
    e: Integer,
    u: Integer,
    batch: BatchArrays,
    window: Window,
    a: ItemArrays,
    t: TransitionArrays,
    knobs: Knobs,
) -> None:
    """Count that an item followed those of the window whose rows may be changed."""
    row = batch.rows[batch.item[e]]
    step = min(np.float32(batch.weight[e]), np.float32(1))
    back = knobs.backward > 0 and _may_change(e, batch.item[e], batch, a)
    seen = 0
    for at in range(window.length[u]):
        before = batch.rows[window.rows[u, at]]
        if row >= 0 and before >= 0:
            seen += fetch(t, before, row) + fetch(t, row, before)
    t.sink[0] = seen  # or the compiler would leave it all out
    for at in range(window.length[u] - 1, -1, -1):
        before = window.rows[u, at]
        if before == batch.item[e] and not knobs.repeats:
            break
        if row >= 0 and batch.rows[before] >= 0:
            if _may_change(e, before, batch, a):
                add(t, batch.rows[before], row, step)
            if back:
                add(t, row, batch.rows[before], np.float32(knobs.backward) * step)
        step *= np.float32(knobs.window_decay)


@kernel
def _may_change(e: Integer, item: Integer, batch: BatchArrays, a: ItemArrays) -> Truth:
    """Return whether an item's row is to be changed, and does not contain the event yet."""
    return batch.owned[item] and is_new(batch.until, a, batch.rows[item], batch.coordinate[e])
