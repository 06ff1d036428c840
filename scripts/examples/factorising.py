"""R = U V' in four ways: SGD and ALS look at known cells, SVD and NMF at a whole matrix.

SGD and ALS lower the same loss, the one of Zhou, Wilkinson, Schreiber and Pan, "Large-scale
parallel collaborative filtering for the Netflix prize", AAIM 2008, here per known cell:

    (sum over known cells of (r_ui - u_u v_i)^2 + decay * (|u_u|^2 + |v_i|^2)) / known cells

A matrix of unknown cells has NaN there.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import NMF

Matrix = NDArray[np.float64]

RATE, DECAY = 0.15, 0.01
"""Per largest rating, so that ratings in cents give what ratings in dollars give: the rate is
divided by it, the decay multiplied."""
EPOCHS, SWEEPS = 400, 100
"""Of SGD and of ALS."""
_FEWEST, _VISITS = 20, 10_000_000
"""Large matrices have fewer epochs: at most so many visits of known cells, but these epochs."""


class Factorised(NamedTuple):
    """Two factor matrices, and the loss after each epoch that led to them."""

    users: Matrix
    items: Matrix
    loss: list[float]

    @property
    def product(self) -> Matrix:
        """The matrix they stand for."""
        return self.users @ self.items.T


def largest(ratings: Matrix) -> float:
    """Return the size of the largest rating."""
    return float(np.nanmax(np.abs(ratings)))


def start(ratings: Matrix, factors: int, rng: np.random.Generator) -> tuple[Matrix, Matrix]:
    """Return random factors, and zeros for who has no known cell: nothing will ever move them."""
    known = ~np.isnan(ratings)
    spread = 0.3 * np.sqrt(largest(ratings) / factors)
    users, items = (rng.normal(spread, spread / 2, (size, factors)) for size in ratings.shape)
    return users * known.any(axis=1)[:, None], items * known.any(axis=0)[:, None]


def loss(ratings: Matrix, users: Matrix, items: Matrix) -> float:
    """Return the loss that SGD and ALS lower."""
    known = ~np.isnan(ratings)
    squared = np.nansum((ratings - users @ items.T) ** 2)
    sizes = known.sum(axis=1) @ (users**2).sum(axis=1) + known.sum(axis=0) @ (items**2).sum(axis=1)
    return float((squared + DECAY * largest(ratings) * sizes) / known.sum())


def rounds(ratings: Matrix, most: int) -> int:
    """Return how many epochs there is time for."""
    return max(min(_FEWEST, most), min(most, _VISITS // np.count_nonzero(~np.isnan(ratings))))


def sgd(ratings: Matrix, factors: int, rng: np.random.Generator) -> Factorised:
    """Factorise by stochastic gradient descent: Koren, Bell and Volinsky, Computer 42(8), 2009.

    A step takes a diagonal: its cells share no row and no column, so that one after the other or
    all at once is the same (Gemulla et al., KDD 2011). An epoch takes all of them in random order.
    """
    users, items = start(ratings, factors, rng)
    rate, decay = RATE / largest(ratings), DECAY * largest(ratings)
    u, i = np.nonzero(~np.isnan(ratings))
    number = (i - u) % max(ratings.shape)
    diagonals = [(u[number == one], i[number == one]) for one in np.unique(number)]
    losses = [loss(ratings, users, items)]
    for _ in range(rounds(ratings, EPOCHS)):
        for one in rng.permutation(len(diagonals)):
            u, i = diagonals[one]
            old, other = users[u], items[i]
            error = (ratings[u, i] - np.sum(old * other, axis=1))[:, None]
            users[u] += rate * (error * other - decay * old)
            items[i] += rate * (error * old - decay * other)
        losses.append(loss(ratings, users, items))
    return Factorised(users, items, losses)


def als(ratings: Matrix, factors: int, rng: np.random.Generator) -> Factorised:
    """Factorise by alternating least squares: the best users, the best items, and again.

    With one side held, the loss is that of a ridge regression for each row of the other: the exact
    minimum is the solution of k equations, so that no half of a sweep can raise the loss.
    """
    users, items = start(ratings, factors, rng)
    decay = DECAY * largest(ratings)
    losses = [loss(ratings, users, items)]
    for _ in range(rounds(ratings, SWEEPS)):
        users = solved(ratings, items, decay)
        items = solved(ratings.T, users, decay)
        losses.append(loss(ratings, users, items))
    return Factorised(users, items, losses)


def solved(ratings: Matrix, other: Matrix, decay: float) -> Matrix:
    """Return for each row the factors with the least loss, given those of the columns."""
    found = np.zeros((len(ratings), other.shape[1]))
    for row, values in enumerate(ratings):
        known = ~np.isnan(values)
        if known.any():
            rated = other[known]
            ridge = decay * known.sum() * np.eye(other.shape[1])
            found[row] = np.linalg.solve(rated.T @ rated + ridge, rated.T @ values[known])
    return found


def svd(full: Matrix, factors: int) -> Factorised:
    """Cut the singular value decomposition: no matrix of this rank is nearer (Eckart, Young 1936).

    Each side gets the root of the singular values; signs are such that users add up to above 0.
    """
    left, values, right = np.linalg.svd(full, full_matrices=False)
    sign = np.where(left.sum(axis=0) < 0, -1, 1)[:factors]
    root = sign * np.sqrt(values[:factors])
    return Factorised(left[:, :factors] * root, right[:factors].T * root, [])


def least_rmse(full: Matrix, factors: int) -> float:
    """Return the error of the best matrix of this rank: what the other singular values hold."""
    values = np.linalg.svd(full, compute_uv=False)
    return float(np.sqrt(np.sum(values[factors:] ** 2) / full.size))


def nmf(full: Matrix, factors: int, seed: int) -> Factorised:
    """Factorise with factors that cannot be negative (Lee and Seung, Nature 1999).

    The sizes of each factor are shared evenly between the two sides, as with SVD.
    """
    method = NMF(factors, init="nndsvda", max_iter=2000, random_state=seed)
    users = np.asarray(method.fit_transform(full))
    items = np.asarray(method.components_).T
    sizes = np.linalg.norm(users, axis=0), np.linalg.norm(items, axis=0)
    share = np.sqrt(np.divide(*sizes, out=np.ones(factors), where=np.multiply(*sizes) > 0))
    return Factorised(users / share, items * share, [])
