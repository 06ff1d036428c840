"""What the baselines compile, in one file: machine code is kept by the content of its file.

The formulas stand where the classes are: `popularity`, `item_knn`, `bpr`.
"""

import numpy as np
from numpy.typing import NDArray

from models.arrays.transitions import TransitionArrays
from models.columns.learnt import UNKNOWN
from models.compiled import Integer, Real, Truth, entry, kernel
from models.numeric.initial import GAMMA, scrambled
from models.transitions.rows import add
from scripts.tools.evaluate.baselines.arrays import BprArrays
from scripts.tools.evaluate.baselines.stream import Stream

LARGEST = 1e100
"""Instead of all faded counts getting smaller, what is added gets larger, up to this."""
WINDOW, NEAR_DECAY, NORM = 20, 0.9, 0.3
"""Of item-kNN: items of the user that count, weight of each step back, exponent of popularity."""
FACTORS, NEGATIVES, RATE, SHRINK = 64, 10, 0.05, 0.002
"""Of BPR: k, sampled items an event, eta and lambda."""


@kernel
def is_scored(stream: Stream, e: Integer, every: Integer) -> Truth:
    """Return whether an event is ranked: one in `every` and `more`, nobody's first."""
    return (stream.number[e] % every == 0 or stream.more[e]) and stream.previous[e] >= 0


@kernel
def mark_past(stream: Stream, e: Integer, seen: NDArray[np.int64]) -> None:
    """Set `seen` of the user's own items to the event's place."""
    at, left = stream.previous[e], stream.past
    while at >= 0 and left > 0:
        seen[stream.item[at]] = e
        at = stream.previous[at]
        left -= 1


@kernel
def is_listed(
    stream: Stream, e: Integer, counts: NDArray[np.int64], seen: NDArray[np.int64]
) -> Truth:
    """Return whether an event's item can be on a list at all; `mark_past` first."""
    item = stream.item[e]
    return counts[item] > 0 and seen[item] != e


@kernel
def place_of(
    item: Integer,
    scores: NDArray[np.float64],
    counts: NDArray[np.int64],
    seen: NDArray[np.int64],
    e: Integer,
) -> Integer:
    """Return the 0-based rank of an item among the known ones not the user's; ties count half."""
    aim = scores[item]
    above, level = 0, 1
    for row in range(len(scores)):
        if counts[row] > 0 and seen[row] != e and row != item:
            above += scores[row] > aim
            level += scores[row] == aim
    return above + level // 2


@entry
def score_popularity(
    stream: Stream,
    e: Integer,
    weights: NDArray[np.float64],
    counts: NDArray[np.int64],
    scores: NDArray[np.float64],
    seen: NDArray[np.int64],
) -> None:
    """Set the scores of all items for the user of an event; -inf for those not on the list."""
    for row in range(len(scores)):
        scores[row] = weights[row]
    leave_out(stream, e, counts, scores, seen)


@kernel
def leave_out(
    stream: Stream,
    e: Integer,
    counts: NDArray[np.int64],
    scores: NDArray[np.float64],
    seen: NDArray[np.int64],
) -> None:
    """Set the scores of unknown items and of the user's own to -inf."""
    mark_past(stream, e, seen)
    for row in range(len(scores)):
        if counts[row] == 0 or seen[row] == e:
            scores[row] = -np.inf


@entry
def learn_popularity(  # noqa: PLR0913  # columns
    stream: Stream,
    begin: Integer,
    end: Integer,
    every: Integer,
    ranks: NDArray[np.int32],
    counts: NDArray[np.int64],
    weights: NDArray[np.float64],
    seen: NDArray[np.int64],
    step: Real,
    decay: Real,
) -> Real:
    """Take events; return what the next one adds."""
    for e in range(begin, end):
        item = stream.item[e]
        if is_scored(stream, e, every):
            mark_past(stream, e, seen)
            ranks[e] = UNKNOWN
            if is_listed(stream, e, counts, seen):
                ranks[e] = place_of(item, weights, counts, seen, e)
        counts[item] += 1
        step /= decay
        if step > LARGEST:
            for row in range(len(weights)):
                weights[row] /= step
            step = 1.0
        weights[item] += step
    return step


@entry
def learn_item_knn(  # noqa: PLR0913  # columns
    stream: Stream,
    begin: Integer,
    end: Integer,
    every: Integer,
    ranks: NDArray[np.int32],
    near: TransitionArrays,
    reserve: Integer,
    counts: NDArray[np.int64],
    discount: NDArray[np.float64],
    scores: NDArray[np.float64],
    seen: NDArray[np.int64],
) -> Integer:
    """Take events; return where it stopped for want of room."""
    for e in range(begin, end):
        if len(near.successor) - near.top[0] < reserve:
            return e
        item = stream.item[e]
        if is_scored(stream, e, every):
            mark_past(stream, e, seen)
            ranks[e] = UNKNOWN
            if is_listed(stream, e, counts, seen):
                _score_near(stream, e, near, discount, scores)
                ranks[e] = place_of(item, scores, counts, seen, e)
        _count_near(stream, e, near)
        counts[item] += 1
        discount[item] = np.float64(counts[item]) ** -NORM
    return end


