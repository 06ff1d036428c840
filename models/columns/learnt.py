"""Results of learning the events of one micro-batch."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NOT_SCORED, UNKNOWN = -9, -1
"""In an array of ranks: the event was not ranked; its item had never been seen (a miss)."""


@dataclass(slots=True)
class Learnt:
    """Results of learning n events of U users, C context items, m negatives an event."""

    context: NDArray[np.int32]
    """(C,) rows of each user's last items before the micro-batch, oldest first."""
    context_start: NDArray[np.int32]
    """(U + 1,) user u's context is `context[context_start[u]:context_start[u + 1]]`."""
    factors: NDArray[np.float32]
    """(U, F) user factors before the micro-batch; of ratings learnt by SGD (r, F), before each of
    the r."""
    user: NDArray[np.int32]
    """(n,) row of each event in `factors` and `context_start`."""
    negatives: NDArray[np.int32]
    """(n, m) rows of the items each event was compared with, -1 for none."""
    gradients: NDArray[np.float32]
    """(n, 1 + m) ascent of the event's item and of each negative along the user's factors; (n, 0)
    where rows travel as differences."""
    position: NDArray[np.int32]
    """(n,) place of the event in the user's sequence: how many events of weight > 0 the user had
    before, those of a record that is gone included where the sequence is still known."""
    rank: NDArray[np.int32]
    """(n,) 0-based rank of the event's item before it was learnt, NOT_SCORED or UNKNOWN: in the
    list that would have been served."""
    online_rank: NDArray[np.int32]
    """(n,) the same without the deep model."""
    deep_rank: NDArray[np.int32]
    """(n,) the same by the deep model alone; NOT_SCORED where there is none."""
    transition_rank: NDArray[np.int32]
    """(n,) the same by transitions alone."""
    popularity_rank: NDArray[np.int32]
    """(n,) the same by plain popularity."""
    loss: NDArray[np.float64]
    """(LOSSES,) sums over the scored events, see `models.weights.blend`."""
    error: NDArray[np.float32]
    """(n,) rating minus its prediction before it was learnt; NaN where not scored."""
