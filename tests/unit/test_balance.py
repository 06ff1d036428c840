"""The identity is over records: whatever else takes offsets is told, what is missing is missed."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.columns.events import OFFSET_BITS
from scripts.tools.kafka.accounting import Metrics
from scripts.tools.kafka.balance import Balance, Consumed, Log, balance, plain
from state.codec.sealed import StateError
from state.keyed.accounting import GAPS, UNKNOWN, Accounting
from tests.unit.test_accounting_reader import account

PARTITION = 3
NOTHING = np.empty(0, np.int64)


def consumed(*offsets, buckets=1):
    """What the job says that took these records, each by the bucket of its number."""
    metrics = Metrics()
    for bucket in range(buckets):
        mine = [offset for offset in offsets if offset % buckets == bucket]
        if mine:
            for key, value in counted(Accounting.start(bucket), *mine).records():
                metrics.take(key, value)
    return metrics.totals().partition(PARTITION)


def counted(accounting, *offsets):
    coordinates = (PARTITION << OFFSET_BITS) + np.array(offsets, np.int64)
    accounting.count(coordinates, coordinates, NOTHING, NOTHING, [])
    return accounting


def log(low, high, *without):
    return Log(low, high, np.array([n for n in range(low, high) if n not in without], np.int64))


def compared(taken, there, *, from_earliest=True):
    found = balance(PARTITION, taken, there, from_earliest=from_earliest)
    return {k: v for k, v in vars(found).items() if v and k != "partition"}


def test_a_topic_of_plain_records_balances_without_being_read():
    taken = consumed(*range(10), buckets=3)
    assert plain(taken, 0, 10)
    assert plain(taken, 4, 10)  # those deleted were consumed before
    assert not plain(taken, 0, 11)
    assert not plain(consumed(*range(1, 10)), 0, 10)
    assert plain(consumed(), 0, 0)
    assert compared(taken, Log.full(4, 10)) == {}


def test_markers_and_aborted_records_are_no_records():
    taken = consumed(0, 1, 3, 7)
    assert compared(taken, log(0, 9, 2, 4, 5, 6, 8)) == {"empty": 5}


def test_what_is_not_consumed_yet_is_missing():
    assert compared(consumed(0, 1, 3), log(0, 8, 2, 7)) == {"missing": 3, "empty": 2}
    assert compared(consumed(), log(0, 8, 7)) == {"missing": 7, "empty": 1}


def test_a_record_that_was_jumped_over_is_missing():
    assert compared(consumed(0, 1, 4), log(0, 6, 2, 5)) == {"missing": 1, "empty": 2}


def test_a_record_that_was_counted_twice_is_told():
    taken = Consumed(records=6, first=0, next=5)
    assert compared(taken, log(0, 5)) == {"twice": 1}
    assert compared(taken, log(3, 5)) == {"twice": 1}


@pytest.mark.parametrize("taken", [consumed(5, 6, 7), consumed()])
def test_a_job_that_began_with_the_latest_skipped_what_was_before(taken):
    there = log(0, 8) if taken.records else log(0, 5)
    assert compared(taken, there, from_earliest=False) == {"before": 5}
    assert compared(taken, there) == {"missing": 5}


@pytest.mark.parametrize("from_earliest", [False, True])
@pytest.mark.parametrize("buckets", [1, 4])
def test_deleted_records_that_were_never_read_are_an_alarm(from_earliest, buckets):
    taken = consumed(*range(20), *range(60, 80), buckets=buckets)
    assert compared(taken, Log.full(60, 80), from_earliest=from_earliest) == {"overtaken": 40}
    assert compared(taken, Log.full(70, 80), from_earliest=from_earliest) == {"overtaken": 40}
    # of a job that does not run, those gone since it ended
    taken = consumed(*range(20), buckets=buckets)
    found = compared(taken, Log.full(60, 80), from_earliest=from_earliest)
    assert found == {"overtaken": 40, "missing": 20}


def test_of_transactions_the_jump_is_found_among_the_markers():
    markers = set(range(4, 200, 5))
    records = [n for n in range(200) if n not in markers]
    read = [n for n in records if not 50 <= n < 120]
    there = log(120, 200, *markers)
    assert compared(consumed(*read, buckets=4), there) == {
        "overtaken": 71,
        "empty": 25,
    }  # a marker before
    assert compared(consumed(*records, buckets=4), there) == {"empty": 40}


def test_a_jump_to_the_end_leaves_records_missing_until_they_are_deleted():
    markers = set(range(4, 200, 5))
    read = [n for n in range(200) if n not in markers and not 50 <= n < 120]
    there = log(100, 200, *markers)
    assert compared(consumed(*read, buckets=4), there) == {
        "overtaken": 51,
        "missing": 16,
        "empty": 29,
    }


def test_an_empty_topic_of_transactions_is_balanced():
    taken = consumed(0, 1, 3, 4)
    assert compared(taken, log(6, 6)) == {"empty": 2}


def test_of_a_release_before_only_what_it_noted_is_judged():
    key, value = account(0, {"3": (4, 4, 0, 0, 0, 9)})
    metrics = Metrics()
    metrics.take(key, value)
    taken = metrics.totals().partition(PARTITION)
    assert taken == Consumed(records=4, first=UNKNOWN, next=9, gaps=[])
    assert compared(taken, Log.full(7, 9)) == {}
    assert compared(taken, Log.full(7, 12)) == {"missing": 3}
    assert compared(taken, Log.full(20, 22)) == {"overtaken": 11, "missing": 2}
    old = Accounting.start(0)
    counted(old, 0, 1, 2, 3)
    old.partitions["3"].first_offset = UNKNOWN
    metrics.take(*counted(old, 40).records()[0])
    taken = metrics.totals().partition(PARTITION)
    assert taken.gaps == [(4, 40)]
    assert compared(taken, Log.full(40, 41)) == {"overtaken": 36}


@given(
    st.sets(st.integers(0, 300), min_size=1),
    st.integers(1, 4),
    st.integers(0, 300),
    st.booleans(),
)
def test_every_offset_is_one_thing(records, buckets, low, from_earliest):
    """Whatever lies in the log, a job that took all of it has nothing missing."""
    taken = consumed(*sorted(records), buckets=buckets)
    offsets = np.array(sorted(n for n in records if n >= low), np.int64)
    found = balance(PARTITION, taken, Log(low, max(low, 301), offsets), from_earliest=from_earliest)
    assert (found.missing, found.twice, found.before) == (0, 0, 0)
    assert 0 <= found.overtaken <= max(0, low - min(records))


@given(st.sets(st.integers(0, 2_000), min_size=1, max_size=60), st.integers(1, 4))
def test_the_longest_gaps_are_kept_and_lie_between_records(records, batches):
    ordered = sorted(records)
    one = Accounting.start(0)
    for part in np.array_split(np.array(ordered), batches):
        if len(part):
            counted(one, *part)
    counts = one.partitions[str(PARTITION)]
    steps = [(a + 1, b) for a, b in pairwise(ordered) if b > a + 1]
    longest = sorted((end - begin for begin, end in steps), reverse=True)[:GAPS]
    assert sorted((e - b for b, e in counts.gaps), reverse=True) == longest
    assert set(counts.gaps) <= set(steps)
    assert (counts.first_offset, counts.next_offset) == (ordered[0], ordered[-1] + 1)


def test_a_value_of_no_bytes_is_damaged():
    with pytest.raises(StateError, match="accounting of a user bucket: expected 12 bytes or more"):
        Accounting.from_state(b"")


def test_all_is_told_in_words():
    one = Balance(1, missing=2, twice=1, overtaken=4_000, before=3, empty=5)
    assert list(one.objections()) == [
        "partition 1: expected every record consumed, got 2 not consumed yet",
        "partition 1: expected each record consumed once, got 1 too many",
    ]
    assert "up to 4,000 records were deleted before the job read them" in next(one.alarms())
    assert [line.split(": ")[1][:9] for line in one.remarks()] == ["3 records", "5 offsets"]
