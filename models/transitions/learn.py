"""What an event teaches transitions: its item followed those of the user's window."""

import numpy as np

from models.arrays import BatchArrays, EventArrays, ItemArrays, TransitionArrays, Window, Work
from models.compiled import Integer, Real, kernel
from models.items.marks import is_new
from models.transitions.rows import add


@kernel
def learn_event(e: Integer, u: Integer, row: Integer, events: EventArrays, work: Work) -> None:
    """Count that an item followed those of the window, the nearest most."""
    window, step = work.window, np.float32(events.weight[e])
    for at in range(window.length[u] - 1, -1, -1):
        before = window.rows[u, at]
        if before != row and is_new(work.until, work.items, before, events.coordinate[e]):
            add(work.transitions, before, row, step)
        step *= np.float32(work.knobs.window_decay)


@kernel
def apply_event(
    e: Integer,
    u: Integer,
    batch: BatchArrays,
    window: Window,
    a: ItemArrays,
    t: TransitionArrays,
    decay: Real,
) -> None:
    """Count that an item followed those of the window whose rows may be changed."""
    row = batch.rows[batch.item[e]]
    step = np.float32(batch.weight[e])
    for at in range(window.length[u] - 1, -1, -1):
        before = window.rows[u, at]
        if (
            row >= 0
            and before != batch.item[e]
            and batch.owned[before]
            and is_new(batch.until, a, batch.rows[before], batch.coordinate[e])
        ):
            add(t, batch.rows[before], row, step)
        step *= np.float32(decay)
