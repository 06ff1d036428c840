import numpy as np
import pytest

from scripts.tools.benchmarks.candidates.exact import recall
from scripts.tools.benchmarks.candidates.measure import Lists, called, figures_of, size_of, sizes
from scripts.tools.benchmarks.candidates.world import Learner, Walk, World, learner
from scripts.tools.console import ToolError


@pytest.fixture(scope="module", params=["full", "light"])
def learnt(request: pytest.FixtureRequest) -> Learner:
    found = learner(request.param, 1_000)
    found.take(World(1_000), lambda _: None)
    return found


def test_the_job_lists_the_exact_best(learnt: Learner):
    compared = 0
    for user in learnt.users(20):
        scores = learnt.scores(user)
        if scores is not None:
            listed = learnt.recommend(user)
            assert recall(listed.rows[0], scores) == 1
            at = listed.rows[0][listed.rows[0] >= 0]
            assert listed.scores[0][: len(at)] == pytest.approx(scores[at], abs=1e-3)
            compared += 1
    assert compared > 10


def test_a_list_that_misses_one_has_a_lower_recall(learnt: Learner):
    user = learnt.users(1)[0]
    scores = learnt.scores(user)
    listed = learnt.recommend(user).rows[0].copy()
    listed[0] = int(np.argmin(np.where(np.isfinite(scores), scores, np.inf)))
    assert recall(listed, scores) == pytest.approx(0.9)


def test_what_must_not_be_listed_does_not_count():
    scores = np.array([5.0, 4.0, -np.inf, 1.0])
    assert recall(np.array([0, 1], np.int32), scores) == 1
    assert recall(np.array([0, 2], np.int32), scores) == 0.5
    assert recall(np.array([0, 0], np.int32), scores) == 0.5
    assert recall(np.array([0, -1], np.int32), scores) == 0.5


def test_a_walk_takes_every_item_once():
    items = [item for block in Walk(12_345).blocks() for item in block.items]
    assert len(items) == len(set(items)) == 12_345


def test_sizes_have_names():
    assert [called(n) for n in (3_706, 20_000, 1_000_000)] == [
        "items_3706",
        "items_20k",
        "items_1m",
    ]
    assert [size_of(called(n)) for n in (3_706, 20_000, 1_000_000)] == [3_706, 20_000, 1_000_000]
    assert sizes("20000, 3706,3706") == [3_706, 20_000]
    with pytest.raises(ToolError, match="--items"):
        sizes("10")


def test_figures_are_named_by_model_and_size():
    found = {
        one.name: one.value for one in figures_of("full", 10**6, Lists([1.0, 2.0, 9.0], [1.0, 0.8]))
    }
    assert found["candidates.items_1m.ms"] == 2
    assert found["candidates.items_1m.recall"] == pytest.approx(0.9)
    names = [one.name for one in figures_of("light", 10**6, Lists([1.0], [1.0]))]
    assert names[0] == "candidates.light.items_1m.ms"
