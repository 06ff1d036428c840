"""Arrays and constants of the Kalman filter, see `models.rating.kalman`."""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.compiled import Integer, Real
from models.numeric.initial import initial_factors
from models.params.rating import KalmanParams

NEVER = np.iinfo(np.int64).min // 2
"""Time of the last rating of who has none."""


def first_variance(params: KalmanParams, side: Literal["user", "item"]) -> NDArray[np.float32]:
    """Return (F + 1,) the variances of a row of which nothing is known, that of the bias last."""
    found = np.full(params.factors + 1, getattr(params, f"{side}_variance"), np.float32)
    found[-1] = getattr(params, f"{side}_bias_variance")
    return found


class Knobs(NamedTuple):
    """Hyper-parameters as numbers of 32 bits, see `models.params.rating.KalmanParams`."""

    noise: Real
    user_variance: Real
    item_variance: Real
    user_bias_variance: Real
    item_bias_variance: Real
    user_drift: Real
    item_drift: Real
    user_bias_drift: Real
    item_bias_drift: Real
    session_variance: Real
    session_keep: Real
    history_rate: Real
    history_decay: Real
    lowest: Real
    highest: Real
    radius: Real
    session_gap_ms: Integer

    @classmethod
    def of(cls, params: KalmanParams) -> "Knobs":
        """Return the parameters that kernels need."""
        numbers = {name: np.float32(getattr(params, name)) for name in cls._fields[:-1]}
        return cls(**numbers, session_gap_ms=params.session_gap_ms)


class KalmanUsers(NamedTuple):
    """State of users in the filter, one row each."""

    bias: NDArray[np.float32]
    session: NDArray[np.float32]
    session_variance: NDArray[np.float32]
    time: NDArray[np.int64]
    """Of the last rating, ms."""
    factors: NDArray[np.float32]
    """(users, F)"""
    variance: NDArray[np.float32]
    """(users, F + 1) of the factors and, in the last place, of the bias."""
    past_item: NDArray[np.int32]
    """(users, H) ring of the items rated last, as rows, and what was left of the ratings; -1 for an
    item that nothing is known of any more, which counts and says nothing."""
    past_residual: NDArray[np.float32]
    past_count: NDArray[np.int64]
    """Ratings that ever entered the ring; the next one goes to this number modulo H."""

    @classmethod
    def new(cls, keys: NDArray[np.uint64], params: KalmanParams) -> "KalmanUsers":
        """Return users of whom nothing is known; keys (n,) as `models.keys.key_of` makes them."""
        n, ring = len(keys), (len(keys), params.history)
        return cls(
            bias=np.zeros(n, np.float32),
            session=np.zeros(n, np.float32),
            session_variance=np.full(n, params.session_variance, np.float32),
            time=np.full(n, NEVER),
            factors=initial_factors(keys, params.seed, params.factors, params.deviation),
            variance=np.tile(first_variance(params, "user"), (n, 1)),
            past_item=np.full(ring, -1, np.int32),
            past_residual=np.zeros(ring, np.float32),
            past_count=np.zeros(n, np.int64),
        )


class KalmanItems(NamedTuple):
    """State of items in the filter, one row each."""

    bias: NDArray[np.float32]
    factors: NDArray[np.float32]
    """(items, F)"""
    variance: NDArray[np.float32]
    """(items, F + 1) of the factors and, in the last place, of the bias."""
    taste: NDArray[np.float32]
    """(items, F) what having rated the item says of a user: Y. Without history (items, 0)."""

    @classmethod
    def new(cls, keys: NDArray[np.uint64], params: KalmanParams) -> "KalmanItems":
        """Return items of which nothing is known; keys (n,) as `models.keys.key_of` makes them."""
        n, size, seed = len(keys), params.factors, params.seed
        width = size if params.history else 0
        return cls(
            bias=np.zeros(n, np.float32),
            factors=initial_factors(keys, seed + 1, size, params.deviation),
            variance=np.tile(first_variance(params, "item"), (n, 1)),
            taste=initial_factors(keys, seed + 2, width, params.history_deviation),
        )


class Kalman(NamedTuple):
    """The whole model: what kernels need at hand."""

    users: KalmanUsers
    items: KalmanItems
    mean: NDArray[np.float64]
    """(1,) running mean of the ratings; the middle of the range before the first."""
    events: NDArray[np.int64]
    """(1,) ratings learnt."""
    skipped: NDArray[np.int64]
    """(1,) events not learnt: no rating of the range, or a step that is not finite."""
    point: NDArray[np.float32]
    """(F,) scratch: z of the pair predicted last."""
    knobs: Knobs

    @classmethod
    def new(cls, users: KalmanUsers, items: KalmanItems, params: KalmanParams) -> "Kalman":
        """Return a model over users and items, which are learnt in place."""
        return cls(
            users=users,
            items=items,
            mean=np.full(1, (params.lowest + params.highest) / 2),
            events=np.zeros(1, np.int64),
            skipped=np.zeros(1, np.int64),
            point=np.zeros(params.factors, np.float32),
            knobs=Knobs.of(params),
        )
