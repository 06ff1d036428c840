"""`scripts/evaluate sessions`: ranks of clicks next to plain Python, periods, bad files."""

import json
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scripts.tools.cluster.paths import TRAINER_PYTHON
from scripts.tools.console import ToolError
from scripts.tools.evaluate import evaluate
from scripts.tools.evaluate.common.figures import Ranked
from scripts.tools.evaluate.sessions.data import Clicks
from scripts.tools.evaluate.sessions.figures import by_period, mean

N = 1_500


def columns(seed=1):
    random = np.random.default_rng(seed)
    period = np.sort(random.integers(0, 4, N))
    return {
        # ids come again in other periods
        "session_id": random.integers(0, 60, N),
        "item_id": random.zipf(1.4, N) % 150,
        "period": period.astype(np.int8),
    }


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    def run(table, *options):
        data = tmp_path / "clicks.parquet"
        pq.write_table(pa.table(table), data)
        arguments = ["evaluate", "sessions", "--data", str(data), "--json", "-", *options]
        monkeypatch.setattr(sys, "argv", arguments)
        assert evaluate.main() == 0
        return json.loads(capsys.readouterr().out)

    return run


def values(document):
    return {(row["model"], row["metric"]): row["value"] for row in document["rows"]}


def by_hand(table):
    """Return recall@20, recall@10, mrr@20 of popularity: means of the periods after 0."""
    counts, begun, ranks = {}, set(), {}
    for session, item, period in zip(*(c.tolist() for c in table.values()), strict=True):
        if (period, session) in begun and item in counts and period > 0:
            above = sum(count > counts[item] for count in counts.values())
            level = sum(count == counts[item] for count in counts.values())
            ranks.setdefault(period, []).append(above + level // 2)
        begun.add((period, session))
        counts[item] = counts.get(item, 0) + 1
    figures = [
        (
            np.mean([rank < 20 for rank in one]),
            np.mean([rank < 10 for rank in one]),
            np.mean([1 / (rank + 1) if rank < 20 else 0 for rank in one]),
        )
        for one in ranks.values()
    ]
    sizes = {period: len(one) for period, one in ranks.items()}
    return np.mean(figures, axis=0), sizes


def test_popularity_is_ranked_as_the_protocol_says(run):
    table = columns()
    document = run(table, "--models", "popularity", "--score-every", "1")
    expected, sizes = by_hand(table)
    found = values(document)
    metrics = ("recall@20", "recall@10", "mrr@20")
    assert [found["popularity", metric] for metric in metrics] == pytest.approx(expected)
    assert {one["period"]: one["scored"] for one in document["periods"]} == sizes
    assert set(sizes) == {1, 2, 3}


def test_items_may_be_recommended_again_and_follow_themselves(run):
    # every session clicks one item of many twice
    sessions = np.repeat(np.arange(400), 2)
    table = {
        "session_id": sessions,
        "item_id": sessions % 100,
        "period": (sessions >= 200).astype(int),
    }
    document = run(table, "--models", "transitions,popularity", "--score-every", "1")
    found = values(document)
    assert found["transitions", "mrr@20"] == 1
    assert found["popularity", "mrr@20"] < 0.1


def test_the_window_decides_whether_further_clicks_on_an_item_teach(run):
    # a session clicks an item, one of its own, the item again, and then what follows only that
    start = 10 * (np.arange(240) % 30)
    items = np.stack([start, 10 * np.arange(240) + 1, start, start + 2, start + 3], axis=1)
    table = {
        "session_id": np.repeat(np.arange(240), 5),
        "item_id": items.reshape(-1),
        "period": np.repeat(np.arange(240) >= 120, 5).astype(int),
    }
    options = ("--models", "transitions", "--score-every", "1")
    own, job = (values(run(table, *options, "--count-window", w)) for w in ("1s", "6h"))
    assert own["transitions", "mrr@20"] != job["transitions", "mrr@20"]


def test_each_model_has_figures(run):
    document = run(columns(), "--score-every", "1")
    found = values(document)
    models = ("online", "light", "transitions", "neighbours", "popularity")
    assert {model for model, _ in found} == set(models)
    assert len({found[model, "mrr@20"] for model in models}) == 5
    assert {one["model"] for one in document["periods"]} == set(models)


@pytest.mark.skipif(
    not TRAINER_PYTHON.exists(), reason=".venv-train is missing: scripts/setup --train"
)
def test_the_deep_model_is_fine_tuned_beside_and_blended(run):
    options = ("--score-every", "1", "--fine-tune-every", "0.6", "--steps", "3")
    document = run(columns(), "--models", "online,deep,blend", *options)
    found = values(document)
    assert {model for model, _ in found} == {"online", "deep", "blend"}
    assert found["deep", "mrr@20"] != found["online", "mrr@20"]
    assert len(document["rounds"]) == 1
    scored = {(one["model"], one["period"]): one["scored"] for one in document["periods"]}
    assert scored["blend", 3] == scored["online", 3] == scored["deep", 3]


@pytest.mark.skipif(
    not TRAINER_PYTHON.exists(), reason=".venv-train is missing: scripts/setup --train"
)
def test_a_private_deep_model_is_fine_tuned_within_its_budget(run):
    options = ("--score-every", "1", "--fine-tune-every", "0.3", "--steps", "3")
    private = ("--models", "online,deep", *options, "--noise", "20", "--epsilon")
    assert len(run(columns(), *private, "100")["rounds"]) == 2
    assert run(columns(), *private, "0.001")["rounds"] == []


def test_periods_count_alike_and_unknown_items_do_not():
    period = np.array([0, 1, 1, 1, 2])
    ranked = Ranked(np.arange(5), np.array([0, 0, 19, -1, 20], np.int32))
    found = by_period(ranked, period)
    assert [one["scored"] for one in found] == [2, 1]
    assert mean(found, "recall@20") == 0.5
    assert mean(found, "recall@10") == 0.25
    assert mean(found, "mrr@20") == pytest.approx((1 + 1 / 20) / 4)
    assert mean([], "mrr@20") is None


def test_a_session_is_one_of_a_period_and_clicks_are_in_order(tmp_path):
    path = tmp_path / "clicks.parquet"
    table = {"session_id": [7, 7, 8, 7], "item_id": [1, 2, 3, 4], "period": [1, 0, 0, 1]}
    pq.write_table(pa.table(table), path)
    clicks = Clicks.of([path], None)
    (block,) = clicks.blocks()
    assert block.items == ["2", "3", "1", "4"]
    assert block.users[2] == block.users[3]
    assert len(set(block.users)) == 3
    pq.write_table(pa.table({**table, "timestamp": [900_000_009, 5, 4, 900_000_008]}), path)
    (block,) = Clicks.of([path], None).blocks()
    assert block.items == ["3", "2", "4", "1"]


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"period": None}, (), "expected the columns session_id, item_id, period.*add period"),
        ({"period": np.zeros(N, int)}, (), "period: expected clicks of a period after 0"),
        ({"period": np.full(N, 1.5)}, (), "period: expected whole numbers from 0, got 1.5 in row"),
        ({"period": np.full(N, -1)}, (), "period: expected whole numbers from 0, got -1 in row 0"),
        (
            {"session_id": np.full(N, 0.5)},
            (),
            "session_id: expected whole numbers or text, got 0.5",
        ),
        ({}, ("--count-window", "soon"), "--count-window: expected a time such as"),
        ({}, ("--models", "bpr"), "--models: expected some of .*, got bpr"),
    ],
)
def test_what_cannot_be_evaluated_is_told(run, change, options, message):
    table = {name: column for name, column in {**columns(), **change}.items() if column is not None}
    with pytest.raises(ToolError, match=message):
        run(table, *options)


def test_an_empty_file_is_told(run):
    with pytest.raises(ToolError, match="expected at least one row, got none"):
        run({name: column[:0] for name, column in columns().items()})
