r"""The user's side of a refitted model, learnt as ratings come, while the items' side stays.

.. math:: \hat r = c_i + b_u + p_u q_i, \quad e = r - \hat r
.. math:: b_u \mathrel{+}= \eta_b (e - \lambda_b b_u), \quad
    p_u \mathrel{+}= \eta (e q_i - \lambda p_u)

from where the last refit left the user, or from 0: those whom it does not know are folded in by the
same steps (Rendle and Schmidt-Thieme, Online-updating regularized kernel matrix factorization
models, RecSys 2008). Most ratings come from users in the session they began with, of whom a refit
knows little when it is served; items change slowly.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.compiled import Integer, Real, Truth, entry, kernel
from models.numeric.vectors import dot, shorten
from models.params.refit import RefitParams

NEVER = np.float32(-1e30)
"""Bias of an item that the model does not know."""


class Steps(NamedTuple):
    """Parameters of a step, as numbers of 32 bits."""

    rate: Real
    bias_rate: Real
    decay: Real
    bias_decay: Real
    lowest: Real
    highest: Real
    radius: Real

    @classmethod
    def of(cls, params: RefitParams) -> "Steps":
        """Return what kernels need."""
        limits = (params.lowest, params.highest, params.radius)
        own = (params.user_rate, params.bias_rate, params.decay, params.bias_decay)
        return cls(*map(np.float32, (*own, *limits)))


@entry
def learn_events(  # noqa: PLR0913  # columns
    user: NDArray[np.int32],
    item: NDArray[np.int32],
    rating: NDArray[np.float32],
    state: NDArray[np.float32],
    targets: NDArray[np.float32],
    bias: NDArray[np.float32],
    steps: Steps,
    before: NDArray[np.float32],
    place: NDArray[np.int32],
) -> None:
    """Note what is known of the user, then take one step, n events in order.

    Parameters
    ----------
    user, item : int32[n]
        Rows of state and of targets; -1 for no item.
    rating : float32[n]
        NaN for none.
    state : float32[U, F + 1]
        Factors and, in the last place, the bias of users; learns in place.
    targets : float32[R, F + 1]
        Factors of items, and 1.
    bias : float32[R]
        c of the equations; `NEVER` for an item that is not known.
    before : float32[n, F + 1]
        Its first rows are set to the states before the ratings that can be predicted.
    place : int32[n]
        Set to the row of `before` of each event, -1 where nothing can be predicted.
    """
    found = 0
    for e in range(len(user)):
        place[e] = -1
        if item[e] < 0 or not steps.lowest <= rating[e] <= steps.highest:
            continue
        if not known(bias[item[e]]):
            continue
        place[e] = found
        for f in range(state.shape[1]):
            before[found, f] = state[user[e], f]
        found += 1
        _learn(user[e], item[e], rating[e], state, targets, bias, steps)


@kernel
def known(prediction: Real) -> Truth:
    """Return whether a prediction, or the bias of an item, is one of a known item."""
    return prediction > np.float32(0.5) * NEVER


@kernel
def _learn(
    u: Integer,
    row: Integer,
    rating: Real,
    state: NDArray[np.float32],
    targets: NDArray[np.float32],
    bias: NDArray[np.float32],
    steps: Steps,
) -> None:
    error = rating - (dot(state, u, targets, row) + bias[row])
    last = state.shape[1] - 1
    step, keep = steps.rate * error, np.float32(1) - steps.rate * steps.decay
    for f in range(last):
        state[u, f] = keep * state[u, f] + step * targets[row, f]
    state[u, last] += steps.bias_rate * (error - steps.bias_decay * state[u, last])
    shorten(state, u, steps.radius)
