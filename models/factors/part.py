r"""The factors' score of an item for a user: :math:`x_j = z_u q_j + b_j`.

.. math:: z_u = p_u + \nu \sum_h \gamma^{h-1} e_{x_h}, \quad
    \nu = \left(\sum_h \gamma^{h-1}\right)^{-1/2}

over the user's last items x_1 (newest), x_2, …: a factorised sequence model (FPMC and FISM: Rendle
et al., WWW 2010; Kabbur et al., KDD 2013). Where items have no context factors e, z is p alone.

>>> from models.example import Example
>>> from models.params.ranking import RankingParams
>>> example = Example(RankingParams(context=3, rate=0.1, popularity=False))
>>> example.learn([(user, "pot", "view", n) for n, user in enumerate("abcdef")])
>>> example.learn([("ann", "tea", "view", 7), ("ann", "cup", "view", 8), ("ben", "tea", "view", 9)])
>>> example.recommend("ben")  # no pot came after a tea
[('cup', 9.32, 'transition'), ('pot', -0.76, 'factors')]
"""

import numpy as np
from numpy.typing import NDArray

from models.arrays.items import SIZE
from models.arrays.work import Work
from models.compiled import Integer, Real, entry, kernel
from models.components import FACTORS
from models.numeric.vectors import dot


@kernel
def look(work: Work, u: Integer) -> Real:
    """Set `Scratch.z` to what the user is to factors now; return nu, 0 without context."""
    z, users, a = work.scratch.z, work.users, work.items
    for f in range(z.shape[1]):
        z[0, f] = users.factors[u, f]
    newest = work.window.length[u] - 1
    size: Integer = min(work.window.length[u], work.knobs.context)
    if size == 0 or a.context.shape[1] == 0:
        return np.float32(0)
    total, step = np.float32(0), np.float32(1)
    for _ in range(size):
        total += step
        step *= np.float32(work.knobs.context_decay)
    nu = np.float32(1) / np.sqrt(total)
    step = nu
    for h in range(size):
        row = work.window.rows[u, newest - h]
        for f in range(z.shape[1]):
            z[0, f] += step * a.context[row, f]
        step *= np.float32(work.knobs.context_decay)
    return nu


@entry
def look_all(work: Work, z: NDArray[np.float32]) -> None:
    """Fill (U, F) what each user is to factors now."""
    for u in range(len(z)):
        look(work, u)
        for f in range(z.shape[1]):
            z[u, f] = work.scratch.z[0, f]


@kernel
def part_of(work: Work, row: Integer) -> Real:
    """Return the score of one item; `look` first."""
    return dot(work.scratch.z, 0, work.items.factors, row) + work.items.bias[row]


@kernel
def fill(work: Work, u: Integer) -> None:
    """Set the scores of all items."""
    look(work, u)
    part = work.scratch.parts[FACTORS]
    for row in range(work.items.counters[SIZE]):
        part[row] = part_of(work, row)


@kernel
def fill_from(work: Work, products: NDArray[np.float32], n: Integer) -> None:
    """Set the scores of all items from the scalar products (B, items) of users and items."""
    part = work.scratch.parts[FACTORS]
    for row in range(work.items.counters[SIZE]):
        part[row] = products[n, row] + work.items.bias[row]
