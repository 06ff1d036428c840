r"""Item-kNN with recency: how often items occurred near each other, in either order.

.. math:: s_j = n_j^{-\alpha} \sum_{h=1}^{H} \delta^{h-1} n_{x_h}^{-\alpha} C[x_h][j]

over the user's last items x_1 (newest), x_2, …; an event of item b adds :math:`\delta^{h-1}` to
C[x_h][b] and C[b][x_h] (incremental neighbourhoods: Miranda and Jorge, 2009; nearest first).
"""

import numpy as np
from numpy.typing import NDArray

from models.params.transitions import TransitionParams
from models.transitions.table import Transitions
from scripts.tools.evaluate.baselines.kernels import WINDOW, learn_item_knn, score_item_knn
from scripts.tools.evaluate.baselines.stream import Stream

_KEPT = 500
"""Neighbours kept of an item when its row overflows, at twice this."""


class ItemKnn:
    """Ranks by the neighbours of the user's last items.

    Parameters
    ----------
    stream
        What will be taken.
    seed
        Not used: nothing is random.
    """

    def __init__(self, stream: Stream, *, seed: int = 1) -> None:
        del seed
        # an event adds to a row of each item of the window, and as often to its own
        params = TransitionParams(window=WINDOW, backward=1.0, successors=_KEPT)
        self._near = Transitions(params, stream.items)
        self._counts = np.zeros(stream.items, np.int64)
        self._discount = np.zeros(stream.items, np.float64)
        self._scores = np.zeros(stream.items, np.float64)
        self._seen = np.full(stream.items, -1, np.int64)

    def learn(
        self, stream: Stream, begin: int, end: int, every: int, ranks: NDArray[np.int32]
    ) -> None:
        """See the package."""
        while begin < end:
            self._near.make_room(self._near.reserve)
            begin = learn_item_knn(
                stream, begin, end, every, ranks, self._near.arrays, self._near.reserve,
                self._counts, self._discount, self._scores, self._seen,
            )  # fmt: skip

    def score(self, stream: Stream, e: int) -> NDArray[np.float64]:
        """See the package."""
        score_item_knn(
            stream, e, self._near.arrays, self._counts, self._discount, self._scores, self._seen
        )
        return self._scores
