"""A refitted factorisation, served: the items' side stays, users learn (`models.refit.fold`)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.deep.functions import Array
from models.deep.shape import Shape


class Mf:
    """A refitted factorisation: its items, and its users as of the refit; it never changes.

    Parameters
    ----------
    shape : Shape
    tensors : mapping of str to array
        As `models.deep.training.ratings` names them.
    users : uint64[U]
        Keys of its users, by row.
    """

    keyed_by = ("keys", "user_keys")
    """Columns of keys in its file, in the order of the arguments of `shapes`."""
    timed_by = "user.time"
    """int64[U] of its file: event time of the newest rating of each user it was fitted to, ms. A
    file of before there was one says nothing of what users have rated since."""

    def __init__(
        self, shape: Shape, tensors: Mapping[str, NDArray[Any]], users: NDArray[np.uint64]
    ) -> None:
        self.shape = shape
        self._order = np.argsort(users)
        self._sorted = users[self._order]
        self._rows = np.column_stack([tensors["user.factors"], tensors["user.bias"]])
        self._until = tensors.get(self.timed_by)
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
        places = self._places(users)
        known: NDArray[np.bool_] = self._sorted[places] == users
        return known, np.where(known[:, None], self._rows[self._order[places]], np.float32(0))

    def lacks(self, users: NDArray[np.uint64], rated: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which of the users it knows have rated since it was fitted.

        Parameters
        ----------
        users : uint64[n]
        rated : float64[n]
            Event time of each one's newest rating, ms.
        """
        if self._until is None:
            return np.zeros(len(users), np.bool_)
        newer: NDArray[np.bool_] = rated > self._until[self._order[self._places(users)]]
        return newer

    def _places(self, users: NDArray[np.uint64]) -> NDArray[np.intp]:
        return np.minimum(np.searchsorted(self._sorted, users), len(self._sorted) - 1)
