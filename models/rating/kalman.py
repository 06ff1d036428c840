r"""Biased matrix factorisation of ratings with a variance for every number: a diagonal filter.

Of user u, item i, a rating r at time τ:

.. math:: \hat r = \beta + z q_i, \quad \beta = \mu + b_u + b_i + s_u, \quad
    z = p_u + \frac{1}{\sqrt{m + 1}} \sum_{j} \omega_j Y_j
.. math:: S = \sigma^2 + v_u + v_i + w_u + \sum_f (A_f q_f^2 + B_f z_f^2), \quad
    e = r - \hat r, \quad g = e / S

b are biases and v their variances; p, q factors with variances A, B; s is the mood of the user's
session, w its variance; the sum runs over the last m items the user rated, with what was left of
their ratings, ω = r - β. A rating moves, all from old values,

.. math:: b \mathrel{+}= v g, \quad v \mathrel{+}= \tau_b - v^2 / S, \quad
    s \mathrel{+}= w g, \quad w \mathrel{-}= w^2 / S
.. math:: p \mathrel{+}= A q g, \quad A \mathrel{+}= \tau_p - (A q)^2 / S, \quad
    q \mathrel{+}= B z g, \quad B \mathrel{+}= \tau_q - (B z)^2 / S
.. math:: Y_j \mathrel{+}= \frac{\eta}{\sqrt{m + 1}} \omega_j e q - \frac{\eta \lambda}{m} Y_j

and μ is the running mean. Where a session begins, :math:`s \leftarrow \rho s` and
:math:`w \leftarrow \rho^2 w + (1 - \rho^2) \sigma_s^2`. There is no rate: what is known well moves
little (assumed-density filtering: Opper, On-line Learning in Neural Networks, 1998; for factors:
Stern, Herbrich and Graepel, WWW 2009; z: asymmetric SVD, Koren, KDD 2008).

S is larger than each term it sums, so no variance can become negative.
"""

import numpy as np
from numpy.typing import NDArray

from models.compiled import Integer, Real, Truth, entry, kernel
from models.numeric.finite import finite
from models.numeric.vectors import shorten
from models.params.rating import GROWTH
from models.rating.kalman_arrays import Kalman, KalmanUsers, Knobs

_GROWTH = np.float32(GROWTH)


@entry
def learn_events(
    user: NDArray[np.int32],
    item: NDArray[np.int32],
    rating: NDArray[np.float32],
    time: NDArray[np.int64],
    model: Kalman,
    predicted: NDArray[np.float32],
) -> None:
    """Predict, then learn, n events in order.

    Parameters
    ----------
    user, item : int32[n]
        Rows.
    rating : float32[n]
    time : int64[n]
        Event time, ms.
    model : Kalman
        Learns in place.
    predicted : float32[n]
        Set to the predictions before each event was learnt, not clipped.
    """
    for e in range(len(user)):
        predicted[e] = learn(model, user[e], item[e], rating[e], time[e])


@kernel
def predict(model: Kalman, u: Integer, row: Integer, time: Integer) -> Real:
    """Return the rating expected of a user at a time, ms; not clipped to the range."""
    return _expect(model, u, row, _session_at(model, u, time))[1]


@kernel
def learn(model: Kalman, u: Integer, row: Integer, rating: Real, time: Integer) -> Real:
    """Learn one rating, and return what was predicted before; see the equations above."""
    return learn_sides(model, u, row, rating, time, True)


@kernel
def learn_sides(
    model: Kalman, u: Integer, row: Integer, rating: Real, time: Integer, fresh: Truth
) -> Real:
    """Learn one rating, of items only where it is fresh: they may contain it already.

    What is no number of the range is not learnt, and nothing that would leave a number of the
    model not finite; both are counted in `skipped`.
    """
    mood = _session_at(model, u, time)
    base, expected, variance = _expect(model, u, row, mood)
    error = np.float32(rating) - expected
    gain = error / variance
    within = model.knobs.lowest <= rating <= model.knobs.highest
    if not (within and finite(gain)):
        model.skipped[0] += 1
        return expected
    model.events[0] += 1
    model.mean[0] += (rating - model.mean[0]) / model.events[0]
    _move_session(model, u, mood, gain, variance, time)
    _move_user(model, u, row, gain, variance)
    if fresh:
        _move_tastes(model, u, row, error)
        _move_item(model, row, gain, variance)
    _remember(model.users, u, row, np.float32(rating) - base)
    return expected


@entry
def locate_users(
    model: Kalman,
    time: NDArray[np.int64],
    points: NDArray[np.float32],
    levels: NDArray[np.float32],
) -> None:
    """Set what all ratings of each user have in common at a time, ms: z (U, F), and b + s (U,)."""
    for u in range(len(time)):
        _locate(model, u)
        for f in range(len(model.point)):
            points[u, f] = model.point[f]
        levels[u] = model.users.bias[u] + _session_at(model, u, time[u])[0]


@kernel
def _session_at(model: Kalman, u: Integer, time: Integer) -> tuple[Real, Real]:
    """Return the user's mood and its variance at a time, after the start of a session if due."""
    users, knobs = model.users, model.knobs
    session, variance = users.session[u], users.session_variance[u]
    if time - users.time[u] > knobs.session_gap_ms:
        keep = knobs.session_keep
        fresh = (np.float32(1) - keep * keep) * knobs.session_variance
        return keep * session, keep * keep * variance + fresh
    return session, variance


