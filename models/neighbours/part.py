"""Session neighbours as a component of the ranking model."""

from models.arrays import SIZE, Work
from models.compiled import Integer, kernel
from models.component import NEIGHBOURS
from models.items.lookup import row_of
from models.neighbours import share


@kernel
def fill(work: Work, u: Integer) -> None:
    """Set the scores of all items, by the last items of a user that have a row."""
    recent, users, held = work.scratch.recent, work.users, 0
    newest: Integer = users.history_length[u]
    for at in range(max(0, newest - len(recent)), newest):
        row = row_of(work.items, users.history[u, at])
        if row >= 0:
            recent[held] = row
            held += 1
    share.find(work.neighbours, recent[:held], users.key[u])
    size, part = work.items.counters[SIZE], work.scratch.parts[NEIGHBOURS]
    share.fill(work.neighbours, size, part, work.knobs.neighbours)
    work.scratch.found[0] = held


@kernel
def source_of(work: Work, row: Integer) -> Integer:
    """Return the row of the user's item that gives another the most, -1: none; `fill` first."""
    recent = work.scratch.recent[: work.scratch.found[0]]
    return share.source_of(work.neighbours, recent, row)
