r"""Neural collaborative filtering, served: two towers and one hidden layer (He et al., WWW 2017).

.. math:: a_u = W_1 f(u) + c, \quad b_i = W_2 g(i), \quad s_{ui} = w \cdot \mathrm{relu}(a_u + b_i)

with the towers f and g, each an embedding and a dense layer. What W makes of each tower is made
once: a user costs a row, an item another, and a score one relu and one product a hidden unit.

Scores are given less their mean over the model's items, so that 0 is the average, as it is for the
networks whose items are centred. Two more hidden units subtract the mean, one where it is positive
and one where it is negative; `NEVER` in all units of a row makes its scores 0.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from models.compiled import entry
from models.deep.functions import Array
from models.deep.shape import Shape
from models.numeric.vectors import joined

NEVER = np.float32(-1e30)
"""Of a user or an item that the network does not know: no unit answers."""
_MEAN_OF = 1024
"""Items that a user's mean is taken over, evenly spaced; all of a smaller catalogue."""


class Ncf:
    """The network with its weights; it never changes.

    Parameters
    ----------
    shape : Shape
    tensors : mapping of str to float32 array
        As `models.deep.training.ncf.Ncf` names them.
    users : uint64[U]
        Keys of the users it was trained on, by row of their embeddings.
    """

    keyed_by = ("keys", "user_keys")
    """Columns of keys in its file, in the order of the arguments of `shapes`."""

    def __init__(
        self, shape: Shape, tensors: Mapping[str, Array], users: NDArray[np.uint64]
    ) -> None:
        self.shape = shape
        self._order = np.argsort(users)
        self._sorted = users[self._order]
        self._embeddings = tensors["user.0.weight"]
        self._tower = tensors["user.1.weight"].T, tensors["user.1.bias"]
        mine, theirs = np.split(tensors["output.0.weight"], 2, axis=1)
        self._joint = mine.T, tensors["output.0.bias"]
        tower = np.maximum(
            tensors["item.0.weight"] @ tensors["item.1.weight"].T + tensors["item.1.bias"], 0
        )
        self._targets = _with_mean(tower @ theirs.T, np.zeros(len(tower), np.float32))
        self._output = np.concatenate([tensors["output.2.weight"][0], [-1, 1]]).astype(np.float32)
        few = np.linspace(0, len(tower) - 1, min(len(tower), _MEAN_OF)).round().astype(np.intp)
        self._judged = np.ascontiguousarray(self._targets[few])

    @property
    def catalogue(self) -> tuple[Array, Array, Array]:
        """The items' side of a score: targets (K, d + 2), no bias, weights of hidden units."""
        return self._targets, np.zeros(len(self._targets), np.float32), self._output

    @staticmethod
    def shapes(shape: Shape, items: int, users: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of every tensor, for so many items and users."""
        d, width = shape.dim, shape.width
        return {
            "user.0.weight": (users, d), "user.1.weight": (width, d), "user.1.bias": (width,),
            "item.0.weight": (items, d), "item.1.weight": (width, d), "item.1.bias": (width,),
            "output.0.weight": (d, 2 * width), "output.0.bias": (d,),
            "output.2.weight": (1, d), "output.2.bias": (1,),
        }  # fmt: skip

    def known(self, users: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Return which keys are those of users it was trained on."""
        found: NDArray[np.bool_] = self._sorted[self._places(users)] == users
        return found

    def read(self, users: NDArray[np.uint64]) -> Array:
        """Return y (n, d + 2) of users by their keys; unknown ones score 0 with every item."""
        embedded = self._embeddings[self._order[self._places(users)]]
        (weight, bias), (joint, start) = self._tower, self._joint
        half = np.maximum(embedded @ weight + bias, 0) @ joint + start
        y = _with_mean(half, np.zeros(len(half), np.float32))
        means = np.empty(len(half), np.float32)
        _means(y, self._judged, self._output, means)
        y = _with_mean(half, means)
        y[~self.known(users)] = NEVER
        return y

    def _places(self, users: NDArray[np.uint64]) -> NDArray[np.intp]:
        return np.minimum(np.searchsorted(self._sorted, users), len(self._sorted) - 1)


def _with_mean(half: Array, mean: Array) -> Array:
    """Return rows (n, d + 2) whose last units take the mean off the score."""
    return np.ascontiguousarray(np.hstack([half, mean[:, None], -mean[:, None]]), np.float32)


@entry
def _means(y: Array, targets: Array, output: Array, out: Array) -> None:
    for u in range(len(y)):
        out[u] = 0
        for row in range(len(targets)):
            out[u] += joined(y, u, targets, row, output) / np.float32(len(targets))
