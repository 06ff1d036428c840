"""Replay: what is written into Kafka, and when."""

import json
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scripts.tools.console import ToolError
from scripts.tools.data.behaviour import Block, Generated, Recorded
from scripts.tools.data.generator import GeneratorParams
from scripts.tools.data.time_units import milliseconds
from scripts.tools.kafka import produce
from scripts.tools.kafka.produce import Pace, encoded


def parquet(tmp_path, **columns):
    path = tmp_path / "plays.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def written(source):
    return [
        (key.decode(), json.loads(value))
        for block in source.blocks()
        for key, value in encoded(block)
    ]


def test_a_row_with_a_rating_becomes_a_rating_event_keyed_by_its_user(tmp_path):
    path = parquet(tmp_path, user_id=[7], item_id=[8], timestamp=[956703836], rating=[4])
    assert written(Recorded(path)) == [
        (
            "7",
            {
                "event_id": "plays-0",
                "user_id": "7",
                "item_id": "8",
                "event_type": "rating",
                "timestamp": 956703836000,
                "value": 4.0,
            },
        )
    ]


def test_a_row_without_a_rating_becomes_a_view_without_a_value(tmp_path):
    path = parquet(tmp_path, user_id=["u"], item_id=['i"\\'], timestamp=[1_700_000_000_000])
    ((key, event),) = written(Recorded(path))
    assert key == "u"
    assert event["event_type"] == "view"
    assert event["item_id"] == 'i"\\'
    assert "value" not in event


def test_the_same_file_gives_the_same_events_every_time(tmp_path):
    path = parquet(tmp_path, user_id=[1, 2], item_id=[3, 4], timestamp=[1e9, 1e9 + 1])
    source = Recorded(path)
    assert written(source) == written(source) == written(Recorded(path))


def test_repetitions_have_new_users_and_new_event_ids(tmp_path):
    path = parquet(tmp_path, user_id=[1, 2], item_id=[3, 4], timestamp=[10**9, 10**9])
    source = Recorded(path, repeat=3)
    events = written(source)
    assert source.events == len(events) == 6
    assert [key for key, _ in events] == ["1", "2", "1.1", "2.1", "1.2", "2.2"]
    assert len({event["event_id"] for _, event in events}) == 6


def test_only_as_many_rows_as_asked_for(tmp_path):
    path = parquet(tmp_path, user_id=[1, 2, 3], item_id=[1, 1, 1], timestamp=[1, 2, 3])
    assert len(written(Recorded(path, events=2))) == 2


def test_event_times_can_be_shifted_and_keep_their_distances(tmp_path):
    path = parquet(tmp_path, user_id=[1, 1], item_id=[1, 2], timestamp=[10**9, 10**9 + 60])
    times = [event["timestamp"] for _, event in written(Recorded(path, start_ms=5_000))]
    assert times == [5_000, 65_000]


@pytest.mark.parametrize(
    ("stamp", "unit"),
    [(956703836, "s"), (956703836000, "ms"), (956703836000000, "us"), (956703836 * 10**9, "ns")],
)
def test_the_unit_of_a_timestamp_is_told_by_its_size(stamp, unit):
    found, name = milliseconds(np.array([stamp]))
    assert (found.tolist(), name) == ([956703836000], unit)


def test_parquet_timestamps_and_fractions_of_seconds_are_understood(tmp_path):
    stamps = pa.array([956703836123456], pa.timestamp("us"))
    path = parquet(tmp_path, user_id=[1], item_id=[1], timestamp=stamps)
    assert written(Recorded(path))[0][1]["timestamp"] == 956703836123
    path = parquet(tmp_path, user_id=[1], item_id=[1], timestamp=[956703836.5])
    assert written(Recorded(path))[0][1]["timestamp"] == 956703836500


def test_a_parquet_type_tells_the_unit_at_any_age(tmp_path):
    for kind, stamp in ((pa.timestamp("s"), 86_400), (pa.timestamp("ns"), 86_400 * 10**9)):
        path = parquet(tmp_path, user_id=[1], item_id=[1], timestamp=pa.array([stamp], kind))
        assert written(Recorded(path))[0][1]["timestamp"] == 86_400_000
    path = parquet(tmp_path, user_id=[1], item_id=[1], timestamp=pa.array([1], pa.date32()))
    assert written(Recorded(path))[0][1]["timestamp"] == 86_400_000