@entry
def score_item_knn(
    stream: Stream,
    e: Integer,
    near: TransitionArrays,
    counts: NDArray[np.int64],
    discount: NDArray[np.float64],
    scores: NDArray[np.float64],
    seen: NDArray[np.int64],
) -> None:
    """Set the scores of all items for the user of an event; -inf for those not on the list."""
    _score_near(stream, e, near, discount, scores)
    leave_out(stream, e, counts, scores, seen)


@kernel
def _score_near(
    stream: Stream,
    e: Integer,
    near: TransitionArrays,
    discount: NDArray[np.float64],
    scores: NDArray[np.float64],
) -> None:
    """Set the scores of all items."""
    scores[:] = 0
    at, left, weight = stream.previous[e], WINDOW, 1.0
    while at >= 0 and left > 0:
        x = stream.item[at]
        _add_row(near, x, weight * discount[x], scores)
        at, left, weight = stream.previous[at], left - 1, weight * NEAR_DECAY
    for row in range(len(scores)):
        scores[row] *= discount[row]


@kernel
def _add_row(near: TransitionArrays, x: Integer, weight: Real, scores: NDArray[np.float64]) -> None:
    for slot in range(near.start[x], near.start[x] + near.capacity[x]):
        row = near.successor[slot]
        if row >= 0:
            scores[row] += weight * near.weight[slot]


@kernel
def _count_near(stream: Stream, e: Integer, near: TransitionArrays) -> None:
    """Count an event's item as near those of the window; an item is not its own neighbour."""
    item = stream.item[e]
    at, left, weight = stream.previous[e], WINDOW, np.float32(1)
    while at >= 0 and left > 0:
        x = stream.item[at]
        if x != item:
            add(near, x, item, weight)
            add(near, item, x, weight)
        at, left, weight = stream.previous[at], left - 1, weight * np.float32(NEAR_DECAY)


@entry
def score_bpr(stream: Stream, e: Integer, a: BprArrays) -> None:
    """Set the scores of all items for the user of an event; -inf for those not on the list."""
    for row in range(len(a.scores)):
        a.scores[row] = a.bias[row] + _product(a, stream.user[e], row)
    leave_out(stream, e, a.counts, a.scores, a.seen)


@entry
def learn_bpr(
    stream: Stream,
    begin: Integer,
    end: Integer,
    every: Integer,
    ranks: NDArray[np.int32],
    a: BprArrays,
) -> None:
    """Take events."""
    for e in range(begin, end):
        u, item = stream.user[e], stream.item[e]
        mark_past(stream, e, a.seen)
        if is_scored(stream, e, every):
            ranks[e] = UNKNOWN
            if is_listed(stream, e, a.counts, a.seen):
                for row in range(len(a.scores)):
                    a.scores[row] = a.bias[row] + _product(a, u, row)
                ranks[e] = place_of(item, a.scores, a.counts, a.seen, e)
        if a.counts[item] == 0:
            a.known[a.size[0]] = item
            a.size[0] += 1
        a.counts[item] += 1
        word = scrambled(np.uint64(e) ^ scrambled(np.uint64(a.seed)))
        for _ in range(NEGATIVES):
            word += GAMMA
            other = a.known[np.int64(scrambled(word) % np.uint64(a.size[0]))]
            if other != item and a.seen[other] != e:
                _step(a, u, item, other)


@kernel
def _product(a: BprArrays, u: Integer, row: Integer) -> Real:
    total = np.float32(0)
    for f in range(FACTORS):
        total += a.users[u, f] * a.items[row, f]
    return total


@kernel
def _step(a: BprArrays, u: Integer, item: Integer, other: Integer) -> None:
    """Move an item above another for a user."""
    ahead = a.bias[item] - a.bias[other] + _product(a, u, item) - _product(a, u, other)
    g = np.float32(1) / (np.float32(1) + np.exp(ahead))
    rate, decay = np.float32(RATE), np.float32(SHRINK)
    for f in range(FACTORS):
        p, q, r = a.users[u, f], a.items[item, f], a.items[other, f]
        a.users[u, f] += rate * (g * (q - r) - decay * p)
        a.items[item, f] += rate * (g * p - decay * q)
        a.items[other, f] -= rate * (g * p + decay * r)
    a.bias[item] += rate * (g - decay * a.bias[item])
    a.bias[other] -= rate * (g + decay * a.bias[other])
