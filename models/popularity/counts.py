"""Event counts of items, and what scores take from them."""

import numpy as np
from numpy.typing import NDArray

from models.arrays.items import EVENTS, KNOWN, RECENT, ItemArrays
from models.compiled import Integer, entry, kernel
from models.index.ceilings import raise_popularity


@kernel
def count_event(a: ItemArrays, row: Integer, time: Integer) -> None:
    """Count one accepted positive event of an item."""
    _set_count(a, row, a.counts[row] + 1)
    # to the second, as others are told the time: the sum must be the same in every copy
    add_popularity(a, row, time - time % 1000)
    a.recent[a.counters[RECENT] & len(a.recent) - 1] = row
    a.counters[RECENT] += 1
    a.counters[EVENTS] += 1


@kernel
def add_popularity(a: ItemArrays, row: Integer, time: Integer) -> None:
    """Add an event to the popularity of an item: halved every half-life, whatever the order."""
    apart = time - a.last_time[row]
    if apart >= 0:
        a.popularity[row] = a.popularity[row] * np.exp2(-apart / a.half_life) + 1
        a.last_time[row] = time
    else:
        a.popularity[row] += np.exp2(apart / a.half_life)
    raise_popularity(a, row)


@kernel
def _set_count(a: ItemArrays, row: Integer, count: Integer) -> None:
    if a.counts[row] == 0 and count > 0:
        a.known[a.counters[KNOWN]] = row
        a.counters[KNOWN] += 1
    a.counts[row] = count
    a.log_discount[row] = -a.norm * np.log(max(count, 1))
    a.discount[row] = np.exp(a.log_discount[row])


@entry
def replace_counts(
    a: ItemArrays,
    rows: NDArray[np.int32],
    count: NDArray[np.int64],
    value_sum: NDArray[np.float64],
) -> None:
    """Overwrite the counts and value sums of rows; the totals over all rows follow."""
    for n in range(len(rows)):
        a.value_total[0] += value_sum[n] - a.value_sum[rows[n]]
        a.value_sum[rows[n]] = value_sum[n]
        a.counters[EVENTS] += count[n] - a.counts[rows[n]]
        _set_count(a, rows[n], count[n])
