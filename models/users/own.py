"""A user's own items: those of its past and its exclusions, which are not recommended."""

from models.arrays import ItemArrays, Scratch, UserArrays
from models.compiled import Integer, Truth, kernel
from models.items.lookup import mark_short, row_of
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
def is_own(users: UserArrays, u: Integer, key: Integer, time: Integer) -> Truth:
    """Return whether an item is in a user's past or exclusions at a time, ms."""
    excluded = contains(users.excluded, users.excluded_length, u, key)
    return excluded or is_past(users, u, key, time)
