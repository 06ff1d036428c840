"""What other operators are told of a micro-batch: examples to train from, items that were seen."""

import numpy as np

from models.columns import NOT_SCORED, Events, Learnt, Users
from state.examples import Examples


def examples_of(users: Users, events: Events, learnt: Learnt, model: int) -> Examples:
    """Return what fine-tune learns from: positive events that count, and what was thought of them.

    Parameters
    ----------
    model : int
        Version of the deep model that was asked; 0 for none.
    """
    positive = np.flatnonzero((events.weight > 0) & events.counts)
    judged = np.flatnonzero(learnt.deep_rank != NOT_SCORED)
    return Examples(
        model=model,
        loss=learnt.loss,
        user=users.key[events.user[positive]],
        item=events.item[positive],
        time=events.time[positive],
        coordinate=events.coordinate[positive],
        rank=learnt.rank[judged],
        online_rank=learnt.online_rank[judged],
    )


def sample(events: Events, item_ids: list[str], most: int) -> list[str]:
    """Return the items of at most so many positive events that count, evenly spread."""
    positive = np.flatnonzero((events.weight > 0) & events.counts)
    step = max(1, -(-len(positive) // max(1, most)))
    return [item_ids[n] for n in positive[::step].tolist()]
