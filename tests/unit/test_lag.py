"""A lag that moves is no mistake; one that stands, or a record that was jumped over, is."""

import time

import numpy as np
import pytest

from scripts.tools.kafka.balance import Consumed, Log, plain_until
from scripts.tools.kafka.lag import Lag, standing

LOG = Log.full(0, 100)


def consumed(records, *gaps, first=0, end=None):
    return Consumed(records, first, end or records, gaps)


def looked(before, *later, from_earliest=True, log=LOG, seconds=0.2):
    """Whether the lag of the one partition stands at the end, and how often it was looked at."""
    lag = Lag.of(0, before, log, from_earliest=from_earliest)
    told = list(later)

    def look():
        now = told.pop(0) if len(told) > 1 else told[0]
        return lambda _: now

    found = standing([lag], look, seconds, sleep=lambda _: time.sleep(0.01))
    return found == {0}, len(later) - len(told) + 1


def test_what_moves_is_no_mistake_and_is_not_waited_for():
    assert looked(consumed(50), consumed(50), consumed(50), consumed(51))[0] is False
    assert looked(consumed(50), consumed(60), seconds=60) == (False, 1)
    assert looked(consumed(50), consumed(40))[0] is False  # the job begins again


def test_what_stands_still_is():
    assert looked(consumed(50), consumed(50))[0] is True
    assert looked(consumed(0), consumed(0))[0] is True


def test_records_on_their_way_between_others_are_waited_for():
    hole = consumed(40, (10, 20), end=50)
    assert looked(hole, consumed(45, (12, 17), end=60), consumed(60))[0] is False
    assert looked(hole, consumed(90, (10, 20), end=100))[0] is True
    assert looked(hole, consumed(90, (15, 16), end=100))[0] is True


def test_offsets_without_a_record_are_no_gap():
    marked = Log(0, 100, np.array([n for n in range(100) if not 10 <= n < 20], np.int64))
    hole = consumed(40, (10, 20), end=50)
    assert looked(hole, consumed(80, (10, 20), end=90), log=marked)[0] is False


@pytest.mark.parametrize("from_earliest", [False, True])
def test_records_before_the_first_count_where_the_job_began_with_the_oldest(from_earliest):
    before, after = consumed(40, first=10, end=50), consumed(90, first=10, end=100)
    assert looked(before, after, from_earliest=from_earliest)[0] is from_earliest


def test_partitions_are_told_apart():
    lags = [Lag(0, 5), Lag(1, 7)]
    now = {0: consumed(6), 1: consumed(7)}
    assert standing(lags, lambda: now.__getitem__, 0.05) == {1}
    assert standing([], pytest.fail, 5) == set()


def test_of_a_job_that_is_behind_the_tail_alone_is_read():
    assert plain_until(consumed(50), 0, 100) == 50
    assert plain_until(consumed(50), 20, 100) == 50  # retention deleted what was consumed
    assert plain_until(consumed(50), 60, 100) == 60
    assert plain_until(consumed(100), 0, 100) == 100
    assert plain_until(consumed(0), 0, 100) == 0
    assert plain_until(consumed(49, end=50), 0, 100) == 0
    assert plain_until(consumed(150), 0, 100) == 0  # a topic made anew
    tail = Log.partly(20, 50, 100, np.array([50, 99], np.int64))
    assert (tail.between(20, 50), tail.between(50, 100)) == (30, 2)
