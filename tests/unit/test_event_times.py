"""Times of a replay: shifted where the job would refuse them, and always told."""

import argparse
import itertools

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conf.loader import load
from scripts.tools.cluster.paths import LOCAL_CONFIG
from scripts.tools.data import event_times
from scripts.tools.data.behaviour import DAY_MS, Generated, Recorded
from scripts.tools.data.event_times import Window, in_time
from scripts.tools.data.generator import GeneratorParams
from scripts.tools.kafka.produce import encoded

NOW_MS = 1_795_770_000_000
WINDOW = Window(946_684_800_000, 300_000, NOW_MS)
UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def seconds(date):
    return int(np.datetime64(date, "s").astype(np.int64))


def recorded(tmp_path, stamps, **columns):
    path = tmp_path / "plays.parquet"
    numbers = list(range(len(stamps)))
    table = {"user_id": numbers, "item_id": numbers, "timestamp": stamps, **columns}
    pq.write_table(pa.table(table), path)
    return Recorded(path)


AGES = ("1970-03-01", "1984-02-29", "1997-09-20", "2005-01-01", "2026-11-20", "2050-01-01",
        "2099-12-31")  # fmt: skip


@pytest.mark.parametrize(("age", "unit"), list(itertools.product(AGES, UNITS)))
def test_a_file_of_any_age_in_any_unit_is_sent_with_times_that_the_job_takes(tmp_path, age, unit):
    begin = seconds(age)
    stamps = [(begin + offset) * UNITS[unit] for offset in (3_600, 0, 86_400 * 3, 7_200)]
    found = in_time(recorded(tmp_path, stamps), WINDOW, "auto")
    assert WINDOW.outside(found.times) == 0
    assert np.diff(found.times).tolist() == [3_600_000, 3_600_000, 252_000_000]
    assert len(list(encoded(next(found.blocks())))) == 4


@pytest.mark.parametrize("age", ["1970-01-01", "1970-01-02"])
def test_the_first_days_of_all_are_understood_in_seconds(tmp_path, age):
    found = in_time(recorded(tmp_path, [seconds(age) + 5, seconds(age)]), WINDOW, "auto")
    assert WINDOW.outside(found.times) == 0
    assert np.diff(found.times).tolist() == [5_000]


@pytest.mark.parametrize("date", ["1997-09-20", "2090-01-01"])
def test_shifted_times_end_in_the_last_day_at_the_same_time_of_day(tmp_path, date):
    source = recorded(tmp_path, [seconds(date) + 7, seconds(date)])
    found = in_time(source, WINDOW, "auto")
    assert 0 <= NOW_MS - found.times.max() < DAY_MS
    assert (found.times - source.times).tolist() == [(found.times - source.times)[0]] * 2
    assert found.times.max() % DAY_MS == 7_000


def test_what_was_shifted_says_so_with_why_and_from_when_to_when(tmp_path, capsys):
    in_time(recorded(tmp_path, [seconds("1997-09-20"), seconds("1998-04-23")]), WINDOW, "auto")
    told = capsys.readouterr().err
    assert "shifted by +10,445 days, from 1997-09-20 … 1998-04-23 to 2026-04-2" in told
    assert "2 of 2 different events are outside what the job takes, 2000-01-01" in told
    assert "events.earliest" in told
    assert "--times keep" in told


def test_times_that_the_job_takes_stay_and_nothing_is_said(tmp_path, capsys):
    source = recorded(tmp_path, [seconds("2005-01-01")])
    capsys.readouterr()
    assert in_time(source, WINDOW, "auto") is source
    assert capsys.readouterr().err == ""


def test_times_are_kept_when_asked_to_and_what_will_be_refused_is_told(tmp_path, capsys):
    source = recorded(tmp_path, [seconds("1997-09-20"), seconds("2005-01-01")])
    assert in_time(source, WINDOW, "keep") is source
    told = capsys.readouterr().err
    assert "got 1 of 2 different events outside, which the job refuses; --times shift" in told


def test_times_are_shifted_when_asked_to_though_the_job_takes_them(tmp_path, capsys):
    found = in_time(recorded(tmp_path, [seconds("2005-01-01")]), WINDOW, "shift")
    assert 0 <= NOW_MS - found.times.max() < DAY_MS
    assert "because --times shift says so" in capsys.readouterr().err


def test_a_file_longer_than_what_the_job_takes_is_shifted_as_far_as_it_helps(tmp_path, capsys):
    source = recorded(tmp_path, [seconds("1960-01-01"), seconds("1990-01-01")])
    found = in_time(source, WINDOW, "auto")
    assert WINDOW.outside(found.times) == 1
    assert "got 1 of 2 different events outside" in capsys.readouterr().err


def test_a_zero_that_stands_for_no_time_shifts_nothing(tmp_path, capsys):
    source = recorded(tmp_path, [0, seconds("2020-01-01")])
    assert in_time(source, WINDOW, "auto") is source
    assert "1 of 2" in capsys.readouterr().err


def test_the_same_file_on_the_same_day_gives_the_same_events_and_others_on_another(tmp_path):
    source = recorded(tmp_path, [seconds("1997-09-20")])

    def sent(now_ms):
        window = Window(WINDOW.earliest_ms, WINDOW.max_future_ms, now_ms)
        return list(encoded(next(in_time(source, window, "auto").blocks())))

    assert sent(NOW_MS) == sent(NOW_MS + 60_000)
    assert sent(NOW_MS) != sent(NOW_MS + 2 * DAY_MS)
    ids = {sent(now)[0][1].split(b'"')[3] for now in (NOW_MS, NOW_MS + 2 * DAY_MS)}
    assert len(ids) == 2  # the job would call one id with two times a conflict


def test_generated_events_are_shifted_too():
    source = Generated(500, GeneratorParams(seed=5))
    window = Window(NOW_MS - 30 * DAY_MS, 300_000, NOW_MS)
    found = in_time(source, window, "auto")
    (block,) = found.blocks()
    (before,) = source.blocks()
    assert window.outside(np.array(block.times)) == 0
    assert block.users == before.users
    assert not set(block.event_ids) & set(before.event_ids)


def test_the_configuration_says_what_the_job_takes():
    window = Window.of(load(LOCAL_CONFIG, ["events.earliest=1990-01-01"]))
    assert window.outside(np.array([seconds("1995-01-01") * 1000])) == 0
    assert "1990-01-01 (events.earliest) to 5 min ahead" in str(window)


def test_the_choices_are_an_option():
    parser = argparse.ArgumentParser()
    event_times.add_argument(parser)
    assert parser.parse_args([]).times == "auto"
    assert parser.parse_args(["--times", "keep"]).times == "keep"
