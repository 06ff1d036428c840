r"""Online matrix factorisation by Bayesian personalised ranking, plain SGD.

For an event (u, i) and each sampled item j that is not the user's, from old values:

.. math:: g = \sigma(-(\beta_i - \beta_j + p_u \cdot (q_i - q_j))), \quad
    p_u \mathrel{+}= \eta (g (q_i - q_j) - \lambda p_u), \quad
    q_i \mathrel{+}= \eta (g p_u - \lambda q_i), \quad q_j \mathrel{-}= \eta (g p_u + \lambda q_j)

and the biases likewise (Rendle et al., BPR, UAI 2009).
"""

import numpy as np
from numpy.typing import NDArray

from scripts.tools.evaluate.baselines.arrays import BprArrays
from scripts.tools.evaluate.baselines.kernels import FACTORS, learn_bpr, score_bpr
from scripts.tools.evaluate.baselines.stream import Stream

_DEVIATION = 0.1


class Bpr:
    """Ranks by bias and scalar product.

    Parameters
    ----------
    stream
        What will be taken.
    seed
        Of the first factors and of the sampled items.
    """

    def __init__(self, stream: Stream, *, seed: int = 1) -> None:
        random = np.random.default_rng(seed)
        users, items = stream.users, stream.items
        self.arrays = BprArrays(
            users=random.normal(0, _DEVIATION, (users, FACTORS)).astype(np.float32),
            items=random.normal(0, _DEVIATION, (items, FACTORS)).astype(np.float32),
            bias=np.zeros(items, np.float32),
            counts=np.zeros(items, np.int64),
            known=np.zeros(items, np.int32),
            size=np.zeros(1, np.int64),
            scores=np.zeros(items, np.float64),
            seen=np.full(items, -1, np.int64),
            seed=seed,
        )

    def learn(
        self, stream: Stream, begin: int, end: int, every: int, ranks: NDArray[np.int32]
    ) -> None:
        """See the package."""
        learn_bpr(stream, begin, end, every, ranks, self.arrays)

    def score(self, stream: Stream, e: int) -> NDArray[np.float64]:
        """See the package."""
        score_bpr(stream, e, self.arrays)
        return self.arrays.scores
