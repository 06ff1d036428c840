"""What fine-tune is told of a micro-batch."""

import numpy as np

from models.arrays.events import LearntArrays
from models.columns.learnt import Learnt
from operators.learn_users.stages.examples import examples_of
from tests.columns import events, key, new_users

BATCH = events(*((0, n) for n in range(6)), weight=[1, 1, 0, -1, 1, 1],
               value=[5, np.nan, 0.5, 1, 5.5, 4])  # fmt: skip
BATCH.counts[5] = False


def learnt() -> Learnt:
    """Nothing, for no model asked."""
    none = np.empty((0, 0), np.float32)
    arrays = LearntArrays.empty(6)._asdict()
    return Learnt(context=np.empty(0, np.int32), context_start=np.zeros(2, np.int32),
                  factors=none, **arrays)  # fmt: skip


def told(scale: tuple[float, float] | None) -> tuple[list[int], list[float]]:
    found = examples_of(new_users(1), BATCH, learnt(), 3, scale)
    assert found.model == 3
    places = [[key(n) for n in range(6)].index(item) for item in found.item.tolist()]
    return places, found.value.tolist()


def test_of_rankings_it_is_positive_events_that_count() -> None:
    assert told(None) == ([0, 1, 4], [])


def test_of_ratings_it_is_those_of_the_scale_that_count_whatever_they_weigh() -> None:
    assert told((0.5, 5.0)) == ([0, 2, 3], [5.0, 0.5, 1.0])
