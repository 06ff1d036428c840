"""Examples for fine-tune."""

import numpy as np

from models.columns.events import Events
from models.columns.learnt import NOT_SCORED, Learnt
from models.columns.users import Users
from state.examples import Examples


def examples_of(
    users: Users,
    events: Events,
    learnt: Learnt,
    model: int,
    scale: tuple[float, float] | None = None,
) -> Examples:
    """Return what fine-tune learns from: positive events that count, and what was thought of them.

    Parameters
    ----------
    model : int
        Version of the deep model that was asked; 0 for none.
    scale : (float, float) or None
        Lowest and highest rating: then it is the ratings that count, with their values.
    """
    if scale is None:
        positive, value = np.flatnonzero((events.weight > 0) & events.counts), events.value[:0]
    else:
        lowest, highest = map(np.float32, scale)  # 32 bits, as the ratings have
        rated = (lowest <= events.value) & (events.value <= highest)
        positive = np.flatnonzero(rated & events.counts)
        value = events.value[positive]
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
        value=value,
    )
