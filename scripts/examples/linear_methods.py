"""Linear ways to foretell a rating: each takes training ratings, returns all users x items."""

from collections.abc import Iterator

import numpy as np
from sklearn.linear_model import Ridge

from scripts.examples.linear_world import Numbers, Ratings

_RIDGE, _RIDGE_OF_USER, _RIDGE_OF_BIAS = 1.0, 8.0, 5.0
"""How strongly weights are pulled to 0, in ratings."""
ROUNDS = 6
"""Of neighbours' sums, at all sizes."""
_FACTORS, _EPOCHS, _BATCH = 4, 60, 128
_RATE, _DECAY = 0.06, 0.08


def mean(train: Ratings, attributes: Numbers, users: int) -> Numbers:
    """Return the mean of all ratings, for everybody and everything: r = mu."""
    return np.full((users, len(attributes)), train.stars.mean())


def ridge(train: Ratings, attributes: Numbers, users: int) -> Numbers:
    """Regress on the item's attributes, with weights that are the same for all: r = mu + w a."""
    fitted = Ridge(alpha=_RIDGE).fit(attributes[train.item], train.stars)
    return np.tile(np.asarray(fitted.predict(attributes)), (users, 1))


def biases(train: Ratings, users: int, items: int) -> tuple[Numbers, Numbers]:
    """Return b_u and b_i of r = mu + b_u + b_i: ridge regression, one side after the other.

    Koren, Bell and Volinsky, "Matrix factorization techniques for recommender systems", Computer
    42(8), 2009, equation 3.
    """
    error = train.stars - train.stars.mean()
    of_user, of_item = np.zeros(users), np.zeros(items)
    many_of_user = np.bincount(train.user, minlength=users) + _RIDGE_OF_BIAS
    many_of_item = np.bincount(train.item, minlength=items) + _RIDGE_OF_BIAS
    for _ in range(10):
        of_user = np.bincount(train.user, error - of_item[train.item], users) / many_of_user
        of_item = np.bincount(train.item, error - of_user[train.user], items) / many_of_item
    return of_user, of_item


def with_biases(train: Ratings, users: int, items: int) -> Numbers:
    """Return mu + b_u + b_i."""
    of_user, of_item = biases(train, users, items)
    return np.asarray(train.stars.mean() + of_user[:, None] + of_item)


def residuals(train: Ratings, base: Numbers) -> Numbers:
    """Return what is left of the ratings, as a matrix of users x items with 0 for not rated."""
    left = np.zeros(base.shape)
    left[train.user, train.item] = train.stars - base[train.user, train.item]
    return left


def ridge_of_users(train: Ratings, attributes: Numbers, base: Numbers) -> Numbers:
    """Add to `base` weights of attributes for each user: r = mu + b_u + b_i + w_u a.

    The ridge regressions of all users at once, by their normal equations.
    """
    centred: Numbers = attributes - attributes.mean(axis=0)
    width = centred.shape[1]
    rated = np.zeros(base.shape)
    rated[train.user, train.item] = 1
    outer = (centred[:, :, None] * centred[:, None, :]).reshape(len(centred), -1)
    squares = (rated @ outer).reshape(-1, width, width) + _RIDGE_OF_USER * np.eye(width)
    products = (residuals(train, base) @ centred)[:, :, None]
    weights = np.linalg.solve(squares, products)[:, :, 0]
    return base + weights @ centred.T


def sums(left: Numbers, items: Numbers) -> Iterator[tuple[Numbers, Numbers, Numbers]]:
    """Yield users, items and weights of each round of neighbours' sums, without end.

    A user is the weighted sum of the rated items, q_u = sum w_ui p_i, and then an item that of its
    users, p_i = sum v_ui q_u. The weights are the residuals `left`; those of a user (w) add up to 1
    without their signs, and so do those of an item (v).

    A round multiplies the items by V'W: this is the power iteration for the singular vectors of the
    rating matrix (Golub and Van Loan, Matrix Computations, 7.3), without the orthogonalisation that
    would keep the columns from all turning to the strongest one.
    """
    of_user = left / np.maximum(np.abs(left).sum(axis=1, keepdims=True), 1e-9)
    of_item = left / np.maximum(np.abs(left).sum(axis=0), 1e-9)
    while True:
        users = of_user @ items
        yield users, items, of_user
        items = of_item.T @ users
        items = items / max(np.sqrt(np.mean(items**2)), 1e-9)  # only directions matter


def neighbours(train: Ratings, attributes: Numbers, base: Numbers) -> Iterator[Numbers]:
    """Yield `base` + scale * q_u p_i after each round, beginning with the attributes as items.

    The scale is the least-squares one on the training ratings, without an item's part in its own
    prediction: a user's sum has the item in it, and would promise more than it keeps.
    """
    left = residuals(train, base)
    pair = train.user, train.item
    for users, items, weights in sums(left, attributes - attributes.mean(axis=0)):
        without = np.sum(users[pair[0]] * items[pair[1]], axis=1)
        without -= weights[pair] * np.sum(items[pair[1]] ** 2, axis=1)
        scale = without @ left[pair] / max(without @ without, 1e-9)
        yield base + scale * users @ items.T


def factorise(train: Ratings, users: int, items: int, rng: np.random.Generator) -> Numbers:
    """Return r = mu + b_u + b_i + p_u q_i, learnt by SGD in small batches (Koren et al., eq. 5)."""
    mu = float(train.stars.mean())
    p, q = (rng.normal(0, 0.1, (size, _FACTORS)) for size in (users, items))
    of_user, of_item = np.zeros(users), np.zeros(items)
    for epoch in range(_EPOCHS):
        rate = _RATE / (1 + epoch / 10)
        batches = max(len(train.stars) // _BATCH, 1)
        for batch in np.array_split(rng.permutation(len(train.stars)), batches):
            u, i = train.user[batch], train.item[batch]
            old, other = p[u], q[i]
            error = train.stars[batch] - mu - of_user[u] - of_item[i] - np.sum(old * other, axis=1)
            np.add.at(of_user, u, rate * (error - _DECAY * of_user[u]))
            np.add.at(of_item, i, rate * (error - _DECAY * of_item[i]))
            np.add.at(p, u, rate * (error[:, None] * other - _DECAY * old))
            np.add.at(q, i, rate * (error[:, None] * old - _DECAY * other))
    return mu + of_user[:, None] + of_item + p @ q.T
