"""Rounds of `mf` in a process of their own, by the interpreter of the job: it needs no torch."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from models.arrays.lesson import Lesson
from models.columns.events import Events
from models.columns.users import Users
from models.deep.placed import Model
from models.deep.serving import Deep
from models.deep.shape import Shape
from models.items.table import Items
from models.params.rating import KalmanParams
from models.params.refit import RefitParams
from models.params.users import UserParams
from models.rating.ekf import FilteredRating, start_of
from models.rating.stacking import Stacking
from state.store import model_file
from tests.columns import TRANSITIONS, events, key, rows_of

ROOT = Path(__file__).parents[2]
SHAPE = Shape(network="mf", dim=4)
USERS, ITEMS, LOWEST, HIGHEST = 60, 80, 1.0, 5.0


def ratings(n: int, seed: int = 1) -> tuple[np.ndarray, ...]:
    """Ratings by tastes in three dimensions, with noise; the first are of half the users."""
    random = np.random.default_rng(seed)
    taste, kind = random.normal(size=(USERS, 3)), random.normal(size=(ITEMS, 3)) * 0.6
    user = random.integers(0, USERS, n)
    user[: n // 2] //= 2
    item = random.integers(0, ITEMS, n)
    value = 3 + (taste[user] * kind[item]).sum(axis=1) + random.normal(0, 0.3, n)
    return user, item, np.clip(value, LOWEST, HIGHEST).astype(np.float32)


def trained(
    folder: Path, columns: tuple[np.ndarray, ...], parent: Path | None = None, **plan: Any
) -> dict[str, Any]:
    """Run a round; return its report."""
    folder.mkdir(exist_ok=True)
    user, item, value = columns
    np.save(folder / "users-b1.npy", user[:100].astype(np.uint64))
    np.save(folder / "users-b2.npy", user[100:].astype(np.uint64))
    np.save(folder / "items.npy", np.array([key(one) for one in item.tolist()], np.uint64))
    np.save(folder / "values.npy", value)
    if parent:
        weights = parent / "out" / "weights.safetensors"
        (folder / "parent.safetensors").write_bytes(weights.read_bytes())
    settings = {"shape": SHAPE.to_dict(), "scale": [LOWEST, HIGHEST], "held_out": 0.1}
    (folder / "plan.json").write_text(json.dumps(settings | plan))
    words = [sys.executable, "-m", "models.deep.training", str(folder)]
    subprocess.run(words, check=True, cwd=folder, env={"PYTHONPATH": str(ROOT)})
    found: dict[str, Any] = json.loads((folder / "out" / "report.json").read_bytes())
    return found


def served(folder: Path) -> Model:
    data = (folder / "out" / "weights.safetensors").read_bytes()
    return model_file.decode(data, SHAPE, version=1, root=1)


def test_a_round_fits_the_ratings_and_the_next_goes_on_from_it(tmp_path: Path) -> None:
    user, item, value = columns = ratings(24_000)
    first = trained(tmp_path / "one", tuple(column[:12_000] for column in columns))
    assert (first["events"], first["champion"]) == (12_000, {})
    assert first["items"] == ITEMS
    assert first["loss"][-1] < first["loss"][0]
    assert first["challenger"]["rmse"] < 0.6 * value.std()
    second = trained(tmp_path / "two", columns, tmp_path / "one", round=2, new_from=12_000, seed=1)
    assert second["events"] == 24_000
    assert second["challenger"]["rmse"] < 1.03 * second["champion"]["rmse"]
    assert second["champion"]["positions"] == second["challenger"]["positions"] == 2_400
    before, after = (load_file(tmp_path / n / "out/weights.safetensors") for n in ("one", "two"))
    known = len(before["user_keys"])
    assert after["user_keys"][:known].tolist() == before["user_keys"].tolist()
    model = served(tmp_path / "two")
    start = model.network.start(user.astype(np.uint64))[1]
    predicted = (start * model.targets[item]).sum(axis=1) + model.bias[item]
    assert np.sqrt(np.square(predicted - value).mean()) < 0.6 * value.std()


def test_the_same_plan_and_ratings_give_the_same_bytes(tmp_path: Path) -> None:
    columns = ratings(600)
    for name in ("one", "two"):
        trained(tmp_path / name, columns)
    one, two = ((tmp_path / n / "out/weights.safetensors").read_bytes() for n in ("one", "two"))
    assert one == two


def test_what_is_no_rating_is_left_out(tmp_path: Path) -> None:
    user, item, value = ratings(600)
    value[::3] = [np.nan, 0.5, 6.0, np.inf] * 50
    assert trained(tmp_path / "round", (user, item, value))["events"] == 400


def test_together_with_the_filter_errors_are_smaller_than_the_filters(tmp_path: Path) -> None:
    """As the job serves it: the second half is predicted with a model of the first."""
    columns = ratings(24_000)
    trained(tmp_path / "round", tuple(column[:12_000] for column in columns))
    params = KalmanParams(factors=2, history=5, lowest=LOWEST, highest=HIGHEST)
    widths = {"history": 8, "excluded": 4, "factors": 2, "past": 64, "recent": 2, "past_until": 0}
    widths |= {"deep": SHAPE.state, "mood": 3, "variance": 3, "rated": 5}
    users = Users.new(USERS, widths)
    users.key[:] = np.arange(USERS)
    items = Items(
        factors=2, transitions=TRANSITIONS, limit=1_000, seed=1, context=True,
        start=start_of(params),
    )  # fmt: skip
    limits = {"lowest": LOWEST, "highest": HIGHEST}
    model = FilteredRating(params, users=UserParams())
    deep, stacking = Deep(SHAPE, RefitParams(factors=SHAPE.dim, **limits)), Stacking()
    squared = np.zeros(2)
    for begin in range(0, 24_000, 500):
        if begin == 12_000:
            deep.swap(served(tmp_path / "round"))
        batch = some(columns, begin, begin + 500)
        every, gap = np.ones(500, np.bool_), np.zeros(500, np.uint8)
        rows = rows_of(items, batch)
        said = deep.learn(items, users, batch, rows, gap, every)
        learnt = model.learn(
            items,
            users,
            Lesson(batch, rows, bucket=0, fresh=every, scored=every, gap=gap, deep=said),
        )
        if begin < 12_000:
            continue
        assert learnt.loss[0] == 500
        error, apart, products = learnt.loss[1], learnt.loss[3], learnt.loss[2]
        # of the filter alone: e² = (e - w d)² + 2 w e d - w² d²
        weight = said.weight
        squared += [error, error + 2 * weight * products - weight**2 * apart]
        stacking.learn(learnt.loss)
        deep.blend.deep = stacking.deep
    together, alone = np.sqrt(squared / 12_000)
    assert together < 0.93 * alone
    assert stacking.deep > 0.5


def some(columns: tuple[np.ndarray, ...], begin: int, end: int) -> Events:
    user, item, value = (column[begin:end] for column in columns)
    made = events(*zip(user.tolist(), item.tolist(), strict=True), value=value, first=begin)
    made.time = 10**12 + np.arange(begin, end) * 1_000
    return made


def test_a_model_says_up_to_when_it_knows_each_user(tmp_path: Path) -> None:
    user, item, value = (column[:4_000] for column in ratings(4_000))
    times = np.random.default_rng(1).integers(0, 10**12, 4_000)
    for name, count in (("one", 2_000), ("two", 4_000)):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "times.npy", times[:count])
    parts = [tuple(column[:count] for column in (user, item, value)) for count in (2_000, 4_000)]
    trained(tmp_path / "one", parts[0])
    # the ring has lost some users by the second round: the parent still knows of them
    left = np.flatnonzero(user >= 5)
    np.save(tmp_path / "two" / "times.npy", times[left])
    last = tuple(column[left] for column in (user, item, value))
    trained(tmp_path / "two", last, tmp_path / "one", round=2, new_from=100, seed=1)
    found = load_file(tmp_path / "two/out/weights.safetensors")
    held = dict(zip(found["user_keys"].tolist(), found["user.time"].tolist(), strict=True))
    for one in np.unique(user).tolist():
        mine = np.flatnonzero(user == one)
        mine = mine[mine < 2_000] if one < 5 else mine
        assert held[one] == times[mine].max()
    data = (tmp_path / "two/out/weights.safetensors").read_bytes()
    network = model_file.decode(data, SHAPE, version=2, root=1).network
    newest = np.array([held[5], held[5] + 1], np.float64)
    assert network.lacks(np.array([5, 5], np.uint64), newest).tolist() == [False, True]
