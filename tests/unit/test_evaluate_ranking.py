"""`scripts/evaluate ranking`: slices, ablation, where figures go."""

import json
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.components import NEIGHBOURS, TRANSITIONS
from scripts.tools.console import ToolError
from scripts.tools.data.behaviour import Recorded
from scripts.tools.evaluate import evaluate
from scripts.tools.evaluate.common.figures import Ranked, of_ranks, windows
from scripts.tools.evaluate.common.ties import Shuffled
from scripts.tools.evaluate.ranking.ablation import STEPS
from scripts.tools.evaluate.ranking.sample import Sample
from scripts.tools.evaluate.stream.passes import MODELS, OWN, Pass, _pass_of, needed
from scripts.tools.evaluate.stream.pipeline import VARIANTS, observed

N = 900
DRAWN = "transitions,neighbours,bpr,popularity,decayed_popularity,item_knn"
"""Models in which nothing depends on the ids of events."""


def columns(seed=1):
    random = np.random.default_rng(seed)
    user = random.integers(0, 25, N)
    return {
        "user_id": user,
        "item_id": (user // 5 * 20 + random.integers(0, 40, N)) % 90,
        "rating": random.integers(1, 6, N),
        "timestamp": 900_000_000 + 100 * np.arange(N),
    }


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    def run(table, *options, out="figures.json"):
        data = tmp_path / "events.parquet"
        pq.write_table(pa.table(table), data)
        target = "-" if out == "-" else str(tmp_path / out)
        arguments = ["evaluate", "ranking", "--data", str(data), "--json", target, *options]
        monkeypatch.setattr(sys, "argv", arguments)
        assert evaluate.main() == 0
        shown = capsys.readouterr()
        return json.loads(shown.out if out == "-" else (tmp_path / out).read_text()), shown

    return run


def values(document, part, *, but=()):
    return {
        (row["model"], row["metric"]): row["value"]
        for row in document["rows"]
        if row["slice"] == part and row["metric"] not in but
    }


COSTS = ("us_an_event", "us_a_ranking")


def test_good_ratings_are_a_stream_of_their_own(run):
    table = columns()
    good = np.flatnonzero(table["rating"] >= 4)
    options = ("--models", DRAWN, "--score-every", "3")
    whole, _ = run(table, *options)
    alone, _ = run({name: column[good] for name, column in table.items()}, *options)
    assert values(whole, "ge4", but=COSTS) == values(alone, "all", but=COSTS)
    assert values(whole, "all", but=COSTS) != values(alone, "all", but=COSTS)
    found = {model for model, _ in values(whole, "ge4")}
    assert found == set(DRAWN.split(","))


def test_without_ratings_there_is_no_slice_of_good_ones_and_a_word(run):
    table = columns()
    del table["rating"]
    document, shown = run(table, "--models", "popularity")
    whole, new = {"all", "after5", "last20"}, {"event2", "event3", "event6"}
    assert {row["slice"] for row in document["rows"]} == whole | new
    assert "no column rating, so no slice ge4" in shown.err


def test_ablation_says_what_each_component_adds(run):
    document, shown = run(columns(), "--models", "bpr", "--ablation", "--score-every", "2")
    for part in ("all", "ge4"):
        found = values(document, part)
        for metric in ("hr@10", "ndcg@10"):
            steps = [found[model, f"+{metric}"] for model in STEPS]
            assert steps[0] == found["transitions", metric]
            assert sum(steps) == pytest.approx(found["online", metric])
            assert steps[1] == pytest.approx(found["factors", metric] - steps[0])
        costs = [found[model, "us_an_event"] for model in STEPS]
        assert 0 < costs[0] < costs[1]
        assert found["online", "us_a_ranking"] > 0
    assert "ablation" in shown.out
    assert ("bpr", "hr@10") in values(document, "all")


def test_own_components_differ(run):
    document, _ = run(columns(), "--models", "online,light,hybrid,neighbours,transitions",
                      "--score-every", "1")  # fmt: skip
    found = values(document, "all")
    figures = [
        found[model, "mrr"] for model in ("online", "light", "hybrid", "neighbours", "transitions")
    ]
    assert len(set(figures)) == 5
    assert all(0 < found[model, "coverage"] <= 1 for model in ("online", "light"))


def test_figures_on_standard_output_are_alone_there(run):
    document, shown = run(columns(), "--models", "popularity", out="-")
    assert ("popularity", "hr@10") in values(document, "all")
    assert "popularity" in shown.err


def test_windows_compare_models_on_the_same_events():
    numbers = np.arange(0, 400, 2)
    hits = np.where(numbers < 200, 0, 20).astype(np.int32)
    other = np.where(numbers % 4 == 0, 0, 20).astype(np.int32)
    found = windows({"a": Ranked(numbers, hits), "b": Ranked(numbers, other)}, 400)
    assert [one["until"] for one in found] == list(range(10, 401, 10))
    assert found[0]["hr@10"] == {"a": 1.0, "b": 0.6}
    mean, error = found[0]["above"]["b"]
    assert (mean, error) == pytest.approx((-0.4, np.sqrt(0.24 / 5)))
    assert found[-1]["above"]["b"][0] > 0
    assert (
        windows({"a": Ranked(numbers, hits), "c": Ranked(numbers[1:], hits[1:])}, 400)[0]["above"]
        == {}
    )


def test_figures_of_ranks():
    found = of_ranks(np.array([0, 9, 10, -1], np.int32))
    assert found["hr@10"] == found["recall@10"] == 0.5
    assert found["precision@10"] == 0.05
    assert found["f1@10"] == pytest.approx(2 * 0.05 * 0.5 / 0.55)
    assert found["mrr"] == pytest.approx((1 + 1 / 10 + 1 / 11) / 4)
    assert found["ndcg@10"] == pytest.approx((1 + 1 / np.log2(11)) / 4)
    assert of_ranks(np.empty(0, np.int32)) == {}


def test_slices_begin_with_their_share_of_the_stream():
    slices = Sample(5, np.zeros(100, np.int64), whole=True).slices()
    for part, first in (("all", 0), ("after5", 5), ("last20", 80)):
        assert np.flatnonzero(slices[part]).tolist() == list(range(first, 100, 5))
    ranked = Ranked(np.array([0, 4, 5, 79, 80, 99]), np.arange(6, dtype=np.int32))
    assert ranked.within(slices["after5"]).ranks.tolist() == [2, 4]


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"item_id": None}, (), "expected the columns user_id, item_id, timestamp.*add item_id"),
        ({"user_id": np.full(N, 0.5)}, (), "user_id: expected whole numbers or text, got 0.5"),
        ({"rating": ["good"] * N}, (), "rating: expected numbers, got 'good' in"),
        ({}, ("--models", "online,als"), "--models: expected some of .*, got als"),
    ],
)
def test_what_cannot_be_evaluated_is_told(run, change, options, message):
    table = {name: column for name, column in {**columns(), **change}.items() if column is not None}
    with pytest.raises(ToolError, match=message):
        run(table, *options)


