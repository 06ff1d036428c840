"""Lists from the best items of users: what is drawn, with which probability, and for whom."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.catalogue.catalogue import Facts
from models.columns.lists import BY_EXPLORED, BY_FACTORS, Recommended
from models.items.table import Items
from models.params.slate import Arm, SlateParams
from models.params.transitions import TransitionParams
from models.slate.assign import Assign
from models.slate.discount import discount
from models.slate.diversity import Diversity, gini
from models.slate.explore import explore

K, POOL = 5, 20


def lists(users: int, length: int = K + POOL) -> Recommended:
    out = Recommended.empty(users, K + POOL)
    out.rows[:, :length] = np.arange(length)
    out.scores[:, :length] = np.linspace(9, 1, length)
    out.reasons[:] = BY_FACTORS
    return out


def seeds(users: int) -> Any:
    return np.random.default_rng(7).integers(0, 1 << 63, users).astype(np.uint64)


def test_what_is_drawn_comes_as_often_as_its_propensity_says() -> None:
    users, share = 40_000, 0.2
    found, propensities = explore(lists(users), K, share, seeds(users))
    for place in range(K):
        counted = Counter(found.rows[:, place].tolist())
        assert counted[place] / users == pytest.approx(1 - share, abs=0.01)
        for row in range(K, K + POOL):
            assert counted[row] / users == pytest.approx(share / POOL, abs=0.003)
    drawn = found.reasons == BY_EXPLORED
    assert set(np.unique(propensities[drawn]).tolist()) == {np.float32(share / POOL)}
    assert set(np.unique(propensities[~drawn]).tolist()) == {np.float32(1 - share)}
    assert all(len(set(row)) == K for row in found.rows.tolist())


def test_without_exploration_lists_are_the_first_items() -> None:
    longer = lists(10)
    found, propensities = explore(longer, K, 0.0, seeds(10))
    assert (found.rows == longer.rows[:, :K]).all()
    assert (propensities == 1).all()


def test_who_has_no_more_than_a_list_gets_that() -> None:
    found, propensities = explore(lists(1_000, length=3), K, 0.5, seeds(1_000))
    assert (found.rows == [0, 1, 2, -1, -1]).all()
    assert (propensities == 1).all()


@pytest.mark.parametrize("pool", [1, 2, 4])
def test_a_pool_smaller_than_a_list_is_drawn_from_for_its_first_places(pool: int) -> None:
    """The mean of 1 / propensity over what was drawn is the number of items there are."""
    users = 40_000
    found, propensities = explore(lists(users, length=K + pool), K, 0.5, seeds(users))
    assert all(len(set(row)) == K for row in found.rows.tolist())
    for place in range(K):
        weights = 1 / propensities[:, place].astype(np.float64)
        support = pool + 1 if place < pool else 1
        assert weights.mean() == pytest.approx(support, rel=0.03)


def test_the_same_seed_draws_the_same() -> None:
    one, other = (explore(lists(50), K, 0.3, seeds(50))[0] for _ in range(2))
    assert (one.rows == other.rows).all()


def test_ignored_items_move_down_and_nothing_else_does() -> None:
    longer = lists(2)
    keys = longer.rows.tolist()
    discount(longer, keys, [{0: 1.0, 2: 100.0}, {}], 0.5)
    assert longer.rows[0].tolist()[:3] == [1, 0, 3]
    assert longer.rows[0].tolist()[-1] == 2
    assert longer.rows[1].tolist() == list(range(K + POOL))
    assert (np.diff(longer.scores) <= 0).all()
    assert sorted(longer.rows[0].tolist()) == list(range(K + POOL))


def test_users_stay_in_their_arms_and_another_salt_mixes_them() -> None:
    arms = (Arm(name="a", share=1), Arm(name="b", share=1))
    users = [f"user-{n}" for n in range(20_000)]
    one, again = (list(map(Assign(SlateParams(arms=arms)), users)) for _ in range(2))
    other = list(map(Assign(SlateParams(arms=arms, salt="x")), users))
    assert one == again
    assert np.mean(one) == pytest.approx(0.5, abs=0.01)
    assert np.mean(np.array(one) == np.array(other)) == pytest.approx(0.5, abs=0.02)


def test_another_arm_moves_nobody_between_the_others() -> None:
    arms = [Arm(name=name) for name in "abc"]
    users = [f"user-{n}" for n in range(10_000)]
    few, all_of_them, turned = (
        [chosen[Assign(SlateParams(arms=tuple(chosen)))(user)].name for user in users]
        for chosen in (arms[:2], arms, arms[::-1])
    )
    assert all_of_them == turned
    assert all(now in (before, "c") for before, now in zip(few, all_of_them, strict=True))
    assert all_of_them.count("c") / len(users) == pytest.approx(1 / 3, abs=0.02)


@pytest.mark.parametrize(
    "wrong",
    [{"exploration": 1.5}, {"share": 0}, {"ignored_weight": -1}],
    ids=str,
)
def test_arms_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected"):
        replace(Arm(), **wrong)
    with pytest.raises(ValueError, match="a name of its own"):
        SlateParams(arms=(Arm(), Arm()))


def test_diversity_of_lists_is_that_of_what_is_listed() -> None:
    items = Items(factors=2, transitions=TransitionParams(), limit=10, seed=1)
    keys = np.arange(1, 5, dtype=np.uint64)
    rows = items.rows(keys)
    items.arrays.factors[:4] = [[1, 0], [2, 0], [0, 1], [0, 3]]
    items.arrays.counts[:4] = 1
    for key, names in zip(keys.tolist(), (("a",), ("a", "b"), (), ("c",)), strict=True):
        items.describe(key, Facts(categories=names))
    diversity = Diversity()
    assert diversity.figures(items) is None
    diversity.note(np.array([[-1, -1]], np.int32), items)
    assert diversity.figures(items) is None
    diversity.note(rows[None, :2], items)  # alike
    diversity.note(np.array([[rows[1], rows[2]], [rows[1], rows[3]]], np.int32), items)
    found = diversity.figures(items)
    assert found is not None
    assert found.categories == pytest.approx((2 + 2 + 3) / 3, abs=1e-3)
    assert found.similarity == pytest.approx(1 / 3, abs=1e-3)
    assert found.items == 4
    assert found.gini == pytest.approx(gini(np.array([1.0, 3.0, 1.0, 1.0])), abs=1e-3)
