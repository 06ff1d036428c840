"""Training sequences: gaps as a worker serves them."""

import numpy as np
import pytest

from models.deep.training.sequences import Histories
from models.users.history import gaps_of

TIMES = [0, 100_000_000, 50_000_000, 100_010_000]


def served(user: np.ndarray, time: np.ndarray) -> np.ndarray:
    last = np.full(int(user.max()) + 1, -1, np.int64)
    return gaps_of(user.astype(np.int32), np.ones(len(user), np.bool_), time, last)


def test_a_gap_is_since_the_newest_event_whichever_was_accepted_last() -> None:
    user, time = np.zeros(4, np.uint64), np.array(TIMES, np.int64)
    found = Histories.of(user, np.arange(4, dtype=np.int32), time, 0).gap
    assert found.tolist() == [23, 16, 0, 3]


@pytest.mark.parametrize("seed", range(5))
def test_gaps_are_those_served_whatever_the_order_of_times(seed: int) -> None:
    random = np.random.default_rng(seed)
    user = random.integers(0, 20, 500)
    time = 1_700_000_000_000 + random.integers(0, 10**9, 500)
    found = Histories.of(user.astype(np.uint64), np.arange(500, dtype=np.int32), time, 0)
    order = np.argsort(user, kind="stable")
    assert found.gap.tolist() == served(user, time)[order].tolist()