def ranked(name, path):
    one = Pass(Recorded(path), observed(VARIANTS[name], {}, 1), listing=False)
    one.run(name, lambda *_: None)
    return one


def test_one_component_alone_ranks_by_that_component(tmp_path):
    """Transitions as they rank in the job; neighbours by their own scores, and ties count half."""
    path = tmp_path / "some.parquet"
    pq.write_table(pa.table(columns()), path)
    fixed, alone = ranked("fixed", path), ranked("transitions", path)
    np.testing.assert_array_equal(fixed.numbers, alone.numbers)
    np.testing.assert_array_equal(fixed.ranks("transition_rank"), alone.ranks("online_rank"))
    for name, component in (("neighbours", NEIGHBOURS), ("transitions", TRANSITIONS)):
        assert VARIANTS[name].alone == component
    near = ranked("neighbours", path).ranks("online_rank")
    assert (near != alone.ranks("online_rank")).mean() > 0.2


@pytest.mark.parametrize("second", MODELS)
@pytest.mark.parametrize("first", MODELS)
def test_every_pair_of_models_finds_a_pass(first, second):
    passes = {name: name for name in needed([first, second])}
    for model in {first, second} & set(OWN):
        assert _pass_of(model, passes) in passes


NEW = ("event2", "event3", "event6")


def test_events_of_new_users_are_ranked_by_all_models_and_change_nothing_else(run):
    models = "online,light,popularity,item_knn,bpr"
    every = values(run(columns(), "--models", models, "--score-every", "1")[0], "event3", but=COSTS)
    document, shown = run(columns(), "--models", models, "--score-every", "7")
    assert {model for model, _ in every} == set(models.split(","))
    assert values(document, "event3", but=COSTS) == every
    assert all(f"{part}: 25 events ranked" in shown.out for part in NEW)
    first = np.unique(columns()["user_id"], return_index=True)[1]
    assert f"all: {len(set(range(0, N, 7)) - set(first))} events ranked" in shown.out


