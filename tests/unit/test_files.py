"""Files of behaviour as people have them: what they are, which column is what, what cells mean."""

import argparse
import datetime as dt
import gzip
import json
import shlex
import sys
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conf.loader import load
from conf.parameters import event_policy
from conf.schema import JobConfig
from scripts.tools.benchmarks import options as benchmark_options
from scripts.tools.benchmarks import throughput
from scripts.tools.cluster.paths import LOCAL_CONFIG
from scripts.tools.commands import demo, replay
from scripts.tools.console import ToolError
from scripts.tools.data import accepted, columns
from scripts.tools.data.behaviour import Recorded
from scripts.tools.data.ids import Place, ids
from scripts.tools.data.tables import opened
from scripts.tools.evaluate import evaluate
from scripts.tools.evaluate.ranking.sample import ordinals
from scripts.tools.evaluate.stream.records import batches

T = 1_700_000_000
"""A time, s."""
POLICY = event_policy(JobConfig())


def text(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content)
    return path


def parquet(tmp_path, name="plays.parquet", **table):
    path = tmp_path / name
    pq.write_table(pa.table(table), path)
    return path


def of(source):
    """User, item, time in ms, type and value of every event."""
    return [
        row
        for block in source.blocks()
        for row in zip(
            block.users, block.items, block.times, block.types, block.values, strict=True
        )
    ]


def ones(n):
    return list(range(n))


# files


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("ratings.csv", f"userId,movieId,rating,timestamp\n1,31,2.5,{T}\n"),
        ("ratings.tsv", f"user\titem\tstars\tts\n1\t31\t2.5\t{T}\n"),
        ("excel.csv", f"\ufeffuser_id;item_id;rating;time\n1;31;2.5;{T}\n"),
        ("u.data", f"1\t31\t2.5\t{T}\n"),
        ("ratings.dat", f"1::31::2.5::{T}\n"),
        ("some;.csv", f"user_id,item_id,rating,time,a;b\n1,31,2.5,{T},\n"),
        ("quoted.csv", f'"user_id","note","item_id","rating","time"\n"1","a, b\nc","31",2.5,{T}\n'),
        ("windows.csv", f"user_id,item_id,rating,time\r\n1,31,2.5,{T}\r\n"),
        ("no-suffix", f"user_id,item_id,rating,time\n1,31,2.5,{T}\n"),
    ],
)
def test_text_files_are_read_as_they_are(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content.encode())
    assert of(Recorded(path)) == [("1", "31", T * 1000, "rating", 2.5)]


@pytest.mark.parametrize(
    ("line", "columns"),
    [
        ("user_id,item_id,timestamp,2024", ("user_id", "item_id", "timestamp", "2024")),
        ("user_id,item_id,timestamp,inf", ("user_id", "item_id", "timestamp", "inf")),
        ("a::b,user_id,item_id,timestamp", ("a::b", "user_id", "item_id", "timestamp")),
        (f"u,7,{T}", ("1", "2", "3")),
    ],
)
def test_a_line_of_names_has_no_time_in_it(tmp_path, line, columns):
    assert opened(text(tmp_path, "a.csv", f"{line}\n1,2,{T},x\n")).names == columns


def test_an_event_has_one_id_however_its_file_was_named(tmp_path):
    parts = []
    for day in ("date=01", "date=02", "plain"):
        (tmp_path / "all" / day).mkdir(parents=True)
        content = f"user_id,item_id,time\n{day},a,{T}\n"
        parts.append(text(tmp_path / "all" / day, "part-0.csv", content))
    alone = [id_ for part in parts for block in Recorded(part).blocks() for id_ in block.event_ids]
    (whole,) = Recorded(tmp_path / "all").blocks()
    assert sorted(alone) == sorted(whole.event_ids) == [
        "date=01/part-0-0", "date=02/part-0-0", "plain/part-0-0"
    ]  # fmt: skip


