"""`scripts/train`: events out of files, rounds over slices of time, the job's gate and store."""

import json
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.keys import key_of
from scripts.tools.cluster.paths import TRAINER_PYTHON
from scripts.tools.commands import train
from scripts.tools.console import ToolError
from scripts.tools.data import tables, train_events
from state.store.model_store import ModelStore

with_torch = pytest.mark.skipif(
    not TRAINER_PYTHON.exists(), reason=".venv-train is missing: scripts/setup --train"
)
EVENTS = 3_000


def parquet(path, **columns):
    pq.write_table(pa.table(columns), path, row_group_size=7)
    return path


def behaviour(path, events=EVENTS, seed=1):
    random = np.random.default_rng(seed)
    items = np.cumsum(random.integers(0, 3, events)) % 40
    users = [f"u{n}" for n in random.integers(0, 60, events)]
    times = 1_700_000_000 + np.arange(events) * 10
    return parquet(path, user_id=users, item_id=items, timestamp=times)


def columns(folder):
    """What the trainer reads: parts in the order of their names."""
    return [
        np.concatenate([np.load(part) for part in sorted(folder.glob(f"{name}-*.npy"))]).tolist()
        for name in ("users", "items", "times")
    ]


def prepared(tmp_path, *paths, slices=1):
    files = train_events.scanned(paths, {})
    return train_events.prepare(files, tmp_path / "work", slices, lambda _: None)


def test_ids_become_the_jobs_keys_and_times_milliseconds(tmp_path):
    path = parquet(tmp_path / "a", user_id=["u", "v"], item_id=[8, 9], timestamp=[10**9, 10**9 + 1])
    data = prepared(tmp_path, path)
    assert columns(data.folder) == [
        [key_of("u"), key_of("v")], [key_of("8"), key_of("9")], [10**12, 10**12 + 1000],
    ]  # fmt: skip


@pytest.mark.parametrize("batch", [1, 3, 10, 1000])
def test_files_are_read_by_batches_in_any_size(tmp_path, monkeypatch, batch):
    monkeypatch.setattr(train_events, "_BATCH", batch)
    monkeypatch.setattr(tables, "BATCH", batch)
    size = 50
    rows = {"user_id": [n % 7 for n in range(size)], "item_id": [n % 5 for n in range(size)]}
    first = parquet(tmp_path / "a", **rows, timestamp=list(range(10**9, 10**9 + size)))
    later = parquet(tmp_path / "b", **rows, timestamp=list(range(2 * 10**9, 2 * 10**9 + size)))
    users, items, times = columns(prepared(tmp_path, first, later).folder)
    assert users == [key_of(str(n % 7)) for n in range(size)] * 2
    assert items == [key_of(str(n % 5)) for n in range(size)] * 2
    assert times == sorted(times)
    assert len(times) == 2 * size


def test_events_are_sorted_by_time_and_ties_keep_their_order(tmp_path, monkeypatch):
    monkeypatch.setattr(train_events, "_BATCH", 2)
    monkeypatch.setattr(tables, "BATCH", 2)
    late = parquet(tmp_path / "a", user_id=[1, 2], item_id=[1, 2], timestamp=[10**9 + 5, 10**9 + 7])
    early = parquet(tmp_path / "b", user_id=[3, 4], item_id=[3, 4], timestamp=[10**9 + 5, 10**9])
    users, _, times = columns(prepared(tmp_path, late, early).folder)
    assert users == [key_of(name) for name in ("4", "1", "3", "2")]
    assert times == [10**12 + 1000 * n for n in (0, 5, 5, 7)]


def test_the_unit_is_that_of_the_whole_file(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "BATCH", 1)
    times = [86_400_000, 10**12]  # the first alone, one day after 1970, would look like seconds
    path = parquet(tmp_path / "a", user_id=[1, 1], item_id=[1, 2], timestamp=times)
    assert columns(prepared(tmp_path, path).folder)[2] == times


def test_a_round_gets_its_slice_and_those_before(tmp_path):
    data = prepared(tmp_path, behaviour(tmp_path / "a"), slices=4)
    assert data.ends == (750, 1500, 2250, 3000)
    whole = columns(data.folder)
    for slices, end in enumerate(data.ends, start=1):
        folder = tmp_path / f"round-{slices}"
        folder.mkdir()
        data.lay_out(folder, slices)
        assert columns(folder) == [column[:end] for column in whole]


def test_rows_without_a_value_are_left_out_and_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tables, "BATCH", 2)
    times = list(range(10**9, 10**9 + 5))
    path = parquet(tmp_path / "a", user_id=[1] * 5, item_id=[1, None, 3, 4, None], timestamp=times)
    data = prepared(tmp_path, path, slices=3)
    assert columns(data.folder)[1] == [key_of(name) for name in "134"]
    assert data.ends == (1, 2, 3)
    assert "2 of 5 rows left out: no item_id\n" in capsys.readouterr().err


