"""The discount of items that a user was shown and ignored.

Lee, Lakshmanan, Tiwari and Shah, "Modeling impression discounting in large-scale recommender
systems" (KDD 2014): what was passed over is less likely to be taken the next time. Here each time
takes w from the score, which is a logarithm of odds, and is forgotten with a half-life.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from models.columns.lists import Recommended


def discount(
    longer: Recommended,
    keys: Sequence[Sequence[int]],
    ignored: Sequence[Mapping[int, float]],
    weight: float,
) -> None:
    """Take from the scores of ignored items, and bring the lists into their order again.

    Parameters
    ----------
    longer : Recommended
        U lists, changed in place.
    keys
        (U, K) keys of the listed items.
    ignored
        (U,) how often each user has lately ignored an item, by its key.
    weight : float
        w above.
    """
    for u, counts in enumerate(ignored):
        if not counts:
            continue
        held = int(np.count_nonzero(longer.rows[u] >= 0))
        taken = [counts.get(key, 0.0) for key in keys[u][:held]]
        if not any(taken):
            continue
        scores = longer.scores[u, :held] - np.float32(weight) * np.array(taken, np.float32)
        order = np.argsort(-scores, kind="stable")
        longer.scores[u, :held] = scores[order]
        for column in (longer.rows, longer.reasons, longer.sources):
            column[u, :held] = column[u, :held][order]
