"""Of linear methods: each is what it says, and better ones are better where the world is known."""

import itertools
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from scripts.examples import linear, linear_methods
from scripts.examples.linear_world import Ratings, World, draw, expected
from scripts.tools.console import ToolError

PNG = b"\x89PNG"
SMALL = World(users=60, items=40, ratings_per_user=15)


def figures(folder: Path, *arguments: str):
    out = folder / "out.json"
    assert linear.main(["--json", str(out), *arguments]) == 0
    return json.loads(out.read_text())


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("linear")
    picture = folder / "out.png"
    found = figures(folder, "--plot", str(picture))
    assert picture.read_bytes().startswith(PNG)
    return found


@pytest.fixture(scope="module")
def small():
    return draw(SMALL, np.random.default_rng(1))


def test_methods_are_ordered_by_what_they_know(compared) -> None:
    rmse = [one["rmse"] for one in compared["methods"].values()]
    names = ["mean", "ridge", "biases", "ridge, w_u", "neighbours", "factors", "truth"]
    assert list(compared["methods"]) == names
    assert all(before > after + 0.01 for before, after in pairwise(rmse))
    for one in compared["methods"].values():
        assert one["mae"] < one["rmse"]


def test_neighbours_are_best_after_some_rounds(compared) -> None:
    """More rounds turn all columns to one direction."""
    rmse = [one["rmse"] for one in compared["neighbours_by_round"]]
    assert min(rmse) < min(rmse[0], rmse[-1]) - 0.02
    used = rmse[compared["rounds"] - 1]
    assert used == compared["methods"]["neighbours"]["rmse"]


def test_the_same_seed_gives_the_same_figures(tmp_path: Path) -> None:
    size = ("--users", "60", "--items", "40", "--ratings-per-user", "15")
    first, again, other = (figures(tmp_path, *size, "--seed", seed) for seed in ("1", "1", "2"))
    assert first == again
    assert first["methods"] != other["methods"]
    assert (first["world"]["users"], first["world"]["items"]) == (60, 40)


def test_a_world_is_as_large_as_told_and_rates_each_item_once(small) -> None:
    user, item, stars = small.ratings
    assert np.bincount(user).tolist() == [15] * 60
    assert len(set(zip(user, item, strict=True))) == 900
    assert set(stars) == {1, 2, 3, 4, 5}
    assert small.attributes.shape == (40, 6)
    assert set(small.attributes.ravel()) == {0, 1}


def test_a_fifth_is_held_out_and_nothing_is_in_both(small) -> None:
    train, held = linear.split(small)
    assert (len(train.stars), len(held.stars)) == (720, 180)
    pairs = [set(zip(one.user, one.item, strict=True)) for one in (train, held)]
    assert pairs[0].isdisjoint(pairs[1])


def test_the_truth_is_the_mean_of_many_draws() -> None:
    scores = np.array([0.4, 2.0, 3.5, 4.9])
    noisy = scores + 0.6 * np.random.default_rng(1).normal(size=(200_000, 4))
    drawn = np.clip(np.rint(noisy), 1, 5).mean(axis=0)
    assert expected(scores, 0.6) == pytest.approx(drawn, abs=0.01)


def test_errors_by_hand() -> None:
    held = Ratings(np.array([0, 0]), np.array([0, 1]), np.array([4.0, 2.0]))
    found = linear.errors(np.array([[7.0, 5.0]]), held)  # 7 is cut to 5
    assert found == pytest.approx((np.sqrt((1 + 9) / 2), 2))


def test_ridge_is_its_closed_form(small) -> None:
    x, y = small.attributes[small.ratings.item], small.ratings.stars
    centred = x - x.mean(axis=0)
    w = np.linalg.solve(centred.T @ centred + np.eye(6), centred.T @ (y - y.mean()))
    by_hand = y.mean() + (small.attributes - x.mean(axis=0)) @ w
    found = linear_methods.ridge(small.ratings, small.attributes, 60)
    assert found.shape == (60, 40)
    np.testing.assert_allclose(found, np.tile(by_hand, (60, 1)))


def test_ridge_of_a_user_is_its_closed_form(small) -> None:
    base = linear_methods.with_biases(small.ratings, 60, 40)
    found = linear_methods.ridge_of_users(small.ratings, small.attributes, base)
    user, item, stars = small.ratings
    centred = small.attributes - small.attributes.mean(axis=0)
    x, y = centred[item[user == 7]], (stars - base[user, item])[user == 7]
    w = np.linalg.solve(x.T @ x + 8 * np.eye(6), x.T @ y)
    np.testing.assert_allclose(found[7], base[7] + centred @ w)


