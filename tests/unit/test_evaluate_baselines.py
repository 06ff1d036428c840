"""The baselines of `scripts/evaluate`: their ranks and what they learn, next to plain Python."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.columns.learnt import NOT_SCORED, UNKNOWN
from models.numeric.initial import GAMMA
from scripts.tools.data.behaviour import Recorded
from scripts.tools.evaluate.baselines.bpr import Bpr
from scripts.tools.evaluate.baselines.item_knn import ItemKnn
from scripts.tools.evaluate.baselines.popularity import DecayedPopularity
from scripts.tools.evaluate.baselines.run import ranked
from scripts.tools.evaluate.baselines.stream import Stream
from scripts.tools.evaluate.stream.passes import Pass
from scripts.tools.evaluate.stream.pipeline import VARIANTS, observed
from tests.kernels import scrambled

N, USERS, ITEMS = 500, 7, 40


def stream(past=2048, seed=1):
    random = np.random.default_rng(seed)
    users = random.integers(0, USERS, N)
    items = random.zipf(1.5, N) * 7 % ITEMS
    return Stream.of_rows(np.arange(N), users, items, past=past)


def ranks_of(model, given, every=1):
    ranks = np.full(len(given.user), NOT_SCORED, np.int32)
    for begin in range(0, N, 123):  # blocks do not matter
        model.learn(given, begin, min(begin + 123, N), every, ranks)
    return ranks.tolist()


def protocol(given, score, learn, every=1):
    """Return what P2 says: `score(user's history, item)` of all known items but the own ones."""
    counts, histories, ranks = {}, {}, []
    for e in range(len(given.user)):
        u, item = int(given.user[e]), int(given.item[e])
        history = histories.setdefault(u, [])
        own = set(history[-given.past :])
        rank = NOT_SCORED
        if history and e % every == 0:
            rank = UNKNOWN
            if item in counts and item not in own:
                listed = {j: score(u, history, j) for j in counts if j not in own}
                above = sum(value > listed[item] for value in listed.values())
                level = sum(value == listed[item] for value in listed.values())
                rank = above + level // 2
        ranks.append(rank)
        counts[item] = counts.get(item, 0) + 1
        learn(e, u, history, item, counts, own)
        history.append(item)
    return ranks


@pytest.mark.parametrize("past", [2048, 3])
@pytest.mark.parametrize("decay", [0.5, 1.0])
def test_popularity_fades_at_each_event(past, decay):
    # 0.5 ** 500 is beyond what counts may grow to; halves are exact
    weights = {}

    def learn(e, u, history, item, counts, own):
        for j in weights:
            weights[j] *= decay
        weights[item] = weights.get(item, 0.0) + 1

    given = stream(past)
    expected = protocol(given, lambda _, __, j: weights[j], learn)
    found = ranks_of(DecayedPopularity(given, decay=decay), given)
    assert found == expected
    assert {NOT_SCORED, UNKNOWN} < set(found)
    assert max(found) > 10


def test_the_usual_decay_is_that_of_the_protocol():
    weights = {}

    def learn(e, u, history, item, counts, own):
        for j in weights:
            weights[j] *= 0.9999
        weights[item] = weights.get(item, 0.0) + 1

    given = stream()
    expected = protocol(given, lambda _, __, j: weights[j], learn)
    assert ranks_of(DecayedPopularity(given), given) == expected


def test_item_knn_counts_both_ways_and_the_nearest_most():
    near, counted = {}, {}

    def learn(e, u, history, item, counts, own):
        step = np.float32(1)
        for x in history[:-21:-1]:
            if x != item:
                for pair in ((x, item), (item, x)):
                    near[pair] = near.get(pair, np.float32(0)) + step
            step *= np.float32(0.9)
        counted.update(counts)

    def score(u, history, j):
        total = sum(
            0.9**h * counted[x] ** -0.3 * float(near.get((x, j), 0))
            for h, x in enumerate(history[:-21:-1])
        )
        # equal but for rounding are equal
        return round(total * counted[j] ** -0.3, 9)

    given = stream()
    expected = np.array(protocol(given, score, learn))
    found = np.array(ranks_of(ItemKnn(given), given))
    assert (found == expected).mean() > 0.99
    assert abs(found - expected).max() <= 1
    scored = expected >= 0
    assert scored.sum() > 80
    popularity = np.array(ranks_of(DecayedPopularity(given, decay=1.0), given))
    assert (found[scored] == popularity[scored]).mean() < 0.5


def test_bpr_takes_the_steps_of_its_formula():
    given = stream()
    model, start = Bpr(given, seed=3), Bpr(given, seed=3).arrays
    p, q, bias = start.users.copy(), start.items.copy(), start.bias.copy()
    known, skipped = [], []

    def learn(e, u, history, item, counts, own):
        if item not in known:
            known.append(item)
        word = np.uint64(scrambled(np.uint64(e) ^ np.uint64(scrambled(np.uint64(3)))))
        for _ in range(10):
            with np.errstate(over="ignore"):
                word = word + GAMMA
            other = known[int(scrambled(word)) % len(known)]
            if other == item or other in own:
                skipped.append(other)
                continue
            g = 1 / (1 + np.exp(bias[item] - bias[other] + p[u] @ (q[item] - q[other])))
            moved = g * (q[item] - q[other]) - 0.002 * p[u]
            q[item] += 0.05 * (g * p[u] - 0.002 * q[item])
            q[other] -= 0.05 * (g * p[u] + 0.002 * q[other])
            p[u] += 0.05 * moved
            bias[item] += 0.05 * (g - 0.002 * bias[item])
            bias[other] -= 0.05 * (g + 0.002 * bias[other])

    expected = np.array(protocol(given, lambda u, _, j: bias[j] + p[u] @ q[j], learn))
    found = np.array(ranks_of(model, given))
    np.testing.assert_allclose(model.arrays.users, p, atol=1e-4)
    np.testing.assert_allclose(model.arrays.items, q, atol=1e-4)
    np.testing.assert_allclose(model.arrays.bias, bias, atol=1e-4)
    assert (found == expected).mean() > 0.99
    assert skipped
    assert np.abs(p - start.users).max() > 0.1


def test_one_event_in_so_many_is_ranked_and_all_are_learnt():
    given = stream()
    for model in ("bpr", "decayed_popularity", "item_knn"):
        whole = ranked(given, model, 1, 1, lambda *_: None)
        some = ranked(given, model, 3, 1, lambda *_: None)
        kept = whole.numbers % 3 == 0
        assert some.numbers.tolist() == whole.numbers[kept].tolist()
        assert some.ranks.tolist() == whole.ranks[kept].tolist()


def test_the_pipeline_ranks_the_same_events_by_the_same_protocol(tmp_path):
    random = np.random.default_rng(2)
    table = {
        "user_id": random.integers(0, 20, N),
        "item_id": random.integers(0, 60, N),
        "timestamp": 900_000_000 + 100_000 * np.arange(N),
    }
    pq.write_table(pa.table(table), tmp_path / "events.parquet")
    data = Recorded(tmp_path / "events.parquet")
    one = Pass(data, observed(VARIANTS["transitions"], {}, 2))
    one.run("transitions", lambda *_: None)
    given = Stream.of(data)
    found = np.array(ranks_of(DecayedPopularity(given, decay=1.0), given, every=2))
    numbers = np.flatnonzero(found != NOT_SCORED)
    assert one.numbers.tolist() == numbers.tolist()
    assert one.ranks("popularity_rank").tolist() == found[numbers].tolist()
    assert (found == UNKNOWN).sum() > (found[:60] == UNKNOWN).sum()  # the users' own items


def test_a_copied_pipeline_goes_on_by_itself(tmp_path):
    table = {"user_id": np.arange(N) % 7, "item_id": np.arange(N) % 60, "timestamp": np.arange(N)}
    table["timestamp"] += 900_000_000
    pq.write_table(pa.table(table), tmp_path / "events.parquet")
    one = Pass(Recorded(tmp_path / "events.parquet"), observed(VARIANTS["transitions"], {}, 1))
    frozen = one.pipeline.copied()
    one.run("transitions", lambda *_: None)
    assert one.pipeline.items.size == 60
    assert frozen.items.size == 0
    assert not frozen.numbers
    again = Pass(one.data, frozen)
    again.run("transitions", lambda *_: None)
    assert again.ranks("online_rank").tolist() == one.ranks("online_rank").tolist()