@pytest.mark.parametrize("day", ["9999-12-31", "1600-05-01", "2500-01-01T00:00:00.123456789Z"])
def test_times_of_any_year_stay_in_it(tmp_path, day):
    path = text(tmp_path, "a.csv", f"user_id,item_id,time\nann,a,{day}\n")
    (event,) = of(Recorded(path))
    assert str(np.datetime64(event[2], "ms"))[:10] == day[:10]


@pytest.mark.parametrize("plan", ["ga4", "segment", "minimal"])
def test_a_job_that_reads_events_of_another_form_is_told_before_files_are_sent(tmp_path, plan):
    path = text(tmp_path, "a.csv", f"user_id,item_id,time\nann,a,{T}\n")
    policy = event_policy(load(LOCAL_CONFIG, [f"events.plan={plan}"]))
    with pytest.raises(ToolError, match="expected a job that takes the project's own events"):
        accepted.check(Recorded(path), policy, send_refused=False)
    accepted.check(Recorded(path), policy, send_refused=True)
    own = event_policy(load(LOCAL_CONFIG, ["events.default_type=view", "events.ignore=[page]"]))
    accepted.check(Recorded(path), own, send_refused=False)


@pytest.mark.parametrize(("least", "most"), [(0.1234567, 7.0), (1.0, 10.0), (-3.25, 1e6)])
def test_settings_that_are_advised_fit(tmp_path, least, most):
    path = text(tmp_path, "a.csv", "user_id,item_id,rating,time\n" + "".join(
        f"ann,i{n},{value!r},{T + n}\n" for n, value in enumerate((least, most))))  # fmt: skip
    with pytest.raises(ToolError) as caught:
        accepted.check(Recorded(path), POLICY, send_refused=False)
    said = shlex.split(str(caught.value).partition("here: ")[2].partition(";")[0])
    fits = load(LOCAL_CONFIG, [said[n + 1] for n in range(0, len(said), 2)])
    accepted.check(Recorded(path), event_policy(fits), send_refused=False)


def test_a_packed_file_is_unpacked(tmp_path):
    path = tmp_path / "ratings.csv.gz"
    path.write_bytes(gzip.compress(f"userId,movieId,rating,timestamp\n1,31,2.5,{T}\n".encode()))
    source = Recorded(path)
    assert of(source) == [("1", "31", T * 1000, "rating", 2.5)]
    assert next(source.blocks()).event_ids == ["ratings-0"]


def test_what_a_file_is_its_content_says_not_its_name(tmp_path):
    csv = text(tmp_path, "a.parquet", f"user_id,item_id,timestamp\n1,2,{T}\n")
    assert of(Recorded(csv)) == [("1", "2", T * 1000, "view", None)]
    other = parquet(tmp_path, "b.csv", user_id=[1], item_id=[2], timestamp=[T])
    assert of(Recorded(other)) == [("1", "2", T * 1000, "view", None)]


def test_a_folder_is_its_files_by_name_but_for_hidden_ones(tmp_path):
    parquet(tmp_path, "b.parquet", user_id=[2], item_id=[2], timestamp=[T])
    text(tmp_path, "a.csv", f"user_id,item_id,timestamp\n1,2,{T}\n")
    (tmp_path / "c").mkdir()
    text(tmp_path / "c", "a.csv", f"user_id,item_id,timestamp\n3,2,{T}\n")
    for name in ("_SUCCESS", ".hidden.csv", "_part.csv", "README.md"):
        text(tmp_path, name, "x")
    text(tmp_path, "empty.csv", "")
    source = Recorded(tmp_path)
    assert [user for user, *_ in of(source)] == ["1", "2", "3"]
    assert next(source.blocks()).event_ids == ["a-0", "b-0", "a~2-0"]


def test_several_files_are_one_stream_in_the_order_of_times(tmp_path, capsys):
    later = text(tmp_path, "a.csv", f"user_id,item_id,timestamp\n1,2,{T + 1}\n")
    seconds = text(tmp_path, "b.csv", f"user_id,item_id,timestamp\n2,2,{T}\n")
    odd = text(tmp_path, "c.csv", f"visitorid;itemid;ts\n3;2;{T + 2}000\n")
    assert [row[:3] for row in of(Recorded(later, seconds, odd))] == [
        ("2", "2", T * 1000), ("1", "2", T * 1000 + 1000), ("3", "2", T * 1000 + 2000),
    ]  # fmt: skip
    told = capsys.readouterr().err.splitlines()
    assert told == [
        f"{later}: columns user=user_id,item=item_id,time=timestamp; 1 more files alike",
        f"{odd}: columns user=visitorid,item=itemid,time=ts",
    ]
    assert len(of(Recorded(later, seconds, events=1))) == 1


