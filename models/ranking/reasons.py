"""Reasons of listed items: the component that lifts each most, and the user's item behind that."""

from models.arrays.work import Work
from models.columns.lists import BY_FACTORS, BY_NEW, BY_TRANSITION
from models.compiled import Integer, kernel
from models.components import REASONS, winner
from models.items.table import NEW_BELOW
from models.lists import Lists
from models.neighbours import part as neighbours
from models.transitions import share as transitions


@kernel
def set_reasons(u: Integer, held: Integer, size: Integer, work: Work, lists: Lists) -> None:
    """Set why the first `held` items of a user's list are there.

    `Scratch.parts` of these items and `Scratch.sums` over all `size` items must be filled, and
    `Scratch.boost` clean.
    """
    a, scratch = work.items, work.scratch
    for at in range(held):
        row = lists.rows[u, at]
        reason: Integer = REASONS[winner(scratch.parts, scratch.weights, scratch.sums, size, row)]
        if reason == BY_TRANSITION:
            source = transitions.source_of(work.window, u, work.transitions, row)
            lists.sources[u, at] = source
            reason = BY_TRANSITION if source >= 0 else BY_FACTORS
        if reason == BY_FACTORS and a.counts[row] < NEW_BELOW:
            reason = BY_NEW
        lists.reasons[u, at] = reason
    if work.knobs.neighbour_smoothing > 0:
        neighbours.set_sources(work, lists, u)
