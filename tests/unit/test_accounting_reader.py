"""The reader of the metrics topic: fates that add up, and quality over windows."""

import json

import pytest

from scripts.tools.kafka.accounting import Metrics


def account(bucket, partitions, **more):
    names = ("consumed", "accepted", "duplicate", "late", "rejected", "next_offset")
    counts = {p: dict(zip(names, figures, strict=True)) for p, figures in partitions.items()}
    record = {"kind": "accounting", "bucket": bucket, "partitions": counts, "rejected": {}} | more
    return f"accounting/{bucket}".encode(), json.dumps(record).encode()


def window(start, **figures):
    record = {"kind": "window", "window_start": start, "window_end": start + 10_000, "accepted": 0}
    return f"window/{start}".encode(), json.dumps({**record, "scored": 0, **figures}).encode()


def reading(*records):
    metrics = Metrics()
    for key, value in records:
        metrics.take(key, value)
    return metrics


def test_buckets_and_partitions_are_summed():
    totals = reading(
        account(0, {"0": (3, 1, 1, 1, 0, 9), "1": (1, 1, 0, 0, 0, 4)}),
        account(1, {"0": (2, 1, 0, 0, 1, 10)}, rejected={"truncated": 1}, lines={"late": 2}),
    ).totals()
    assert totals.lines == {"late": 2}
    assert (totals.consumed, totals.accepted, totals.duplicate, totals.late) == (6, 3, 1, 1)
    assert totals.by_code == {"truncated": 1}
    assert totals.by_partition == {0: 5, 1: 1}
    assert totals.next_offset == {0: 10, 1: 4}


def test_the_newest_record_of_a_bucket_wins():
    totals = reading(
        account(0, {"0": (3, 3, 0, 0, 0, 3)}), account(0, {"0": (5, 5, 0, 0, 0, 5)})
    ).totals()
    assert totals.consumed == 5


def of(lineage, at, *, buckets=8, **more):
    """What a record says of its job."""
    named = {"lineage": lineage, "began": lineage, "since": 100, "buckets": buckets}
    return {"generated_at": at} | named | more


def test_what_a_former_job_left_on_the_topics_is_not_added():
    records = [account(bucket, {"0": (9, 9, 0, 0, 0, 9)}, **of("a", 5)) for bucket in range(8)]
    records += [account(1, {"0": (3, 3, 0, 0, 0, 3)}, **of("b", 7, buckets=2))]
    assert reading(*records).totals().objections({0: (0, 3)}) == []
    back = account(1, {"0": (9, 9, 0, 0, 0, 9)}, **of("a", 8))
    assert reading(*records, back).totals().consumed == 72  # restored from what was before


def test_a_clock_that_was_ahead_does_not_make_a_former_job_the_newest():
    old = [account(n, {"0": (9, 9, 0, 0, 0, 9)}, **of("a", 10_000, epoch=1)) for n in range(8)]
    new = account(0, {"0": (3, 3, 0, 0, 0, 3)}, **of("b", 7, epoch=2))
    assert reading(*old, new).totals().consumed == 3
    before = account(1, {"0": (9, 9, 0, 0, 0, 9)}, **of("a", 10_000))  # of a release before
    assert reading(before, new).totals().consumed == 3
    assert (
        reading(before, account(0, {"0": (3, 3, 0, 0, 0, 3)}, **of("b", 7))).totals().consumed == 9
    )


def test_records_without_a_lineage_are_of_one_of_their_own():
    old = [account(bucket, {"0": (2, 2, 0, 0, 0, 2)}, generated_at=5) for bucket in range(4)]
    new = account(0, {"0": (1, 1, 0, 0, 0, 1)}, **of("b", 7))
    assert reading(*old).totals().consumed == 8
    assert reading(*old, new).totals().consumed == 1


def test_a_job_restored_from_before_there_were_lineages_has_its_buckets_only():
    old = [account(bucket, {"0": (2, 2, 0, 0, 0, 2)}, generated_at=5) for bucket in range(4)]
    new = account(0, {"0": (3, 3, 0, 0, 0, 3)}, **of("b", 7, buckets=2, began=""))
    assert reading(*old, new).totals().consumed == 5
    assert len(reading(*old, new, window(0)).windows) == 1


def test_windows_of_a_former_job_are_left_out():
    new = account(0, {"0": (1, 1, 0, 0, 0, 1)}, **of("b", 7, since=15_000))
    found = reading(window(0), window(10_000), new, window(20_000)).windows
    assert [one["window_start"] for one in found] == [10_000, 20_000]