def test_the_first_rows_are_counted_over_files_and_batches(tmp_path, monkeypatch):
    monkeypatch.setattr("scripts.tools.data.tables.BATCH", 3)
    rows = {"item_id": [1] * 8, "timestamp": [T + n for n in range(8)]}
    first = parquet(tmp_path, "a.parquet", user_id=[f"a{n}" for n in range(8)], **rows)
    second = parquet(tmp_path, "b.parquet", user_id=[f"b{n}" for n in range(8)], **rows)
    for limit, expected in ((2, 2), (3, 3), (7, 7), (8, 8), (10, 10), (99, 16)):
        assert Recorded(first, second, events=limit).events == expected


def test_a_benchmark_repeats_a_file_as_often_as_needed(tmp_path):
    path = text(tmp_path, "a.csv", f"who,item_id,timestamp\n1,2,{T}\n3,2,{T}\n")
    given = argparse.Namespace(data=[path], columns={"user": "who"}, events=7)
    found = throughput._events(given)
    assert found.events == len(of(found)) == 8
    assert len({row[0] for row in of(found)}) == 8


def test_a_benchmark_makes_no_rating_of_a_price(tmp_path):
    data = Recorded(typed(tmp_path, ["purchase", "rating"], [99.0, 4.5]))
    (block,) = throughput.rated(data.blocks())
    assert block.types == ["rating"] * 2
    assert block.values == [1.0, 4.5]


@pytest.mark.parametrize("tool", ["replay", "demo", "benchmark"])
def test_data_takes_several_paths_and_may_come_again(tool):
    if tool == "benchmark":
        parser = argparse.ArgumentParser()
        benchmark_options.accuracy(parser)
    else:
        parser = {"replay": replay, "demo": demo}[tool]._parser()
    found = parser.parse_args(["--data", "a", "b", "--data", "c", "--columns", "user=U,item=I"])
    assert [path.name for path in found.data] == ["a", "b", "c"]
    assert found.columns == {"user": "U", "item": "I"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "expected at least one row, got none"),
        ("a.csv", b"user_id,item_id,timestamp\n", "expected at least one row, got none"),
        ("a.csv", b"user_id,item_id,timestamp\n1,2\n", "expected 3 cells in every line, got 2 in"),
        ("a.dat", b"1::2::3::1700000000\n1::2::3\n", "expected 4 cells in every line, got 3 in"),
        ("a.csv", b"user_id,item_id,timestamp\n\xff\xfe,2,3\n", "expected a readable text file in"),
        ("a.parquet", b"PAR1 and no more", "expected a readable Parquet file, got: "),
        ("a.csv.gz", b"\x1f\x8b\x08\0cut", "expected a readable Parquet file, or a text file"),
        ("a.zip", b"PK\3\4\0\0", "got other bytes; convert it, or unpack an archive first"),
        ("a.csv", b"1,2,3\n4,5,6\n", "expected the columns user_id, .*, got 1, 2, 3; .* user=NAME"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ToolError, match=message) as error:
        Recorded(tmp_path / name)
    assert str(error.value).startswith(str(tmp_path / name))
    assert "\n" not in str(error.value)


def test_missing_files_and_folders_without_files_are_told(tmp_path):
    with pytest.raises(ToolError, match=r"none: expected a readable .*, got no such file"):
        Recorded(tmp_path / "none")
    with pytest.raises(ToolError, match=r"expected files named \*.parquet, .*, got none"):
        Recorded(tmp_path)