def test_biases_by_hand() -> None:
    """Two users, one item each: means of 2 and 4 around 3, shrunk as by 5 ratings of 0."""
    train = Ratings(np.array([0, 1]), np.array([0, 1]), np.array([2.0, 4.0]))
    of_user, of_item = linear_methods.biases(train, 2, 2)
    # each is (error - other) / 6: b = (1 - c) / 6 and c = (1 - b) / 6 give 1 / 7
    assert of_user == pytest.approx([-1 / 7, 1 / 7])
    assert of_item == pytest.approx([-1 / 7, 1 / 7])


def test_sums_of_neighbours_by_hand() -> None:
    left = np.array([[1.0, -1.0, 0.0], [0.0, 2.0, 2.0]])
    items = np.array([[4.0, 0.0], [0.0, 2.0], [2.0, 2.0]])
    rounds = linear_methods.sums(left, items)
    users, same, weights = next(rounds)
    np.testing.assert_allclose(weights, [[0.5, -0.5, 0], [0, 0.5, 0.5]])
    np.testing.assert_allclose(users, [[2, -1], [1, 2]])
    np.testing.assert_allclose(same, items)
    # item 0: user 0; item 1: -1/3 of user 0 and 2/3 of user 1; item 2: user 1
    by_hand = np.array([[2, -1], [0, 5 / 3], [1, 2]])
    _, items, _ = next(rounds)
    np.testing.assert_allclose(items, by_hand / np.sqrt(np.mean(by_hand**2)))


def test_many_rounds_of_sums_are_the_power_iteration() -> None:
    """All columns turn to the strongest direction of V'W."""
    rng = np.random.default_rng(1)
    left = rng.normal(size=(9, 5))
    rounds = linear_methods.sums(left, rng.normal(size=(5, 2)))
    _, items, _ = next(itertools.islice(rounds, 200, None))
    w = left / np.abs(left).sum(axis=1, keepdims=True)
    v = left / np.abs(left).sum(axis=0)
    values, vectors = np.linalg.eig(v.T @ w)
    strongest = np.real(vectors[:, np.argmax(np.abs(values))])
    for column in items.T:
        cosine = column @ strongest / np.linalg.norm(column) / np.linalg.norm(strongest)
        assert abs(cosine) == pytest.approx(1)


def test_the_scale_of_neighbours_leaves_an_item_out_of_its_own_prediction(small) -> None:
    """Slowly: each training rating by a user's sum without it."""
    train, known = small.ratings, small.attributes
    base = linear_methods.with_biases(train, 60, 40)
    left = linear_methods.residuals(train, base)
    items = known - known.mean(axis=0)
    without, error = [], []
    for u, i in zip(train.user, train.item, strict=True):
        weights = left[u] / np.abs(left[u]).sum()
        weights[i] = 0
        without.append(weights @ items @ items[i])
        error.append(left[u, i])
    scale = np.dot(without, error) / np.dot(without, without)
    users, _, _ = next(linear_methods.sums(left, items))
    first = next(linear_methods.neighbours(train, known, base))
    np.testing.assert_allclose(first, base + scale * users @ items.T)


def test_factors_find_what_biases_cannot() -> None:
    """Users of two kinds like opposite halves: all means are alike."""
    kinds = np.where(np.arange(40) % 2, 1, -1)
    user, item = (grid.ravel() for grid in np.indices((40, 40)))
    train = Ratings(user, item, 3.0 + 1.5 * kinds[user] * kinds[item])
    found = linear_methods.factorise(train, 40, 40, np.random.default_rng(1))
    assert np.abs(linear_methods.with_biases(train, 40, 40) - 3).max() < 1e-9
    assert np.sqrt(np.mean((found[user, item] - train.stars) ** 2)) < 0.3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--items", "30"], "--ratings-per-user: expected at most --items, 30, got 40; lower"),
        (["--items", "19"], "--items: expected 20 or more, got 19; raise it"),
        (["--users", "1", "--ratings-per-user", "9"], "expected 10 ratings in all, or more, got 9"),
        (["--users", "99999"], "expected at most 5,000,000 users x items .* got 49,999,500 and"),
    ],
)
def test_sizes_that_are_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(ToolError, match=message) as error:
        linear.main(arguments)
    assert error.value.code == 2


def test_the_least_that_is_taken(tmp_path: Path) -> None:
    found = figures(tmp_path, "--users", "1", "--items", "20", "--ratings-per-user", "10")
    assert all(np.isfinite(one["rmse"]) for one in found["methods"].values())


def test_what_is_printed(capsys) -> None:
    linear.main(["--users", "60", "--items", "40", "--ratings-per-user", "15"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["held-out", "ratings", "RMSE", "MAE"]
    assert [line.split()[0] for line in lines[1:8]] == [
        "mean", "ridge", "biases", "ridge,", "neighbours", "factors", "truth",
    ]  # fmt: skip