def test_nothing_is_said_against_an_account_that_adds_up():
    totals = reading(account(0, {"0": (3, 1, 1, 1, 0, 7)})).totals()
    assert totals.objections({0: (4, 7), 1: (0, 0)}) == []


@pytest.mark.parametrize(
    ("figures", "ends", "words"),
    [
        ((3, 1, 1, 0, 0, 3), (0, 3), "consumed: expected the sum of all fates, 2, got 3"),
        ((3, 3, 0, 0, 0, 3), (0, 5), "partition 0: expected 5 records, got 3"),
        ((3, 2, 0, 0, 1, 3), (0, 3), "rejected: expected the sum of all codes, 0, got 1"),
    ],
)
def test_every_contradiction_is_told(figures, ends, words):
    assert reading(account(0, {"0": figures})).totals().objections({0: ends}) == [words]


def test_an_empty_topic_has_no_totals_and_no_quality():
    metrics = reading()
    assert metrics.totals().consumed == 0
    assert metrics.quality().hit_rate is None
    assert metrics.quality().ratio is None
    assert metrics.windows == []


def test_windows_weigh_as_much_as_the_events_they_scored():
    quality = reading(
        window(0, scored=10, hr_at_10=0.1, popularity_hr_at_10=0.0, mrr=0.5),
        window(10_000, scored=30, hr_at_10=0.3, popularity_hr_at_10=0.1, mrr=None),
        window(20_000, scored=0, hr_at_10=None),
    ).quality()
    assert quality.scored == 40
    assert quality.hit_rate == pytest.approx(0.25)
    assert quality.popularity_hit_rate == pytest.approx(0.075)
    assert quality.ratio == pytest.approx(0.25 / 0.075)
    assert quality.mrr == pytest.approx(0.5)


def test_rating_errors_are_added_as_squares():
    quality = reading(
        window(0, rmse=1.0, errors=1, accepted=9), window(10_000, rmse=2.0, errors=3)
    ).quality()
    assert quality.rmse == pytest.approx(((1 + 12) / 4) ** 0.5)


def test_windows_come_oldest_first_and_their_counts_add_up():
    metrics = reading(window(20_000, recommendations=2), window(0, recommendations=3))
    assert [w["window_start"] for w in metrics.windows] == [0, 20_000]
    assert metrics.counted("recommendations") == 5


def keeping(retention, *records):
    metrics = Metrics(retention)
    for key, value in records:
        metrics.take(key, value)
    return metrics


def place(number, start, **figures):
    return f"window/{number}".encode(), window(start, **figures)[1]


def test_windows_older_than_the_retention_are_left_out_whatever_their_keys():
    former = [window(start, recommendations=1) for start in range(0, 50_000, 10_000)]
    ring = [place(n, 50_000 + n * 10_000, recommendations=1) for n in range(3)]
    for records in (former + ring, ring + former):
        metrics = keeping(30_000, *records)
        assert [w["window_start"] for w in metrics.windows] == [50_000, 60_000, 70_000]
        assert metrics.counted("recommendations") == 3
    assert keeping(None, *former, *ring).counted("recommendations") == 8


def test_the_ring_goes_round_and_what_is_not_compacted_yet_does_no_harm():
    records = [place(n % 3, n * 10_000, scored=1, hr_at_10=n / 10) for n in range(7)]
    metrics = keeping(30_000, *records)
    assert [w["window_start"] for w in metrics.windows] == [40_000, 50_000, 60_000]
    assert metrics.quality().hit_rate == pytest.approx(0.5)
    assert [w["window_start"] for w in metrics.newest_windows(2)] == [50_000, 60_000]


def test_a_reader_holds_no_more_windows_than_are_kept():
    metrics = Metrics(1_000_000)  # a hundred
    for start in range(0, 50_000_000, 10_000):
        metrics.take(*window(start, recommendations=1))
        assert len(metrics._windows._values) <= 1_024 + 1
    assert metrics.counted("recommendations") == 100
    assert len(metrics.windows) == 100


def test_a_copy_stays_as_it_is():
    metrics = reading(account(0, {"0": (1, 1, 0, 0, 0, 1)}), window(0, recommendations=1))
    before = metrics.snapshot()
    metrics.take(*account(0, {"0": (2, 2, 0, 0, 0, 2)}))
    metrics.take(*window(10_000, recommendations=1))
    assert (before.totals().consumed, before.counted("recommendations")) == (1, 1)
    assert (metrics.totals().consumed, metrics.counted("recommendations")) == (2, 2)


def test_records_of_unknown_kind_and_tombstones_are_left_out():
    metrics = reading((b"x", b'{"kind": "news"}'), (b"accounting/0", None), (None, b"{}"))
    assert metrics.totals().consumed == 0
