"""Columns of users that compiled functions read and write."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.columns.users import Users


class UserArrays(NamedTuple):
    """The columns of `models.columns.users.Users` that models read and write."""

    key: NDArray[np.uint64]
    factors: NDArray[np.float32]
    gradient_sum: NDArray[np.float32]
    bias: NDArray[np.float32]
    history: NDArray[np.uint64]
    history_gap: NDArray[np.uint8]
    history_length: NDArray[np.int32]
    past: NDArray[np.uint32]
    past_until: NDArray[np.uint32]
    past_length: NDArray[np.int32]
    excluded: NDArray[np.uint64]
    excluded_length: NDArray[np.int32]
    events: NDArray[np.int64]
    positives: NDArray[np.int64]
    session_last: NDArray[np.int64]

    @classmethod
    def of(cls, users: Users) -> "UserArrays":
        """Return the columns themselves, not copies."""
        return cls(*(getattr(users, name) for name in cls._fields))
