"""Ratings of any scale are learnt alike: the same errors in stars, whatever numbers stand for."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conf.loader import load
from jobs.parameters import fine_tune
from models.arrays.weights import LOSSES
from models.deep.mf import Mf
from models.deep.placed import Model
from models.deep.shape import Shape
from models.params.events import EventPolicy
from models.params.rating import KalmanParams, RatingParams
from models.rating.stacking import SQUARE
from models.rating.stars import Stars
from models.refit.refit import Refit
from models.weights.blend import COUNT
from operators.learn_items.authority import ItemAuthority
from state import examples
from state.codec.sealed import IncompatibleError
from tests.builders import NOW, Record, cut, event, in_order, learn_items, learn_users, learning
from tests.harness import Clock, UsersSubtask

SCALES = [(0.0, 100.0), (1.0, 10.0), (-1.0, 1.0), (0.0, 1.0)]
USERS, ITEMS, RATINGS = 60, 80, 3_000


def stars() -> list[tuple[int, int, float, int]]:
    """User, item, stars of 1 to 5 and time of ratings by taste, of different pairs."""
    random = np.random.default_rng(3)
    pairs = random.permutation(USERS * ITEMS)[:RATINGS]
    taste, kind = random.normal(0, 0.8, (USERS, 2)), random.normal(0, 0.8, (ITEMS, 2))
    level = random.normal(3.2, 0.4, USERS)[:, None] + random.normal(0, 0.5, ITEMS)
    full = np.clip(level + taste @ kind.T + random.normal(0, 0.5, (USERS, ITEMS)), 1, 5)
    return [
        (int(p) // ITEMS, int(p) % ITEMS, float(full.reshape(-1)[p]), NOW - 60_000 * (RATINGS - n))
        for n, p in enumerate(pairs)
    ]


def log(scale: tuple[float, float]) -> list[Record]:
    lowest, highest = scale
    return in_order(
        event(f"u{u}", f"i{i}", "rating", at=t, value=lowest + (s - 1) / 4 * (highest - lowest))
        for u, i, s, t in stars()
    )


def params(model: str, scale: tuple[float, float]) -> dict[str, Any]:
    lowest, highest = scale
    kind = KalmanParams if model == "ekf" else RatingParams
    return {
        "policy": EventPolicy(
            buckets=1, lowest_rating=lowest, highest_rating=highest, rating_centre=None
        ),
        "learning": learning(
            objective="rating", rating=kind(factors=4, lowest=lowest, highest=highest, support=5)
        ),
    }


def learnt(model: str, scale: tuple[float, float]) -> tuple[float, list[tuple[str, float]]]:
    """RMSE of the second half in stars of 1 to 5, and the last list as items and stars."""
    users, unit = UsersSubtask(learn_users(**params(model, scale)), Clock()), scale[1] - scale[0]
    squared, errors, last = 0.0, 0, {}
    for n, records in enumerate(cut(log(scale), [100] * 30)):
        learned = users.take(records)
        last |= learned.recommendations
        if n >= 15:
            squared += learned.metrics["squared_error"] * (4 / unit) ** 2
            errors += int(learned.metrics["errors"])
    assert errors == RATINGS // 2
    listed = [
        (one["item_id"], 1 + (one["score"] - scale[0]) * 4 / unit) for one in last["u7"]["items"]
    ]
    return (squared / errors) ** 0.5, listed


@pytest.mark.parametrize("model", ["ekf", "sgd"])
def test_ratings_of_any_scale_are_predicted_alike(model: str) -> None:
    expected, listed = learnt(model, (1.0, 5.0))
    assert 0.4 < expected < 1.0
    for scale in SCALES:
        found, same = learnt(model, scale)
        assert found == pytest.approx(expected, rel=0.01), scale
        assert [name for name, _ in same] == [name for name, _ in listed]
        assert [score for _, score in same] == pytest.approx([s for _, s in listed], abs=2e-3)


def test_a_refitted_model_is_given_and_predicts_stars() -> None:
    """From what the job tells fine-tune a model is fitted, and joined with the filter's."""
    alone, _ = learnt("ekf", (1.0, 5.0))
    expected, sums = beside((1.0, 5.0))
    assert expected != pytest.approx(alone, rel=0.01)
    assert sums[COUNT] == RATINGS // 2
    for scale in SCALES:
        found, same = beside(scale)
        assert found == pytest.approx(expected, rel=0.01), scale
        assert same == pytest.approx(sums, rel=0.01), scale