def test_of_events_with_types_those_of_liking_are_taken(tmp_path, capsys):
    kinds = ["view", "dislike", "purchase", "impression"]
    path = parquet(
        tmp_path / "a", user_id=[1] * 4, item_id=[1, 2, 3, 4], event_type=kinds,
        timestamp=list(range(10**9, 10**9 + 4)),
    )  # fmt: skip
    assert columns(prepared(tmp_path, path).folder)[1] == [key_of("1"), key_of("3")]
    told = "2 of 4 rows left out: events of no liking: dislike 1, impression 1"
    assert told in capsys.readouterr().err


def test_text_files_and_folders_give_what_parquet_gives(tmp_path):
    folder = tmp_path / "days"
    folder.mkdir()
    (folder / "1.csv").write_text("userId,movieId,rating,timestamp\nu,8,4.5,1000000000\n")
    (folder / "2.csv").write_text("userId,movieId,rating,timestamp\nv,9,,1000000001\n")
    assert columns(prepared(tmp_path, folder).folder) == [
        [key_of("u"), key_of("v")], [key_of("8"), key_of("9")], [10**12, 10**12 + 1000],
    ]  # fmt: skip


def test_missing_files_and_columns_are_refused(tmp_path):
    with pytest.raises(ToolError, match="expected a readable Parquet file"):
        prepared(tmp_path, tmp_path / "none")
    with pytest.raises(
        ToolError, match="rename or add item_id, or say what they are: --columns item=NAME"
    ):
        prepared(tmp_path, parquet(tmp_path / "a", user_id=[1], timestamp=[10**9]))


def test_a_text_file_is_read_part_by_part(tmp_path):
    path, line = tmp_path / "a.csv", "user-1111,item-2222,1700000000\n"
    path.write_text("user_id,item_id,timestamp\n" + line * 200_000 + "cut off")
    parts = tables.opened(path).batches(["user_id", "timestamp"])
    sizes = [len(next(parts)) for _ in range(3)]  # what is wrong at the end is not seen yet
    assert all(0 < size < 50_000 for size in sizes)
    with pytest.raises(ToolError, match="expected 3 cells in every line, got 1 in line 200002"):
        list(parts)


def test_fewer_events_than_rounds_are_refused(tmp_path):
    path = parquet(tmp_path / "a", user_id=[1], item_id=[1], timestamp=[10**9])
    with pytest.raises(ToolError, match="expected at least 2 events, got 1"):
        prepared(tmp_path, path, slices=2)


def tool(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["train", *map(str, arguments)])
    return train.main()


SMALL = (
    "--steps", 5, "--batch", 8, "--dim", 8, "--width", 8, "--json",
)  # fmt: skip


def test_without_torch_it_says_what_to_run(tmp_path, monkeypatch):
    monkeypatch.setattr(train, "trainer_python", lambda: None)
    with pytest.raises(ToolError, match="run scripts/setup --train"):
        tool(monkeypatch, "--data", tmp_path / "a", "--out", tmp_path / "store")


@with_torch
def test_rounds_follow_each_other_and_the_store(tmp_path, monkeypatch, capsys):
    path, out = behaviour(tmp_path / "a"), tmp_path / "store"
    assert tool(monkeypatch, "--data", path, "--out", out, "--rounds", 2, *SMALL) == 0
    first, second = json.loads(capsys.readouterr().out)["rounds"]
    assert (first["version"], first["events"], first["champion"]) == (1, 1500, None)
    assert (second["version"], second["events"], second["parent"]) == (2, 3000, 1)
    assert second["champion"] is not None
    store = ModelStore(str(out))
    assert store.versions() == [1, *([2] if second["accepted"] else [])]
    assert tool(monkeypatch, "--data", path, "--out", out, "--parent", 1, *SMALL) in (0, 1)
    (third,) = json.loads(capsys.readouterr().out)["rounds"]
    assert (third["version"], third["parent"]) == (
        max(store.versions()) + (not third["accepted"]), 1
    )  # fmt: skip
    if third["accepted"]:
        assert store.manifest(third["version"]).root == third["version"]  # learnt anew
    with pytest.raises(ToolError, match="--parent: expected the shape"):
        tool(monkeypatch, "--data", path, "--out", out, "--parent", 1, *SMALL, "--dim", 9)


@with_torch
def test_a_trainer_that_fails_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(train, "trainer_python", lambda: tmp_path / "no-such-python")
    with pytest.raises(ToolError, match="trainer: expected a round, got expected the interpreter"):
        tool(monkeypatch, "--data", behaviour(tmp_path / "a"), "--out", tmp_path / "store", *SMALL)
