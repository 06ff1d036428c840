"""A refitted factorisation, served: the items' side stays, users learn (`models.rating.fold`)."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from models.deep.functions import Array
from models.deep.shape import Shape


class Mf:
    """What a refit knows of items, and where it left its users; it never changes.

    Parameters
    ----------
    shape : Shape
    tensors : mapping of str to float32 array
        As `models.deep.training.ratings` names them.
    users : uint64[U]
        Keys of its users, by row.
    """

    keyed_by = ("keys", "user_keys")
    """Columns of keys in its file, in the order of the arguments of `shapes`."""

    def __init__(
        self, shape: Shape, tensors: Mapping[str, Array], users: NDArray[np.uint64]
    ) -> None:
        self.shape = shape
        self._order = np.argsort(users)
        self._sorted = users[self._order]
        self._rows = np.column_stack([tensors["user.factors"], tensors["user.bias"]])
        items = tensors["item.factors"]
        self._targets = np.column_stack([items, np.ones(len(items), np.float32)])
        self._bias = tensors["item.bias"] + tensors["mean"]

    @property
    def catalogue(self) -> tuple[Array, Array, Array]:
        """The items' side of a rating: targets (K, d + 1), biases, no hidden units."""
        return self._targets, self._bias, np.empty(0, np.float32)

    @staticmethod
    def shapes(shape: Shape, items: int, users: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of every tensor, for so many items and users."""
        return {
            "user.factors": (users, shape.dim), "user.bias": (users,),
            "item.factors": (items, shape.dim), "item.bias": (items,), "mean": (1,),
        }  # fmt: skip

    def start(self, users: NDArray[np.uint64]) -> tuple[NDArray[np.bool_], Array]:
        """Return which keys are those of users it knows, and the states (n, d + 1) they have."""
        places = np.minimum(np.searchsorted(self._sorted, users), len(self._sorted) - 1)
        known: NDArray[np.bool_] = self._sorted[places] == users
        return known, np.where(known[:, None], self._rows[self._order[places]], np.float32(0))
