"""The queue of rows whose factors moved here since they were last published, oldest first."""

from models.arrays.items import MOVED, TOLD, ItemArrays
from models.compiled import Integer, kernel


@kernel
def note(a: ItemArrays, row: Integer) -> None:
    """Queue a row whose factors have changed; once, however often it does."""
    if not a.waiting[row]:
        a.waiting[row] = True
        a.queue[a.counters[MOVED] % len(a.queue)] = row
        a.counters[MOVED] += 1


@kernel
def next_moved(a: ItemArrays) -> Integer:
    """Return the row that waits longest and take it off the queue, -1 where none waits."""
    if a.counters[TOLD] == a.counters[MOVED]:
        return -1
    row = a.queue[a.counters[TOLD] % len(a.queue)]
    a.counters[TOLD] += 1
    a.waiting[row] = False
    return row
