r"""Biased matrix factorisation that is fitted to the whole past now and then.

Between two refits a rating takes one step of stochastic gradient descent when it comes,

.. math:: \hat r = \mu + b_u + b_i + p_u q_i, \quad e = r - \hat r
.. math:: b \mathrel{+}= \eta_b (e - \lambda_b b), \quad
    p \mathrel{+}= \eta (e q - \lambda p), \quad q \mathrel{+}= \eta (e p - \lambda q)

all from old values (Koren, Bell and Volinsky, IEEE Computer 42(8), 2009). A refit sets μ to the
mean of all ratings so far and goes over all of them, in one random order, several times: the same
steps, smaller and with more decay, from where the model is. Before the first refit μ is the
running mean.

The past is kept, twelve bytes a rating: a model for evaluation and for jobs beside the stream.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.compiled import Integer, Real, Truth, entry, kernel
from models.numeric.finite import finite
from models.numeric.initial import initial_factors
from models.numeric.vectors import dot, norm, shorten
from models.params.refit import RefitParams


class Steps(NamedTuple):
    """Rates and decays of one kind of step, as numbers of 32 bits."""

    rate: Real
    bias_rate: Real
    decay: Real
    bias_decay: Real
    lowest: Real
    highest: Real
    radius: Real


class Factorisation(NamedTuple):
    """Biases and factors of users and items, one row each."""

    user_bias: NDArray[np.float32]
    item_bias: NDArray[np.float32]
    user_factors: NDArray[np.float32]
    """(users, F)"""
    item_factors: NDArray[np.float32]
    """(items, F)"""
    mean: NDArray[np.float64]
    """(1,) μ of the equations."""
    events: NDArray[np.int64]
    """(1,) ratings that the running mean is of."""
    skipped: NDArray[np.int64]
    """(1,) steps not taken: no rating of the range, or one that is not finite."""

    @classmethod
    def new(
        cls, users: NDArray[np.uint64], items: NDArray[np.uint64], params: RefitParams
    ) -> "Factorisation":
        """Return what nothing is learnt of yet; keys as `models.keys.key_of` makes them."""
        size, seed, deviation = params.factors, params.seed, params.deviation
        return cls(
            user_bias=np.zeros(len(users), np.float32),
            item_bias=np.zeros(len(items), np.float32),
            user_factors=initial_factors(users, seed, size, deviation),
            item_factors=initial_factors(items, seed + 1, size, deviation),
            mean=np.full(1, (params.lowest + params.highest) / 2),
            events=np.zeros(1, np.int64),
            skipped=np.zeros(1, np.int64),
        )


class Refit:
    """A factorisation with the ratings it has seen.

    Parameters
    ----------
    users, items : uint64[n]
        Keys as `models.keys.key_of` makes them, in the order of the rows.
    params : RefitParams
    """

    def __init__(
        self, users: NDArray[np.uint64], items: NDArray[np.uint64], params: RefitParams
    ) -> None:
        self.model = Factorisation.new(users, items, params)
        self._params = params
        self._random = np.random.default_rng(params.seed)
        self._past: list[tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]] = []
        self._refitted = False

    def learn(
        self, user: NDArray[np.int32], item: NDArray[np.int32], rating: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Predict, then learn, n events in order, and keep them.

        Parameters
        ----------
        user, item : int32[n]
            Rows.
        rating : float32[n]

        Returns
        -------
        float32[n]
            What was predicted before each event, not clipped.
        """
        params = self._params
        steps = _steps(params, params.rate, params.bias_rate, params.decay, params.bias_decay)
        predicted = np.empty(len(user), np.float32)
        learn_events(user, item, rating, self.model, steps, not self._refitted, predicted)
        self._past.append((user, item, rating))
        return predicted

    def refit(self) -> None:
        """Fit the model to all events learnt so far; without any it stays as it is."""
        if not self._past:
            return
        user, item, rating = (np.concatenate(column) for column in zip(*self._past, strict=True))
        self._past = [(user, item, rating)]
        for _ in fit(self.model, user, item, rating, self._params, self._random):
            self._refitted = True


def fit(
    model: Factorisation,
    user: NDArray[np.int32],
    item: NDArray[np.int32],
    rating: NDArray[np.float32],
    params: RefitParams,
    random: np.random.Generator,
) -> Iterator[float]:
    """Fit a model to n ratings, from where it is; those that are none are left out.

    Yields
    ------
    float
        The mean squared error of each pass over the ratings, as it met them.
    """
    rate, decay, bias_decay = params.refit_rate, params.refit_decay, params.refit_bias_decay
    steps = _steps(params, rate, rate, decay, bias_decay)
    known = (params.lowest <= rating) & (rating <= params.highest)
    order = random.permutation(np.flatnonzero(known))
    if len(order) == 0:
        return
    model.mean[0] = rating[order].mean(dtype=np.float64)
    shuffled, predicted = (
        (user[order], item[order], rating[order]),
        np.empty(len(order), np.float32),
    )
    for _ in range(params.epochs):
        learn_events(*shuffled, model, steps, False, predicted)
        yield float(np.square(shuffled[2] - predicted).mean(dtype=np.float64))


@entry
def learn_events(
    user: NDArray[np.int32],
    item: NDArray[np.int32],
    rating: NDArray[np.float32],
    model: Factorisation,
    steps: Steps,
    running: Truth,
    predicted: NDArray[np.float32],
) -> None:
    """Predict, then take one step, n events in order; see `Refit.learn`.

    Where `running`, μ is the running mean. All of a step stands in this loop: called once an
    event, a function of the whole model would take as long again.
    """
    users, items = model.user_factors, model.item_factors
    keep, most = np.float32(1) - steps.rate * steps.decay, steps.radius * steps.radius
    for e in range(len(user)):
        u, row = user[e], item[e]
        predicted[e] = predict(model, u, row)
        error = rating[e] - predicted[e]
        if not (steps.lowest <= rating[e] <= steps.highest and finite(error)):
            model.skipped[0] += 1
            continue
        model.user_bias[u] = _moved(model.user_bias[u], error, steps)
        model.item_bias[row] = _moved(model.item_bias[row], error, steps)
        step = steps.rate * error
        for f in range(users.shape[1]):
            p, q = users[u, f], items[row, f]
            users[u, f] = keep * p + step * q
            items[row, f] = keep * q + step * p
        if max(norm(users, u), norm(items, row)) > most:
            shorten(users, u, steps.radius)
            shorten(items, row, steps.radius)
        if running:
            model.events[0] += 1
            model.mean[0] += (rating[e] - model.mean[0]) / model.events[0]


@kernel
def predict(model: Factorisation, u: Integer, row: Integer) -> Real:
    """Return a predicted rating, not clipped to the range."""
    known = np.float32(model.mean[0]) + model.user_bias[u] + model.item_bias[row]
    return known + dot(model.user_factors, u, model.item_factors, row)


@kernel
def _moved(bias: Real, error: Real, steps: Steps) -> Real:
    moved = bias + steps.bias_rate * (error - steps.bias_decay * bias)
    return min(steps.radius, max(-steps.radius, moved))


def _steps(
    params: RefitParams, rate: float, bias_rate: float, decay: float, bias_decay: float
) -> Steps:
    limits = (params.lowest, params.highest, params.radius)
    return Steps(*map(np.float32, (rate, bias_rate, decay, bias_decay, *limits)))