def test_weights_are_taught_by_the_share_of_the_job_whatever_else_is_ranked(tmp_path):
    path = tmp_path / "some.parquet"
    pq.write_table(pa.table(columns()), path)
    data, share = Recorded(path), {"evaluation": {"share": 0.4, "first": 0}}
    more = Sample.of(data, 7, whole=True).more
    some, every, further, taught_by_all = (
        Pass(data, observed(VARIANTS["online"], config, one_in, chosen), listing=False)
        for config, one_in, chosen in [
            (share, 7, None),
            (share, 1, None),
            (share, 7, more),
            ({"evaluation": {"share": 1.0}}, 7, None),
        ]
    )
    for one in (some, every, further, taught_by_all):
        one.run("online", lambda *_: None)

    def learnt(one):
        return one.pipeline.learn.popularity.of(0).bucket

    assert 0 < learnt(some)[:, 0].sum() < learnt(taught_by_all)[:, 0].sum()
    for other in (every, further):
        assert len(other.numbers) > len(some.numbers)
        np.testing.assert_array_equal(learnt(other), learnt(some))
        both = np.isin(other.numbers, some.numbers)
        assert other.ranks("online_rank")[both].tolist() == some.ranks("online_rank").tolist()


def test_more_users_are_ranked_until_a_bucket_has_accepted_its_first_events(tmp_path):
    path = tmp_path / "some.parquet"
    pq.write_table(pa.table(columns()), path)
    learnt = []
    for first in (0, N // 2, N):
        config = {"evaluation": {"share": 0.1, "first": first}}
        one = Pass(Recorded(path), observed(VARIANTS["online"], config, N), listing=False)
        asked = []
        scored = one.pipeline.scored
        one.pipeline.scored = lambda ids, events, asked=asked, scored=scored: (
            asked.append(found := scored(ids, events)) or found
        )
        one.run("online", lambda *_: None)
        learnt.append(
            (one.pipeline.learn.popularity.of(0).bucket[:, 0].sum(), sum(map(sum, asked)))
        )
    (few, ranked_few), (some, ranked_some), (many, ranked_many) = learnt
    assert few < some <= many
    assert ranked_few < ranked_some <= ranked_many


def test_the_place_of_an_event_among_its_users_and_the_slices_of_it(tmp_path):
    path = tmp_path / "some.parquet"
    table = {"user_id": list("aabaaabaa"), "item_id": range(9), "timestamp": 10**9 + np.arange(9)}
    pq.write_table(pa.table(table), path)
    whole, some = (Sample.of(Recorded(path), 2, whole=whole) for whole in (True, False))
    assert whole.ordinal.tolist() == [1, 2, 1, 3, 4, 5, 2, 6, 7]
    found = {part: np.flatnonzero(events).tolist() for part, events in whole.slices().items()}
    assert found == {
        "all": [0, 2, 4, 6, 8], "after5": [0, 2, 4, 6, 8], "last20": [8],
        "event2": [1, 6], "event3": [3], "event6": [7],
    }  # fmt: skip
    assert [np.flatnonzero(some.slices()[part]).tolist() for part in NEW] == [[6], [], []]
    assert not some.more.any()


def test_events_of_one_time_come_in_a_random_order(tmp_path):
    path = tmp_path / "some.parquet"
    times = 10**9 + np.arange(N)[::-1] // 30
    table = {**columns(), "item_id": np.arange(N), "timestamp": times}
    pq.write_table(pa.table(table), path)
    stored, mixed, other = Recorded(path), Shuffled(path, seed=1), Shuffled(path, seed=2)

    def rows(data):
        (block,) = data.blocks()
        columns = (block.event_ids, block.users, block.items, block.times, block.values)
        return list(zip(*columns, strict=True))

    assert rows(mixed) == rows(Shuffled(path, seed=1))
    assert rows(stored) != rows(mixed) != rows(other)
    assert sorted(rows(mixed)) == sorted(rows(stored))
    assert mixed.times.tolist() == stored.times.tolist()
    assert [row[4] for row in rows(mixed)] == mixed.values.tolist()


def test_figures_say_in_which_order_events_of_one_time_came(run):
    table = {**columns(), "timestamp": 900_000_000 + np.arange(N) // 50}
    options = ("--models", "transitions", "--score-every", "1")
    stored, mixed = (run(table, *options, "--ties", ties)[0] for ties in ("file", "random"))
    assert (stored["ties"], mixed["ties"]) == ("file", "random")
    assert values(stored, "all", but=COSTS) != values(mixed, "all", but=COSTS)
    assert values(stored, "ge4", but=COSTS) != values(mixed, "ge4", but=COSTS)


def test_generated_events_have_no_order_to_choose(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["evaluate", "ranking", "--ties", "random"])
    with pytest.raises(ToolError, match="--ties random: expected --data, got none"):
        evaluate.main()
