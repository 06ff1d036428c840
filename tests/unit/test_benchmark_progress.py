import json

import pytest

from scripts.tools.benchmarks.latency.feed import first
from scripts.tools.benchmarks.progress import Consumption, grown
from scripts.tools.benchmarks.throughput import rated
from scripts.tools.console import ToolError
from scripts.tools.data.behaviour import Block


def accounting(bucket: int, at: int, consumed: int) -> bytes:
    counts = {"0": {"consumed": consumed, "accepted": consumed}}
    record = {"kind": "accounting", "bucket": bucket, "partitions": counts, "generated_at": at}
    return json.dumps(record).encode()


def consumption(*records: bytes) -> Consumption:
    consumed = Consumption(client=None)
    for record in records:
        consumed.add(record)
    return consumed


def block(events: int) -> Block:
    names = [str(n) for n in range(events)]
    values = [None if n % 2 else 4.0 for n in range(events)]
    return Block(names, names, names, ["rating"] * events, list(range(events)), values)


def constant(rate: int, seconds: int) -> Consumption:
    return consumption(*(accounting(0, 1000 * n, rate * n) for n in range(1, seconds + 1)))


def test_buckets_are_added_up():
    assert consumption(accounting(0, 1000, 10), accounting(1, 1500, 20)).total == 30


def test_an_accounting_record_that_is_not_newer_changes_nothing():
    consumed = consumption(accounting(0, 1000, 10), accounting(0, 900, 7), accounting(0, 1000, 10))
    assert consumed.totals == [10]


def test_the_warm_up_is_left_out():
    slow = [accounting(0, 1000 * n, n) for n in range(1, 11)]
    fast = [accounting(0, 1000 * n, 10 + 500 * (n - 10)) for n in range(11, 41)]
    consumed = consumption(*slow, *fast)
    begin, end = consumed.steady(events=10**6, warm_up=15, seconds=20)
    assert (begin, end) == (16_000, 36_000)
    assert consumed.between(begin, end) == pytest.approx(500 * 20)


def test_the_steady_part_ends_before_the_topic_runs_dry():
    begin, end = constant(100, 50).steady(events=5000, warm_up=10, seconds=60)
    assert begin == 11_000
    assert end == pytest.approx(48_500)  # 97 % of 5000


def test_too_few_events_are_refused():
    with pytest.raises(ToolError, match="raise --events"):
        constant(100, 20).steady(events=2000, warm_up=15, seconds=30)


def test_a_job_without_accounting_is_refused():
    with pytest.raises(ToolError, match="expected accounting records"):
        consumption().steady(events=1, warm_up=1, seconds=1)


def test_recommendations_are_counted_by_metrics_window():
    window = json.dumps({"kind": "window", "consumed": 200, "recommendations": 150, "mrr": None})
    consumed = consumption(window.encode(), window.encode())
    assert consumed.recommendations_per_event() == pytest.approx(0.75)


def test_cpu_time_is_interpolated_between_samples():
    samples = [[0.0, 5.0], [2.0, 5.0], [6.0, 5.5]]
    assert grown([0, 1000, 2000], samples, 500, 1500) == pytest.approx([3.0, 0.25])


def test_every_event_becomes_a_rating():
    (made,) = rated([block(3)])
    assert made.types == ["rating"] * 3
    assert made.values[0] == made.values[2] == 4.0
    assert 1.0 <= made.values[1] <= 5.0


def test_the_first_events_of_blocks_are_exactly_as_many_as_asked_for():
    blocks = iter([block(4), block(4), block(4)])
    assert [len(each) for each in first(blocks, 6)] == [4, 2]
    assert len(next(blocks)) == 4