def beside(scale: tuple[float, float]) -> tuple[float, np.ndarray]:
    """RMSE of what the filter and a fitted model predict together, and the sums that the weight is
    learnt from, all in stars."""
    made = params("ekf", scale)
    shape = Shape(network="mf", dim=4)
    own = replace(made["learning"].users, deep_state=shape.state)
    learn = replace(made["learning"], deep=shape, users=own)
    users = UsersSubtask(learn_users(policy=made["policy"], learning=learn), Clock())
    taken = [users.take(records) for records in cut(log(scale)[:1500], [100] * 15)]
    told = [examples.decode(one.row.examples) for one in taken]
    fit_params = learn.refit
    assert fit_params is not None
    who, user = np.unique(np.concatenate([one.user for one in told]), return_inverse=True)
    what, item = np.unique(np.concatenate([one.item for one in told]), return_inverse=True)
    value = np.concatenate([one.value for one in told])
    fitted = Refit(who, what, fit_params)
    fitted.learn(user.astype(np.int32), item.astype(np.int32), value)
    fitted.refit()
    model = fitted.model
    tensors = {
        "user.factors": model.user_factors, "user.bias": model.user_bias,
        "item.factors": model.item_factors, "item.bias": model.item_bias,
        "mean": model.mean.astype(np.float32),
    }  # fmt: skip
    network = Mf(shape, tensors, who)
    pipeline = users.function._pipeline
    targets, bias, output = network.catalogue
    pipeline.learn.deep.swap(Model(1, 1, network, what, targets, bias, output))
    pipeline.learn.deep.blend.deep = 0.5
    squared, errors, sums = 0.0, 0, np.zeros(LOSSES)
    for records in cut(log(scale)[1500:], [100] * 30):
        learned = users.take(records)
        sums += examples.decode(learned.row.examples).loss
        squared += learned.metrics["squared_error"] * (4 / (scale[1] - scale[0])) ** 2
        errors += int(learned.metrics["errors"])
    return (squared / errors) ** 0.5, sums[: SQUARE + 1]


def test_fine_tune_is_told_of_stars(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text("events: {rating_min: 0, rating_max: 100, rating_centre: null}")
    config = load(path, ["learning.objective=rating"])
    assert fine_tune(config).round.scale == (1.0, 5.0)
    assert fine_tune(load(path, [])).round.scale is None


@pytest.mark.parametrize("scale", [(0.5, 5.0), (1.0, 5.0), (0.0, 5.0), (1.0, 4.5)])
def test_a_scale_about_four_wide_is_learnt_as_it_is(scale: tuple[float, float]) -> None:
    found, values = Stars(*scale), np.array([scale[0], np.nan, scale[1]], np.float32)
    assert (found.unit, found.limits) == (1.0, scale)
    assert found.of(values) is values
    assert found.ratings(values) is values
    made = params("ekf", scale)["learning"]
    assert made.rating_in_stars == made.rating


@pytest.mark.parametrize("scale", [*SCALES, (0.1, 0.9), (-3e5, 7e8), (2.0, 2.7)])
def test_what_lies_in_the_scale_stays_in_it(scale: tuple[float, float]) -> None:
    found = Stars(*scale)
    values = np.linspace(*scale, 10_001).astype(np.float32)
    there = found.of(values)
    assert there.dtype == np.float32
    assert there.min() == 1
    assert there.max() == 5
    assert (np.diff(there) >= 0).all()
    span = scale[1] - scale[0]
    assert found.ratings(there) == pytest.approx(values, abs=1e-6 * (span + max(map(abs, scale))))
    assert np.isnan(found.of(np.array([np.nan], np.float32)))


def test_what_was_learnt_of_another_scale_is_refused() -> None:
    """A release before learnt percents as they are."""
    before = params("ekf", (0.0, 100.0))["learning"]
    other = replace(before, rating=replace(before.rating, lowest=96.0, highest=100.0))
    policy = replace(params("ekf", (0.0, 100.0))["policy"], lowest_rating=96.0)
    users = UsersSubtask(learn_users(policy=policy, learning=other), Clock())
    made = ItemAuthority(learn_items(learning=other))
    made.open(0, [])
    message = users.take([event("anna", "tea", "rating", value=99.0)]).accepted or b""
    records = [value for _, value in made.learn(0, [message]) if value is not None]
    again = ItemAuthority(learn_items(learning=before))
    with pytest.raises(IncompatibleError, match="expected ratings learnt as 1 to 5"):
        again.open(0, records)
    ItemAuthority(learn_items(learning=other)).open(0, records)