@kernel
def _expect(
    model: Kalman, u: Integer, row: Integer, mood: tuple[Real, Real]
) -> tuple[Real, Real, Real]:
    """Return β, the expected rating and its variance S; z is left in `point`."""
    users, items, point = model.users, model.items, model.point
    _locate(model, u)
    product, last = np.float32(0), len(point)
    variance = model.knobs.noise + users.variance[u, last] + items.variance[row, last] + mood[1]
    for f in range(len(point)):
        z, q = point[f], items.factors[row, f]
        product += z * q
        variance += users.variance[u, f] * q * q + items.variance[row, f] * z * z
    base = np.float32(model.mean[0]) + users.bias[u] + items.bias[row] + mood[0]
    return base, base + product, variance


@kernel
def _locate(model: Kalman, u: Integer) -> None:
    """Set `point` to z: the user's factors and what the items rated last say of them."""
    users, taste, point = model.users, model.items.taste, model.point
    for f in range(len(point)):
        point[f] = np.float32(0)
    held = held_by(users, u)
    for n in range(held):
        at = _place(users, u, n, held)
        residual, item = users.past_residual[u, at], users.past_item[u, at]
        if item >= 0:
            for f in range(len(point)):
                point[f] += residual * taste[item, f]
    scale = _scale(held)
    for f in range(len(point)):
        point[f] = users.factors[u, f] + scale * point[f]


@kernel
def held_by(users: KalmanUsers, u: Integer) -> Integer:
    """Return m, the number of ratings in a user's ring."""
    return min(users.past_count[u], users.past_item.shape[1])


@kernel
def _place(users: KalmanUsers, u: Integer, n: Integer, held: Integer) -> Integer:
    """Return the place in the ring of the n-th oldest of the ratings held.

    Sums run from the oldest on: where a ring begins must not change their rounding.
    """
    at = n + (users.past_count[u] % held if held == users.past_item.shape[1] else 0)
    return at - held if at >= held else at


@kernel
def _scale(held: Integer) -> Real:
    return np.float32(1) / np.sqrt(np.float32(held + 1))


@kernel
def _move_session(
    model: Kalman, u: Integer, mood: tuple[Real, Real], gain: Real, variance: Real, time: Integer
) -> None:
    users, w = model.users, mood[1]
    users.session[u] = _bounded(mood[0] + w * gain, model.knobs)
    users.session_variance[u] = w - w * w / variance
    users.time[u] = max(users.time[u], time)


@kernel
def _move_tastes(model: Kalman, u: Integer, row: Integer, error: Real) -> None:
    """Move what the items rated last say of a user, along the factors of the item rated now."""
    users, factors, taste, knobs = model.users, model.items.factors, model.items.taste, model.knobs
    held = held_by(users, u)
    if held == 0:
        return
    step = knobs.history_rate * _scale(held) * error
    keep = np.float32(1) - knobs.history_rate * knobs.history_decay / np.float32(held)
    # a box inside the ball: to measure so many rows would take as long as to move them
    most = knobs.radius / np.sqrt(np.float32(taste.shape[1]))
    for n in range(held):
        at = _place(users, u, n, held)
        weight, item = step * users.past_residual[u, at], users.past_item[u, at]
        if item < 0:
            continue
        for f in range(taste.shape[1]):
            moved = keep * taste[item, f] + weight * factors[row, f]
            taste[item, f] = min(most, max(-most, moved))


@kernel
def _move_user(model: Kalman, u: Integer, row: Integer, gain: Real, variance: Real) -> None:
    """Move bias and factors of a user, along the old ones of the item."""
    users, items, knobs, last = model.users, model.items, model.knobs, len(model.point)
    v, most = users.variance[u, last], _GROWTH * knobs.user_bias_variance
    users.bias[u] = _bounded(users.bias[u] + v * gain, knobs)
    users.variance[u, last] = min(v + knobs.user_bias_drift - v * v / variance, most)
    most = _GROWTH * knobs.user_variance
    for f in range(last):
        v = users.variance[u, f]
        pull = v * items.factors[row, f]
        users.factors[u, f] += pull * gain
        users.variance[u, f] = min(v + knobs.user_drift - pull * pull / variance, most)
    shorten(users.factors, u, knobs.radius)


@kernel
def _move_item(model: Kalman, row: Integer, gain: Real, variance: Real) -> None:
    """Move bias and factors of an item, along what `point` holds of the user."""
    items, point, knobs, last = model.items, model.point, model.knobs, len(model.point)
    v, most = items.variance[row, last], _GROWTH * knobs.item_bias_variance
    items.bias[row] = _bounded(items.bias[row] + v * gain, knobs)
    items.variance[row, last] = min(v + knobs.item_bias_drift - v * v / variance, most)
    most = _GROWTH * knobs.item_variance
    for f in range(last):
        v = items.variance[row, f]
        pull = v * point[f]
        items.factors[row, f] += pull * gain
        items.variance[row, f] = min(v + knobs.item_drift - pull * pull / variance, most)
    shorten(items.factors, row, knobs.radius)


@kernel
def _remember(users: KalmanUsers, u: Integer, row: Integer, residual: Real) -> None:
    """Let a rating enter the user's ring in place of the oldest one."""
    size = users.past_item.shape[1]
    if size == 0:
        return
    at = users.past_count[u] % size
    users.past_item[u, at] = row
    users.past_residual[u, at] = residual
    users.past_count[u] += 1


@kernel
def _bounded(bias: Real, knobs: Knobs) -> Real:
    return min(knobs.radius, max(-knobs.radius, bias))
