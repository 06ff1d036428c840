"""`scripts/evaluate ratings`: a small file through every model."""

import json
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scripts.tools.console import ToolError
from scripts.tools.evaluate import evaluate
from scripts.tools.evaluate.ratings import river

OWN = ("ekf", "ekf+refit", "ekf+mf")
SLICES = {"all": 0, "after5": 30, "last20": 480}
N = 600


def columns(n=N, seed=1):
    random = np.random.default_rng(seed)
    user, item = random.integers(0, 20, n), random.integers(0, 15, n)
    rating = np.clip(np.round(3 + user % 3 - 1 + (item % 5 - 2) / 2 + random.normal(size=n)), 1, 5)
    return {
        "user_id": [f"u{u}" for u in user],
        "item_id": item,
        "rating": rating,
        "timestamp": 900_000_000 + 100 * np.arange(n),
    }


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    def run(table, *options, command="ratings"):
        data, out = tmp_path / "ratings.parquet", tmp_path / "out" / "figures.json"
        pq.write_table(pa.table(table), data)
        arguments = ["evaluate", command, "--data", str(data), "--json", str(out), *options]
        monkeypatch.setattr(sys, "argv", arguments)
        assert evaluate.main() == 0
        return json.loads(out.read_text()), capsys.readouterr().out

    return run


def values(document, metric="rmse", part="all"):
    return {
        row["model"]: row["value"]
        for row in document["rows"]
        if (row["metric"], row["slice"]) == (metric, part)
    }


def test_one_row_a_model_metric_and_slice_and_a_table(run, tmp_path):
    plot = tmp_path / "plots" / "error.png"
    document, shown = run(columns(), "--models", "ekf+refit,ekf+mf,ekf", "--plot", str(plot))
    assert {"command", "commit", "machine", "rows", "ratings"} == document.keys()
    assert document["ratings"] == {
        "events": N, "users": 20, "items": 15, "lowest": 1.0, "highest": 5.0,
    }  # fmt: skip
    found = {(row["model"], row["metric"], row["slice"]) for row in document["rows"]}
    expected = {(model, metric, part) for model in OWN for metric in ("rmse", "mae")
                for part in SLICES}  # fmt: skip
    assert found == expected | {(model, "us_an_event", "all") for model in OWN}
    assert all(row["value"] > 0 for row in document["rows"])
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert "ekf+refit" in shown
    assert f"{values(document)['ekf']:.4f}" in shown


def test_models_learn(run):
    table = columns(5_000)
    document, _ = run(table, "--models", "ekf,ekf+refit,ekf+mf")
    for part in SLICES:
        assert all(value < 1.15 for value in values(document, part=part).values())
    assert np.std(table["rating"]) > 1.25
    assert all(value < 1.1 for value in values(document, part="last20").values())


def test_the_first_rating_is_predicted_before_it_is_learnt(run):
    table = {name: column[:2] for name, column in columns().items()}
    table["rating"] = np.array([5.0, 1.0])
    document, _ = run(table, "--models", "ekf", "--rating-min", "1", "--rating-max", "5")
    # the middle of the range, then the mean of one rating
    assert values(document)["ekf"] == pytest.approx(np.sqrt((2**2 + 4**2) / 2), abs=0.1)


def test_the_same_seed_gives_the_same_figures_and_any_other_other_ones(run):
    figures = [
        values(run(columns(), "--models", "ekf,ekf+refit", "--seed", seed)[0])
        for seed in ("1", "1", "2")
    ]
    assert figures[0] == figures[1] != figures[2]


def test_another_scale_gives_the_same_errors_in_its_units(run):
    table = columns()
    wide = {**table, "rating": 20 * table["rating"] + 7}
    one, other = (values(run(data, "--models", "ekf")[0]) for data in (table, wide))
    assert other["ekf"] == pytest.approx(20 * one["ekf"], rel=1e-2)


def test_only_so_many_ratings_and_rarer_refits(run):
    document, _ = run(columns(), "--models", "ekf+refit", "--limit", "100", "--refit-every", "1")
    assert document["ratings"]["events"] == 100
    often, _ = run(columns(), "--models", "ekf+refit", "--limit", "100", "--refit-every", ".1")
    assert values(often) != values(document)


def test_river_takes_the_same_ratings(run):
    table = columns()
    document, _ = run(table, "--models", "biases,biased_mf")
    found = values(document)
    user, item, mean, errors = {}, {}, 0.0, []
    pairs = zip(table["user_id"], table["item_id"].tolist(), table["rating"], strict=True)
    for n, (u, i, r) in enumerate(pairs):
        expected = mean + user.get(u, 0.0) + item.get(i, 0.0)
        errors.append(r - np.clip(expected, 1, 5))
        mean += (r - mean) / (n + 1)
        step = 0.05 * (r - mean - user.get(u, 0.0) - item.get(i, 0.0))
        user[u], item[i] = user.get(u, 0.0) + step, item.get(i, 0.0) + step
    assert found["biases"] == pytest.approx(np.sqrt(np.mean(np.square(errors))), abs=5e-3)
    assert found["biased_mf"] == pytest.approx(found["biases"], abs=0.1)
    assert all(value > 0 for value in values(document, "us_an_event").values())


def test_a_river_that_ends_early_is_told(run, monkeypatch, tmp_path):
    program = tmp_path / "program.py"
    program.write_text("import sys; print(0); sys.exit('no such river')")
    monkeypatch.setattr(river, "_PROGRAM", program)
    monkeypatch.setattr(river, "environment", lambda: sys.executable)
    with pytest.raises(ToolError, match="river: expected predictions, it ended: no such river"):
        run(columns(), "--models", "biases")


def changed(**changes):
    return {**columns(), **changes}


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        ({k: v for k, v in columns().items() if k != "rating"}, (), "expected a column rating"),
        (changed(rating=np.full(N, np.nan)), (), "expected a column rating"),
        (changed(rating=np.where(np.arange(N) == 7, np.inf, 3)), (), "rating: .* inf in row 7"),
        (changed(rating=np.full(N, 3.0)), (), "expected different ratings, got 3 to 3"),
        (changed(user_id=["u"] * N), (), "expected ratings of several users, got one"),
        ({k: v[:0] for k, v in columns().items()}, (), "expected at least one row, got none"),
        (columns(), ("--rating-max", "4"), "expected ratings from 1 to 4, got 5 in row"),
        (columns(), ("--models", "ekf,svd"), "--models: expected some of .*, got svd"),
        (columns(), ("--models", ","), "--models: expected some of .*, got nothing"),
        (columns(), ("--refit-every", "0"), "--refit-every: expected a share"),
    ],
)
def test_what_cannot_be_evaluated_is_told(run, table, options, message):
    with pytest.raises(ToolError, match=message):
        run(table, *options)


def test_rows_without_a_rating_are_left_out(run):
    table = columns()
    table["rating"] = np.where(np.arange(N) % 3 == 0, np.nan, table["rating"])
    document, _ = run(table, "--models", "ekf")
    assert document["ratings"]["events"] == N - N // 3


def test_the_ranking_of_the_same_file_has_rows_of_the_same_form(run):
    document, _ = run(columns(300), "--models", "online,popularity", command="ranking")
    assert {"command", "commit", "machine", "rows", "rounds"} < document.keys()
    assert {tuple(row) for row in document["rows"]} == {("model", "metric", "slice", "value")}
    assert set(values(document, "hr@10")) == {"online", "popularity"}