def test_rows_come_in_the_order_of_their_times_and_keep_the_ids_of_their_places(tmp_path):
    path = parquet(
        tmp_path, user_id=[1, 2, 3, 4], item_id=[5, 6, 7, 8], rating=[1, 2, 3, 4],
        timestamp=[10**9 + 2, 10**9, 10**9 + 1, 10**9],
    )  # fmt: skip
    found = [(key, e["event_id"], e["item_id"], e["value"]) for key, e in written(Recorded(path))]
    assert found == [
        ("2", "plays-1", "6", 2.0),
        ("4", "plays-3", "8", 4.0),
        ("3", "plays-2", "7", 3.0),
        ("1", "plays-0", "5", 1.0),
    ]


def test_of_rows_in_any_order_the_oldest_is_at_the_start_time(tmp_path):
    path = parquet(tmp_path, user_id=[1, 1], item_id=[1, 2], timestamp=[10**9 + 60, 10**9])
    times = [event["timestamp"] for _, event in written(Recorded(path, start_ms=5_000))]
    assert times == [5_000, 65_000]


def test_missing_columns_are_named(tmp_path):
    path = parquet(tmp_path, session_id=[1], item_id=[1])
    with pytest.raises(ToolError, match=r"got session_id, item_id; .* user_id, timestamp"):
        Recorded(path)


def test_ids_that_are_fractions_are_refused(tmp_path):
    path = parquet(tmp_path, user_id=[1.5], item_id=[1], timestamp=[10**9])
    with pytest.raises(ToolError, match=r"user_id: expected whole numbers or text, got 1.5 in row"):
        Recorded(path)


def test_a_file_that_is_no_table_is_refused(tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"\x7fELF\0\0")
    with pytest.raises(ToolError, match="expected a readable Parquet file"):
        Recorded(tmp_path / "x.parquet")


def test_an_empty_file_is_refused(tmp_path):
    empty = pa.array([], pa.int64())
    path = parquet(tmp_path, user_id=empty, item_id=empty, timestamp=empty)
    with pytest.raises(ToolError, match="expected at least one row"):
        Recorded(path)


def test_generated_events_are_deterministic_and_unique():
    source = Generated(12_000, GeneratorParams(seed=5))
    events = written(source)
    assert events == written(source)
    assert len({event["event_id"] for _, event in events}) == source.events == 12_000
    assert all(("value" in event) == (event["event_type"] == "rating") for _, event in events)


def test_a_rate_spreads_events_evenly_and_a_speed_follows_event_time():
    assert Pace().due(0, [1, 2], 0) is None
    assert Pace(rate=10).due(5, [0, 0], 0).tolist() == [0.5, 0.6]
    assert Pace(speed=60).due(0, [1_000, 61_000], 1_000).tolist() == [0.0, 1.0]
    assert Pace(speed=60).due(0, [61_000, 1_000], 1_000).tolist() == [1.0, 1.0]


def test_events_are_sent_when_they_are_due():
    begin = time.monotonic()
    due = np.array([0.0, 0.0, 0.05, 0.1])
    parts = [
        (len(part), time.monotonic() - begin)
        for part in produce._when_due([(b"", b"")] * 4, due, begin)
    ]
    assert sum(size for size, _ in parts) == 4
    assert parts[0][0] == 2
    assert parts[-1][1] >= 0.1


def test_encoding_is_fast_enough_for_a_benchmark():
    block = Block(
        [str(n) for n in range(20_000)],
        ["user"] * 20_000,
        ["item"] * 20_000,
        ["view"] * 20_000,
        [1] * 20_000,
        [None] * 20_000,
    )
    took = []
    for _ in range(3):  # the best of three: others may want the core as well
        begin = time.process_time()
        assert len(list(encoded(block))) == 20_000
        took.append(time.process_time() - begin)
    assert min(took) < 0.2  # 100,000/s, far below what is usual
