"""Items as state and topics hold them, one row an item."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray


@dataclass(slots=True)
class ItemRows:
    """Everything known about m items, row i belongs to item i: what state and topics hold.

    The successors of item i are rows `successor_start[i]` to `successor_start[i + 1]`.
    """

    keys: NDArray[np.uint64]
    """(m,) `models.keys.key_of` of the ids."""
    ids: list[str]
    """Item ids, length m; "" for an item known only by its key."""
    count: NDArray[np.int64]
    """(m,) accepted positive events."""
    last_time: NDArray[np.int64]
    """(m,) newest event time, ms."""
    value_sum: NDArray[np.float64]
    """(m,) sum of the ratings learnt; `count` is their number in the rating objective."""
    popularity: NDArray[np.float64]
    """(m,) events halved every half-life, as of `last_time`."""
    factors: NDArray[np.float32]
    """(m, F) latent factors."""
    gradient_sum: NDArray[np.float32]
    """(m,) AdaGrad sum of squared gradients of the factors."""
    bias: NDArray[np.float32]
    """(m,)"""
    bias_gradient_sum: NDArray[np.float32]
    """(m,) AdaGrad sum of the bias."""
    context: NDArray[np.float32]
    """(m, F) factors of the item where it is context; (m, 0) in a model without."""
    context_gradient_sum: NDArray[np.float32]
    """(m,) AdaGrad sum of these."""
    variance: NDArray[np.float32]
    """(m, F + 1) of the factors and, in the last place, of the bias; (m, 0) in a model without."""
    place_start: NDArray[np.int32]
    """(m + 1,) bounds of each item's places, as those of its successors."""
    place_keys: NDArray[np.uint64]
    """(L,) keys of the users in whose sequences it occurred last, oldest first."""
    place_positions: NDArray[np.int32]
    """(L,) where in them."""
    successor_start: NDArray[np.int64]
    """(m + 1,) bounds of each item's successors; starts at 0, ends at S."""
    successors: NDArray[np.uint64]
    """(S,) keys of the items that followed."""
    weights: NDArray[np.float32]
    """(S,) how much they followed."""

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self.keys)

    def take(self, begin: int, end: int) -> "ItemRows":
        """Return the rows from `begin` to before `end`."""
        first, last = self.successor_start[[begin, end]].tolist()
        ranges = {
            "successor_start": self.successor_start[begin : end + 1] - first,
            "successors": self.successors[first:last],
            "weights": self.weights[first:last],
        }
        first, last = self.place_start[[begin, end]].tolist()
        ranges |= {
            "place_start": self.place_start[begin : end + 1] - first,
            "place_keys": self.place_keys[first:last],
            "place_positions": self.place_positions[first:last],
        }
        rest = (one.name for one in fields(self) if one.name not in ranges)
        return ItemRows(**ranges, **{name: getattr(self, name)[begin:end] for name in rest})
