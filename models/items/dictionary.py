"""Dense numbering of the rows that one message mentions."""

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled


class Dictionary:
    """Numbers rows by first appearance; keeps its scratch memory between calls."""

    def __init__(self) -> None:
        self._number = np.empty(0, np.int32)

    def __call__(
        self, size: int, *columns: NDArray[np.int32]
    ) -> tuple[NDArray[np.int32], list[NDArray[np.int32]]]:
        """Return the distinct rows of all columns, and the columns as indexes into them.

        Parameters
        ----------
        size
            Number of rows there are; every row is smaller.

        Returns
        -------
        tuple
            (D,) the distinct rows in order of first appearance, and every column as indexes
            into them.
        """
        if len(self._number) < size:
            self._number = np.full(max(1024, 2 * size), -1, np.int32)
        joined = np.concatenate(columns)
        distinct, index = _number_rows(joined, self._number)
        parts, at = [], 0
        for column in columns:
            parts.append(index[at : at + len(column)])
            at += len(column)
        return distinct, parts


@compiled
def _number_rows(
    rows: NDArray[np.int32], number: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    distinct = np.empty(len(rows), np.int32)
    index = np.empty(len(rows), np.int32)
    found = 0
    for n in range(len(rows)):
        row = rows[n]
        if row < 0:
            index[n] = -1
            continue
        if number[row] < 0:
            number[row] = found
            distinct[found] = row
            found += 1
        index[n] = number[row]
    for n in range(found):
        number[distinct[n]] = -1
    return distinct[:found].copy(), index
