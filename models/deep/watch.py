r"""An anytime-valid watch over a served model: rolled back where it makes the lists worse.

Events are ranked by both. Where one hits the first ten and the other does not, the pair is a win
or a loss; ties say nothing. If the blend is not worse, a loss is at most as likely as a win, and
the wealth of a gambler who bets a share of it on each loss,

.. math:: W \leftarrow W\,(1 + \lambda) \text{ at a loss}, \quad W\,(1 - \lambda) \text{ at a win},

restarted at 1 whenever it falls below: a CUSUM e-detector. While the blend is not worse it takes
at least `LIMIT` decided events on average until a false alarm (Shin, Ramdas and Rinaldo,
E-detectors, 2023). It may be looked at after every event, which a test of fixed size may not.
"""

import numpy as np
from numpy.typing import NDArray

BET = 0.1
LIMIT = 200.0
"""With `BET` it takes some fifty losses more than wins to get there."""


def wealth_after(
    wealth: float, rank: NDArray[np.int32], online_rank: NDArray[np.int32], k: int = 10
) -> float:
    """Return the wealth after more events, never below 1: the watch starts anew where it is won.

    >>> wealth_after(1.0, np.array([0, 20]), np.array([20, 0]))
    1.1
    """
    hit = (rank >= 0) & (rank < k)
    online_hit = (online_rank >= 0) & (online_rank < k)
    for worse in (online_hit & ~hit)[hit != online_hit].tolist():
        wealth = max(1.0, wealth * (1 + BET if worse else 1 - BET))
        if wealth >= LIMIT:
            return wealth
    return wealth