def test_a_cut_off_parquet_file_is_one_line(tmp_path):
    path = parquet(tmp_path, user_id=ones(9), item_id=ones(9), timestamp=[T] * 9)
    data = bytearray(path.read_bytes())
    data[4:60] = b"\xff" * 56
    path.write_bytes(bytes(data))
    with pytest.raises(ToolError, match="expected a readable Parquet file, got: ") as error:
        Recorded(path)
    assert "\n" not in str(error.value)


# columns


@pytest.mark.parametrize(
    "names",
    [
        ("userId", "movieId", "timestamp", "rating"),
        ("USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_VALUE"),
        ("reviewerID", "asin", "unixReviewTime", "overall"),
        ("customer_id", "article_id", "event_time", "stars"),
        ("visitorid", "sku", "ts", "Rating"),
        ("User", "productId", "event_timestamp", "rating"),
    ],
)
def test_usual_names_are_found_by_themselves(tmp_path, names, capsys):
    user, item, time, rating = names
    path = parquet(tmp_path, **{user: ["u"], item: ["i"], time: [T], rating: [4], "price": [3.5]})
    assert of(Recorded(path)) == [("u", "i", T * 1000, "rating", 4.0)]
    told = f"{path}: columns user={user},item={item},time={time},rating={rating}\n"
    assert capsys.readouterr().err == told


def test_columns_are_named_by_the_option(tmp_path):
    path = parquet(tmp_path, who=["u"], what=["i"], t_dat=[T], kind=["buy"], user_id=["x"])
    given = {"user": "who", "item": "what", "time": "t_dat", "type": "kind"}
    assert of(Recorded(path, columns=given)) == [("u", "i", T * 1000, "buy", None)]


def test_lines_without_names_are_named_by_number(tmp_path):
    path = text(tmp_path, "a.csv", f"u,7,{T}\n")
    given = {"user": "1", "item": "2", "time": "3"}
    assert of(Recorded(path, columns=given)) == [("u", "7", T * 1000, "view", None)]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "expected one column for item, got item_id and sku; .* --columns item=item_id"),
        (
            {"item": "article"},
            "expected the name of a column for item, got article; it has user_id",
        ),
    ],
)
def test_what_is_not_clear_is_told(tmp_path, given, message):
    path = parquet(tmp_path, user_id=[1], item_id=[1], sku=[1], timestamp=[T])
    with pytest.raises(ToolError, match=message):
        Recorded(path, columns=given)
    assert len(of(Recorded(path, columns={"item": "sku"}))) == 1


def test_files_of_several_kinds_are_told(tmp_path):
    rated = parquet(tmp_path, "a.parquet", user_id=[1], item_id=[1], timestamp=[T], rating=[1])
    plain = parquet(tmp_path, "b.parquet", user_id=[1], item_id=[1], timestamp=[T])
    with pytest.raises(ToolError, match=r"b\.parquet: expected columns for user, .*rating, as in"):
        Recorded(rated, plain)


@pytest.mark.parametrize("words", ["user", "user=", "whom=a", "user=a,user=b", "period=a"])
def test_an_option_that_means_nothing_is_told(words, capsys):
    parser = argparse.ArgumentParser()
    columns.add_arguments(parser)
    with pytest.raises(SystemExit, match="2"):
        parser.parse_args(["--columns", words])
    assert "expected each of user, item, time, type, rating at most once" in capsys.readouterr().err


# values


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([7, 8], pa.uint8()), ["7", "8"]),
        (pa.array([7.0, 8.0]), ["7", "8"]),
        (pa.array([Decimal("7.00"), Decimal("80.00")]), ["7", "80"]),
        (pa.array([Decimal(7), Decimal(80)]), ["7", "80"]),
        (pa.array(["a", "1.0"]), ["a", "1.0"]),
        (pa.array(["a", "b"]).dictionary_encode(), ["a", "b"]),
        (pa.array([2**53 - 1, 2**60]), ["9007199254740991", str(2**60)]),
        (pa.array(["a", "b"], pa.large_string()), ["a", "b"]),
        (pa.array([b"a", "\u00e9".encode()]), ["a", "\u00e9"]),
    ],
)
def test_ids_of_any_type_are_text(tmp_path, values, expected):
    path = parquet(tmp_path, user_id=values, item_id=[1, 2], timestamp=[T, T])
    assert [user for user, *_ in of(Recorded(path))] == expected


