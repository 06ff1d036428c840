"""`scripts/evaluate holdout`: where a file is cut, what is wanted, lists, figures of lists."""

import argparse
import json
import math
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score, ndcg_score

from scripts.tools.console import ToolError
from scripts.tools.data.behaviour import Recorded
from scripts.tools.data.ids import Names
from scripts.tools.evaluate import evaluate
from scripts.tools.evaluate.baselines.bpr import Bpr
from scripts.tools.evaluate.baselines.item_knn import ItemKnn
from scripts.tools.evaluate.baselines.popularity import DecayedPopularity
from scripts.tools.evaluate.baselines.stream import Stream
from scripts.tools.evaluate.holdout import command, diversity, view
from scripts.tools.evaluate.holdout.figures import METRICS, interval, of_users, rows
from scripts.tools.evaluate.holdout.lists import DEEP, MODELS, best, lists_of
from scripts.tools.evaluate.holdout.split import Split

N = 900
DAY = 86_400


def columns(seed=1):
    random = np.random.default_rng(seed)
    user = random.integers(0, 25, N)
    return {
        "user_id": [f" u{number}" for number in user.tolist()],
        "item_id": (user // 5 * 20 + random.integers(0, 40, N)) % 90,
        "rating": random.integers(1, 6, N),
        "timestamp": 900_000_000 + 100 * np.arange(N),
    }


@pytest.fixture
def data(tmp_path):
    def data(table, name="events.parquet"):
        path = tmp_path / name
        pq.write_table(pa.table(table), path)
        return path

    return data


@pytest.fixture
def run(data, tmp_path, monkeypatch, capsys):
    def run(table, *options, out="figures.json"):
        target = "-" if out == "-" else str(tmp_path / out)
        monkeypatch.setattr(
            sys,
            "argv",
            ["evaluate", "holdout", "--data", str(data(table)), "--json", target, *options],
        )
        assert evaluate.main() == 0
        shown = capsys.readouterr()
        return json.loads(shown.out if out == "-" else (tmp_path / out).read_text()), shown

    return run


SMALL = [
    ("ann", "a", 0), ("ann", "b", 0), ("bob", "a", 0), ("cid", "c", 0),
    ("ann", "a", DAY), ("ann", "c", DAY), ("ann", "new", DAY), ("dan", "a", DAY), ("cid", "c", DAY),
]  # fmt: skip


def split_of(path, share, **more):
    return Split.of(Recorded(path), share, **{"users": None, "seed": 1} | more)


def small(data, rows=SMALL):
    users, items, times = zip(*rows, strict=True)
    return data({"user_id": users, "item_id": items, "timestamp": 900_000_000 + np.array(times)})


def test_wanted_is_what_a_known_user_has_later_and_had_not_before(data):
    split = split_of(small(data), 0.5)
    assert split.ids == ["ann"]
    pairs = [(split.ids[0], split.items[pair % split.stream.items]) for pair in split.wanted]
    assert pairs == [("ann", "c"), ("ann", "new")]
    assert split.counts.tolist() == [2]
    assert split.told == {
        "cut": "1998-07-10T16:00:00+00:00", "learnt": 4, "later": 5, "asked": 1, "new_users": 1,
        "wanted": 2, "wanted_never_seen": 1, "own_again": 2,
    }  # fmt: skip


@pytest.mark.parametrize("share", [0.46, 0.7, 0.99])
def test_rows_of_one_time_are_on_one_side(data, share):
    assert split_of(small(data), share).told["learnt"] == 4


def test_the_learnt_rows_are_those_of_the_stream(data):
    split = split_of(data(columns()), 0.8)
    again = Stream.of(split.learnt)
    assert len(again.user) == split.end == 720
    assert again.user.tolist() == split.stream.user[: split.end].tolist()
    assert again.item.tolist() == split.stream.item[: split.end].tolist()


def test_hits_are_the_wanted_items_of_that_user(data):
    split = split_of(small(data), 0.5)
    number = {name: at for at, name in enumerate(split.items)}
    lists = np.array([[number["a"], number["c"], -1]], np.int32)
    assert split.hits(lists).tolist() == [[False, True, False]]


def test_so_many_users_are_drawn(data):
    path = data(columns())
    drawn = split_of(path, 0.8, users=5)
    assert len(drawn.ids) == 5
    assert set(drawn.ids) < set(split_of(path, 0.8).ids)
    assert drawn.ids != split_of(path, 0.8, users=5, seed=2).ids
    assert set(np.unique(drawn.wanted // drawn.stream.items)) == set(drawn.user.tolist())


@pytest.mark.parametrize(
    ("rows", "share", "told"),
    [
        ([("ann", "a", 0), ("ann", "b", 0)], 0.5, "expected events before"),
        ([("ann", "a", 0), ("bob", "b", 9)], 0.5, "expected users with events before"),
        ([("ann", "a", 0), ("ann", "a", 9)], 0.5, "expected users with events before"),
    ],
)
def test_where_nothing_can_be_asked_one_is_told(data, rows, share, told):
    with pytest.raises(ToolError, match=told):
        split_of(small(data, rows), share)


def test_figures_are_those_of_scikit_learn():
    random = np.random.default_rng(3)
    users, k = 50, 8
    hits = random.random((users, k)) < 0.3
    wanted = hits.sum(axis=1) + random.integers(0, 3, users)
    hits, wanted = hits[wanted > 0], wanted[wanted > 0]
    found = of_users(hits, wanted, k)
    scores = np.arange(k, 0, -1.0)
    for n, (one, w) in enumerate(zip(hits, wanted.tolist(), strict=True)):
        # wanted items that are not on the list: below all others
        missing = w - int(one.sum())
        truth = np.append(one, np.ones(missing))
        below = np.append(scores, -np.arange(1.0, missing + 1))
        assert found["precision"][n] == pytest.approx(one.mean())
        assert found["recall"][n] == pytest.approx(one.sum() / w)
        p, r = one.mean(), one.sum() / w
        assert found["f1"][n] == pytest.approx(2 * p * r / (p + r) if p + r else 0)
        assert found["ndcg"][n] == pytest.approx(ndcg_score([truth], [below], k=k))
        if one.sum() == w <= k:
            assert found["map"][n] == pytest.approx(average_precision_score(one, scores))


def test_average_precision_by_hand():
    hits = np.array([[True, False, True], [False, False, False]])
    assert of_users(hits, np.array([2, 1]), 3)["map"] == pytest.approx([(1 + 2 / 3) / 2, 0])
    # three are wanted, two places: the best there is counts as 1
    assert of_users(np.array([[True, True]]), np.array([3]), 2)["map"] == pytest.approx([1])
    assert of_users(np.array([[True, True]]), np.array([3]), 2)["ndcg"] == pytest.approx([1])


def test_a_cut_looks_at_the_first_items_only():
    hits = np.array([[False, True, True]])
    assert of_users(hits, np.array([2]), 1)["recall"].tolist() == [0]
    assert of_users(hits, np.array([2]), 2)["recall"].tolist() == [0.5]


def test_intervals_are_students():
    values = np.array([0.0, 0.5, 1.0, 1.0])
    low, high = interval(values)
    half = stats.t.ppf(0.975, 3) * values.std(ddof=1) / 2
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half))
    assert interval(np.array([1.0])) is None
    assert interval(np.zeros(9)) == (0, 0)


def test_models_are_compared_for_the_same_users():
    first = np.array([[True], [True], [False], [True]])
    other = np.array([[True], [False], [False], [False]])
    found = rows({"a": first, "b": other}, np.ones(4, np.int64), [1])
    values = {(row["model"], row["metric"]): row for row in found}
    assert values["a", "precision@1"]["above"] is None
    above = values["b", "precision@1"]["above"]
    assert above["value"] == -0.5
    assert (above["low"], above["high"]) == pytest.approx(interval(np.array([0, -1.0, 0, -1])))


def test_equal_scores_go_by_popularity_and_lists_end_where_nothing_is_left():
    scores = np.array([0.0, 3.0, 0.0, -np.inf, 0.0])
    counts = np.array([5, 1, 9, 99, 7])
    assert best(scores, counts, 2).tolist() == [1, 2]
    assert best(scores, counts, 6).tolist() == [1, 2, 4, 0, -1, -1]


@pytest.mark.parametrize("model", [Bpr, ItemKnn, DecayedPopularity])
def test_baselines_score_as_they_rank(model):
    """An event's rank is where its item stands among the scores of the moment before."""
    random = np.random.default_rng(5)
    users, items = random.integers(0, 40, 300), random.integers(0, 40, 300)
    stream = Stream.of_rows(np.arange(300), users, items)
    compared = 0
    for at in range(100, 300, 9):
        if stream.previous[at] < 0:
            continue
        asked = stream.followed_by(at, stream.user[at : at + 1])
        assert asked.previous[at] == stream.previous[at]
        one, ranks = model(stream), np.full(300, -9, np.int32)
        one.learn(stream, 0, at, 1 << 60, ranks)
        scores = one.score(asked, at).copy()
        one.learn(stream, at, at + 1, 1, ranks)
        aim = scores[stream.item[at]]
        if np.isinf(aim):
            assert ranks[at] == -1
            continue
        level = int((scores == aim).sum())
        assert ranks[at] == int((scores > aim).sum()) + level // 2
        compared += 1
    assert compared > 10


def test_every_model_lists_what_is_not_the_users_own(run):
    table = columns()
    models = [model for model in MODELS if model not in ("deep", "blend")]
    document, shown = run(table, "--models", ",".join(models), "--k", "1,5")
    values = {(row["model"], row["metric"]): row for row in document["rows"]}
    assert set(values) == {
        (m, f"{metric}@{k}")
        for m in models
        for metric in (*METRICS, *diversity.METRICS)
        for k in (1, 5)
    }
    # who lists the same for everybody shows the least
    covered = {model: values[model, "coverage@5"]["value"] for model in models}
    assert covered["popularity"] < covered["online"]
    for model in models:
        one = values[model, "recall@5"]
        assert 0 < one["low"] < one["value"] < one["high"] < 1
    # 5 groups of users with 40 items each: who knows the group knows more
    assert values["online", "recall@5"]["value"] > values["popularity", "recall@5"]["value"]
    assert document["split"]["asked"] == 25
    assert "lists of 5" in shown.out


def test_the_same_seed_gives_the_same_figures(run):
    one, _ = run(columns(), "--models", "online,bpr")
    other, _ = run(columns(), "--models", "online,bpr", out="-")
    assert one["rows"] == other["rows"]


def test_what_is_after_the_cut_changes_no_list(data):
    models = ("online", "item_knn", "bpr", "popularity", "decayed_popularity")
    options = argparse.Namespace(seed=1, network="recurrent")
    found, path = [], data(columns())
    for later in (False, True):
        rows = Recorded(path)
        if later:
            names = [*rows.items.distinct, "new"]
            codes = np.where(np.arange(N) < 720, rows.items.codes, len(names) - 1)
            rows.items = Names(names, codes.astype(np.int32))
        split = Split.of(rows, 0.8, users=None, seed=1)
        lists, _ = lists_of(split, models, 20, options)
        assert all((one >= 0).sum() > 300 for one in lists.values())
        found.append((split.ids, lists))
    (users, lists), (same, again) = found
    assert users == same
    for model in models:
        assert lists[model].tolist() == again[model].tolist()


def made(split, *models, k=20):
    options = argparse.Namespace(seed=1, network="recurrent")
    return lists_of(split, models, k, options)[0]


def test_lists_are_of_the_users_and_items_that_they_say(data):
    """Five groups with items of their own: whoever is listed others' items was mixed up."""
    table = columns()
    group = np.array([int(user[2:]) // 5 for user in table["user_id"]])
    table["item_id"] = group * 100 + np.random.default_rng(2).integers(0, 30, N)
    split = split_of(data(table), 0.8)
    had = split.stream.user[: split.end].astype(np.int64) * split.stream.items
    had = set((had + split.stream.item[: split.end]).tolist())
    for name, lists in made(split, *(model for model in MODELS if model not in DEEP)).items():
        pairs = [(u, i) for u, row in zip(split.user.tolist(), lists.tolist(), strict=True)
                 for i in row if i >= 0]  # fmt: skip
        assert len(pairs) > 300
        assert not {u * split.stream.items + i for u, i in pairs} & had, name
        if name in ("online", "light", "fixed", "item_knn"):
            ids = [(split.ids[split.user.tolist().index(u)], int(split.items[i])) for u, i in pairs]
            own = np.mean([int(user[2:]) // 5 == item // 100 for user, item in ids])
            assert own > 0.5, name


def test_users_whom_the_job_refuses_have_empty_lists_of_its_models(data):
    """Ids with control characters are dead letters in the job, and letters in a file."""
    table = columns()
    for refused in (1, 20):
        names = [f"u\t{n}" if n < refused else f" u{n}" for n in range(25)]
        table["user_id"] = [names[int(user[2:])] for user in columns()["user_id"]]
        split = split_of(data(table, f"{refused}.parquet"), 0.8)
        lists = made(split, "online", "popularity")
        strange = np.array(["\t" in name for name in split.ids])
        assert strange.sum() == refused
        assert (lists["online"][strange] == -1).all()
        assert (lists["online"][~strange, 0] >= 0).all()
        assert (lists["popularity"][:, 0] >= 0).all()


def test_where_the_job_refuses_everybody_its_lists_are_empty(data, run):
    table = columns()
    table["user_id"] = [f"u\t{user}" for user in table["user_id"]]
    document, shown = run(table, "--models", "online,popularity")
    values = {(row["model"], row["metric"]): row["value"] for row in document["rows"]}
    assert values["online", "recall@20"] == 0 < values["popularity", "recall@20"]
    assert "online: 720 events are not learnt, as in the job: invalid_id 720" in shown.err


def test_an_item_that_was_disliked_is_not_wanted(data):
    table = {
        "user_id": ["ann"] * 4, "item_id": ["a", "b", "b", "c"],
        "event_type": ["view", "dislike", "view", "view"],
        "timestamp": 900_000_000 + np.array([0, 1, DAY, DAY]),
    }  # fmt: skip
    split = split_of(data(table), 0.5)
    assert [split.items[pair % split.stream.items] for pair in split.wanted] == ["c"]
    assert split.told["own_again"] == 1


def test_values_of_other_types_are_no_ratings(run):
    table = columns()
    table["event_type"] = np.where(np.arange(N) % 3 == 0, "purchase", "rating")
    table["rating"] = np.where(np.arange(N) % 3 == 0, 99, table["rating"])
    good = (table["rating"] >= 4) & (table["event_type"] == "rating")
    document, _ = run(table, "--models", "popularity", "--least-rating", "4")
    split = document["split"]
    assert split["learnt"] + split["later"] == good.sum()


def test_only_good_ratings(run):
    table = columns()
    good = np.flatnonzero(table["rating"] >= 4)
    alone = {name: np.asarray(column)[good] for name, column in table.items()}
    one, _ = run(table, "--models", "popularity", "--least-rating", "4")
    two, _ = run(alone, "--models", "popularity")
    assert one["rows"] == two["rows"]
    assert one["split"] == two["split"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--split", "1"), "expected a share between 0 and 1"),
        (("--split", "nan"), "expected a share between 0 and 1"),
        (("--k", "0,5"), "expected lengths from 1 to 100"),
        (("--k", "101"), "expected lengths from 1 to 100"),
        (("--k", "5,,1"), "expected whole numbers"),
        (("--k", "-5"), "expected whole numbers"),
        (("--users", "0"), "--users"),
        (("--plot", "out.bogus"), "expected a name that ends in .png"),
    ],
)
def test_options_that_mean_nothing_are_told(run, capsys, options, told):
    with pytest.raises(SystemExit):
        run(columns(), *options)
    assert told in capsys.readouterr().err


def test_marks_say_what_is_surely_apart():
    row = {"value": 0.5, "low": 0.4, "high": 0.6, "above": None}
    assert view._cell(row) == "0.5000 ± .1000"
    for low, high, sign in ((0.1, 0.2, ">"), (-0.2, -0.1, "<"), (-0.1, 0.2, "")):
        above = {"value": 0.0, "low": low, "high": high}
        assert view._cell(row | {"above": above}) == f"{sign}0.5000 ± .1000"
    assert view._cell(row | {"low": None, "high": None}) == "0.5000"


def test_without_any_list_one_is_told(run, monkeypatch):
    monkeypatch.setattr(command, "lists_of", lambda *_: ({}, None))
    with pytest.raises(ToolError, match="expected lists of one model at least"):
        run(columns(), "--models", "popularity")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--models", "nobody"), "--models: expected some of"),
        (("--least-rating", "6"), "--least-rating: expected ratings of 6 or more"),
        (("--least-rating", "nan"), "--least-rating: expected ratings"),
    ],
)
def test_what_a_file_has_not_is_told(run, options, told):
    with pytest.raises(ToolError, match=told):
        run(columns(), *options)


def test_a_file_without_ratings_has_no_good_ones(run):
    table = columns()
    del table["rating"]
    with pytest.raises(ToolError, match="--least-rating: expected a column of ratings"):
        run(table, "--least-rating", "3")


def test_a_picture_is_drawn(run, tmp_path):
    run(columns(), "--models", "popularity,bpr", "--plot", str(tmp_path / "new" / "out.png"))
    assert (tmp_path / "new" / "out.png").read_bytes().startswith(b"\x89PNG")


def test_diversity_of_lists_is_that_of_a_slow_count(data):
    split = split_of(data(columns()), 0.8)
    random = np.random.default_rng(3)
    known = np.unique(split.stream.item[: split.end])
    lists = random.choice(known, (12, 6)).astype(np.int32)
    lists[3, 2:], lists[4] = -1, -1
    found = {row["metric"]: row["value"] for row in diversity.rows({"one": lists}, split, (2, 6))}
    stream, end = split.stream, split.end
    users = {item: set(stream.user[:end][stream.item[:end] == item].tolist()) for item in known}
    for k in (2, 6):
        alike = []
        for listed in lists[:, :k].tolist():
            pairs = [
                len(users[a] & users[b]) / math.sqrt(len(users[a]) * len(users[b]))
                for n, a in enumerate(listed) for b in listed[n + 1 :] if a >= 0 and b >= 0
            ]  # fmt: skip
            alike += [sum(pairs) / len(pairs)] if pairs else []
        assert found[f"similarity@{k}"] == pytest.approx(sum(alike) / len(alike))
        shown = [item for item in lists[:, :k].ravel().tolist() if item >= 0]
        assert found[f"coverage@{k}"] == pytest.approx(len(set(shown)) / len(known))
        assert 0 < found[f"gini@{k}"] < 1


def test_what_everybody_is_shown_is_not_diverse(data):
    split = split_of(data(columns()), 0.8)
    same = np.tile(np.unique(split.stream.item[: split.end])[:4].astype(np.int32), (9, 1))
    found = {row["metric"]: row["value"] for row in diversity.rows({"one": same}, split, (4,))}
    many = len(np.unique(split.stream.item[: split.end]))
    assert found["coverage@4"] == pytest.approx(4 / many)
    assert found["gini@4"] == pytest.approx(1 - 4 / many)