def test_ids_of_a_text_file_are_as_written_but_whole_floats(tmp_path):
    path = text(tmp_path, "a.csv", f"user_id,item_id,time\n007,1.0,{T}\n x ,2.50,{T}\n")
    assert [row[:2] for row in of(Recorded(path))] == [("007", "1"), ("x", "2.50")]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0, 2.5], "user_id: expected whole numbers or text, got 2.5 in row 1"),
        ([1.0, float("inf")], "user_id: expected whole numbers or text, got inf in row 1"),
        ([1.0, 2.0**60], r"user_id: expected ids up to 2\^53, got 1152921504606846976 in row 1"),
        ([Decimal("1.0"), Decimal("2.5")], "got 2.5 in row 1"),
        ([[1], [2]], "user_id: expected whole numbers or text, got list"),
        ([b"a", b"\xff"], "user_id: expected whole numbers or text, got binary"),
        ([True, False], "user_id: expected whole numbers or text, got bool"),
    ],
)
def test_ids_that_are_none_are_told_with_column_value_and_row(tmp_path, values, message):
    path = parquet(tmp_path, user_id=values, item_id=[1, 2], timestamp=[T, T])
    with pytest.raises(ToolError, match=message):
        Recorded(path)


INSTANT = dt.datetime(2024, 5, 1, 10, tzinfo=dt.UTC)
MS = int(INSTANT.timestamp() * 1000)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (MS // 1000, MS),
        (float(MS // 1000), MS),
        (MS / 1000 + 0.123, MS + 123),
        (Decimal(MS) / 1000, MS),
        (INSTANT, MS),
        (INSTANT.replace(tzinfo=None), MS),
        (INSTANT.astimezone(dt.timezone(dt.timedelta(hours=2))), MS),
        (INSTANT.date(), MS - 36_000_000),
        ("2024-05-01T10:00:00Z", MS),
        ("2024-05-01 10:00:00", MS),
        ("2024-05-01 10:00", MS),
        ("2024-05-01 10:00:00 UTC", MS),
        ("2024-05-01T10:00:00.123456789Z", MS + 123),
        ("2024-05-01T10:00:00.123", MS + 123),
        ("2024-05-01T12:00:00+02:00", MS),
        ("2024-05-01 12:00:00 +0200", MS),
        ("2024-05-01T08:00:00-02", MS),
        ("2024-05-01", MS - 36_000_000),
        (f" {MS} ", MS),
        (f"{MS // 1000}.25", MS + 250),
    ],
)
def test_times_of_any_form_are_milliseconds(tmp_path, value, expected):
    path = parquet(tmp_path, user_id=[1], item_id=[1], timestamp=[value])
    assert of(Recorded(path))[0][2] == expected
    if isinstance(value, str):
        path = text(tmp_path, "a.csv", f"user_id,item_id,timestamp\n1,1,{value}\n")
        assert of(Recorded(path))[0][2] == expected


def test_forms_with_and_without_a_zone_may_be_mixed(tmp_path):
    stamps = ["2024-05-01T10:00:00Z", "2024-05-01 10:00:00", "2024-05-01T12:00:00+02:00"]
    path = parquet(tmp_path, user_id=[1] * 3, item_id=[1] * 3, timestamp=stamps)
    assert [row[2] for row in of(Recorded(path))] == [MS] * 3


@pytest.mark.parametrize(
    ("stamps", "message"),
    [
        (["2024-05-01", "soon"], "timestamp: expected times such as .*, got 'soon' in row 1"),
        (["1700000000", "2024-05-01"], "expected numbers as in other rows, got '2024-05-01' in"),
        ([1e30, 1.0], "timestamp: .*up to 2106, got 1e.30"),
        ([True, False], "timestamp: expected numbers, got bool"),
    ],
)  # fmt: skip
def test_times_that_are_none_are_told(tmp_path, stamps, message):
    path = parquet(tmp_path, user_id=[1, 1], item_id=[1, 1], timestamp=stamps)
    with pytest.raises(ToolError, match=message):
        Recorded(path)


@pytest.mark.parametrize(
    "values", [[4, 3], [4.0, 3.0], [Decimal("4.0"), Decimal("3.0")], ["4", " 3.0 "]]
)
def test_ratings_of_any_type_are_numbers(tmp_path, values):
    path = parquet(tmp_path, user_id=[1, 1], item_id=[1, 1], timestamp=[T, T], rating=values)
    assert [row[4] for row in of(Recorded(path))] == [4.0, 3.0]


def test_a_rating_that_is_no_number_is_told(tmp_path):
    path = text(tmp_path, "a.csv", f"user_id,item_id,rating,time\n1,1,4,{T}\n1,1,good,{T}\n")
    with pytest.raises(ToolError, match="rating: expected numbers, got 'good' in row 1"):
        Recorded(path)


# rows without values


@pytest.mark.parametrize("gap", [None, ""])
@pytest.mark.parametrize("name", ["user_id", "item_id"])
def test_rows_without_an_id_are_left_out_and_told(tmp_path, name, gap, capsys):
    table = {"user_id": list("abc"), "item_id": list("def"), "timestamp": [T] * 3}
    table[name][1] = gap
    source = Recorded(parquet(tmp_path, **table))
    assert [row[:2] for row in of(source)] == [("a", "d"), ("c", "f")]
    assert next(source.blocks()).event_ids == ["plays-0", "plays-2"]
    assert f"1 of 3 rows left out: no {name}\n" in capsys.readouterr().err


def test_a_row_is_left_out_once_whatever_it_lacks(tmp_path, capsys):
    lines = [f"a,b,{T}", f",,{T}", "a,b,NaN", f"c,d,{T}", f"e,f,{T}"]
    path = text(tmp_path, "a.csv", "\n".join(["user_id,item_id,time", *lines, ""]))
    assert [row[0] for row in of(Recorded(path))] == ["a", "c", "e"]
    assert "2 of 5 rows left out: no user_id (1), no time (1)" in capsys.readouterr().err


def test_a_column_with_a_gap_that_pandas_made_floats_of_is_whole(tmp_path):
    path = parquet(
        tmp_path, user_id=[1.0, float("nan"), 3.0], item_id=[1.0, 2.0, 3.0],
        timestamp=[float(T), float(T), float("nan")],
    )  # fmt: skip
    with pytest.raises(ToolError, match="expected values in most rows, got 2 of 3 rows left out"):
        Recorded(path)
    path = parquet(
        tmp_path, user_id=[1.0, float("nan"), 3.0], item_id=[1.0, 2.0, 3.0], timestamp=[T] * 3
    )
    assert [row[:2] for row in of(Recorded(path))] == [("1", "1"), ("3", "3")]


def test_a_row_without_a_rating_is_a_view(tmp_path):
    path = parquet(tmp_path, user_id=[1, 1], item_id=[1, 2], timestamp=[T, T], rating=[4.0, None])
    assert [row[3:] for row in of(Recorded(path))] == [("rating", 4.0), ("view", None)]


# types and ratings that the job knows


def typed(tmp_path, kinds, values=None):
    n = len(kinds)
    more = {} if values is None else {"EVENT_VALUE": values}
    return parquet(
        tmp_path, USER_ID=[f"u{k % 2}" for k in range(n)], ITEM_ID=[f"i{k}" for k in range(n)],
        TIMESTAMP=[T + k for k in range(n)], EVENT_TYPE=kinds, **more,
    )  # fmt: skip


def test_types_are_sent_as_they_are_with_their_values(tmp_path):
    path = typed(tmp_path, ["purchase", "rating", "dislike"], [19.5, 4.0, None])
    found = [row[3:] for row in of(Recorded(path))]
    assert found == [("purchase", 19.5), ("rating", 4.0), ("dislike", None)]


def test_rows_without_a_type_are_left_out_where_others_have_one(tmp_path, capsys):
    path = typed(tmp_path, ["purchase", None, "view"])
    assert [row[3] for row in of(Recorded(path))] == ["purchase", "view"]
    assert "1 of 3 rows left out: no EVENT_TYPE" in capsys.readouterr().err


def checked(path, policy=POLICY, *, send_refused=False):
    accepted.check(Recorded(path), policy, send_refused=send_refused)


def test_types_that_the_job_does_not_know_are_told(tmp_path, capsys):
    checked(typed(tmp_path, ["view", "buy", "buy", "like it"]))
    told = capsys.readouterr().err.splitlines()[-1]
    assert "got 3 of 4 rows of others, which become dead letters: buy 2, like it 1;" in told
    assert told.endswith(": --set events.weights.buy=1 --set 'events.weights.like it=1'")


def test_a_type_of_several_lines_is_told_in_one(tmp_path, capsys):
    checked(typed(tmp_path, ["view", "a\nb"]))
    assert "dead letters: a b 1; give them weights" in capsys.readouterr().err.splitlines()[-1]


def test_the_advice_on_types_is_a_setting_that_works(tmp_path, capsys):
    path = typed(tmp_path, ["view", "buy", "like it"])
    checked(path)
    words = shlex.split(capsys.readouterr().err.splitlines()[-1].rpartition("here: ")[2])
    empty = text(tmp_path, "job.yaml", "events: {weights: {scroll: 0}}")
    policy = event_policy(load(empty, [word for word in words if word != "--set"]))
    assert policy.weights["scroll"] == 0
    checked(path, policy)
    assert "dead letters" not in capsys.readouterr().err


def test_types_that_are_ignored_are_no_dead_letters(tmp_path, capsys):
    policy = event_policy(JobConfig.model_validate({"events": {"ignore": ["page_*"]}}))
    checked(typed(tmp_path, ["view", "page_view"]), policy)
    assert "dead letters" not in capsys.readouterr().err


def test_types_of_which_none_is_known_are_refused(tmp_path, capsys):
    path = typed(tmp_path, ["buy", "like"])
    with pytest.raises(ToolError, match=r"got 2 of 2 rows of others.* with --send-refused"):
        checked(path)
    checked(path, send_refused=True)
    assert "got 2 of 2 rows of others" in capsys.readouterr().err


def rated(tmp_path, values):
    n = len(values)
    return parquet(tmp_path, user_id=ones(n), item_id=ones(n), timestamp=[T] * n, rating=values)


def test_ratings_outside_the_range_are_refused_with_what_to_set(tmp_path, capsys):
    path = rated(tmp_path, list(range(1, 11)))
    fit = "--set events.rating_min=1 --set events.rating_max=10 --set events.rating_centre=5.5"
    with pytest.raises(ToolError, match=f"got 5 of 10 outside.*from 1 to 10; .*here: {fit};"):
        checked(path)
    checked(path, send_refused=True)
    assert fit in capsys.readouterr().err
    sections = {"rating_min": 1, "rating_max": 10, "rating_centre": 5.5}
    checked(path, event_policy(JobConfig.model_validate({"events": sections})))
    assert "dead letters" not in capsys.readouterr().err


def test_many_zeros_are_said_to_be_no_ratings(tmp_path):
    with pytest.raises(ToolError, match="40% are 0, which often means that there is no rating"):
        checked(rated(tmp_path, [0, 0, 3, 4, 5]))


def test_the_values_of_other_types_are_no_ratings(tmp_path):
    checked(typed(tmp_path, ["purchase", "rating"], [99.0, 4.0]))
    with pytest.raises(ToolError, match="got 1 of 1 outside"):
        checked(typed(tmp_path, ["purchase", "rating"], [99.0, 9.0]))


@pytest.mark.parametrize("tool", [replay, demo])
def test_nothing_is_sent_or_started_of_what_would_be_refused(tool, tmp_path, monkeypatch):
    def never(*_, **__):
        pytest.fail("expected a refusal before")

    monkeypatch.setattr(tool, "in_time", never)
    path = rated(tmp_path, list(range(1, 11)))
    monkeypatch.setattr(sys, "argv", ["tool", "--data", str(path), "--run-dir", str(tmp_path)])
    with pytest.raises(
        ToolError, match=r"ratings: expected 0.5 to 5, got 5 of 10 outside"
    ) as error:
        tool.main()
    assert error.value.code == 1


# evaluate


def test_of_types_those_of_a_positive_weight_are_positives(tmp_path):
    kinds = ["view", "dislike", "purchase", "rating", "rating", "what"]
    data = Recorded(typed(tmp_path, kinds, [None, None, None, 1.0, 5.0, None]))
    assert (ordinals(data) > 0).tolist() == [True, False, True, False, True, False]
    sent = [json.loads(value) for _, values, _ in batches(data) for value in values]
    assert [event["event_type"] for event in sent] == kinds


def test_ratings_without_types_are_views_with_or_without_a_rating(tmp_path):
    data = Recorded(rated(tmp_path, [1.0, None]))
    sent = [json.loads(value) for _, values, _ in batches(data) for value in values]
    assert [(event["event_type"], "value" in event) for event in sent] == [("view", False)] * 2
    assert (ordinals(data) > 0).all()


def test_ranking_goes_by_the_weights_of_types(tmp_path, monkeypatch, capsys):
    random = np.random.default_rng(1)
    kinds = ["view", "dislike", "what", "rating"]
    path = parquet(
        tmp_path, user=random.integers(0, 9, 300), sku=random.integers(0, 30, 300),
        ts=np.arange(300) + T, event=[kinds[n % 4] for n in range(300)], stars=[9.0] * 300,
    )  # fmt: skip
    arguments = [
        "evaluate",
        "ranking",
        "--data",
        str(path),
        "--models",
        "popularity",
        "--json",
        "-",
    ]
    monkeypatch.setattr(sys, "argv", [*arguments, "--score-every", "1"])
    assert evaluate.main() == 0
    shown = capsys.readouterr()
    document = json.loads(shown.out)
    assert document["fates"]["rejected"] == 150
    assert "got 75 of 300 rows of others" in shown.err
    assert "ratings: expected 0.5 to 5, got 75 of 75 outside" in shown.err
    assert "event types of their own, so no slice ge4" in shown.err


def test_types_of_which_none_is_known_are_not_ranked(tmp_path, monkeypatch):
    path = typed(tmp_path, ["buy", "like"])
    monkeypatch.setattr(sys, "argv", ["evaluate", "ranking", "--data", str(path)])
    with pytest.raises(ToolError, match=r"got 2 of 2 rows of others.*; rename them in the file"):
        evaluate.main()


def test_of_types_ratings_are_predicted_only(tmp_path, monkeypatch, capsys):
    path = typed(tmp_path, ["rating", "purchase"] * 20, [n % 4 + 1.0 for n in range(40)])
    pq.write_table(pq.read_table(path).set_column(0, "USER_ID", [[f"u{n % 3}" for n in range(40)]]),
                   path)  # fmt: skip
    arguments = ["evaluate", "ratings", "--data", str(path), "--models", "ekf", "--json", "-"]
    monkeypatch.setattr(sys, "argv", arguments)
    assert evaluate.main() == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["ratings"]["events"] == 20
    assert "20 of 40 rows left out: no rating" in shown.err


def test_sessions_are_read_from_text_and_by_other_names(tmp_path, monkeypatch, capsys):
    random = np.random.default_rng(1)
    rows = [f"{random.integers(0, 9)},{random.integers(0, 9)},{n // 100}" for n in range(300)]
    path = text(tmp_path, "clicks.csv", "\n".join(["sid,itemId,week", *rows]))
    monkeypatch.setattr(sys, "argv", [
        "evaluate", "sessions", "--data", str(path), "--models", "popularity", "--json", "-",
        "--columns", "session=sid,period=week",
    ])  # fmt: skip
    assert evaluate.main() == 0
    assert json.loads(capsys.readouterr().out)["clicks"] == 300


def test_all_empty_is_no_id():
    found = ids(pa.array([None, None]), Place("a", "user_id"))
    assert found.null_count == 2
