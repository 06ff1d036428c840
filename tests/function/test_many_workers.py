"""Up to 16 workers that learn next to each other learn as one that learns all events."""

from collections.abc import Iterator
from functools import cache
from itertools import count
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.items import differences
from models.items.table import Items
from models.keys import key_of
from models.transitions.exchange import entries
from state.topics.window import Sums
from tests.builders import DAY, NOW, Record, behaviour, event, in_order
from tests.workers import Workers, configured

EVENTS, FIRST = 12_000, 4_000
"""Of a log, and those of them that do not count."""
USERS, ITEMS = 600, 240
WARM, OTHERS = 1_000, 400
"""Events of a first round, and of each of the others beside those of an item in fashion."""
BUYERS = {"steady": 12 * [300], "bursts": [300, *2 * [0, 0, 0, 600], 0, 0, 0]}
"""Users who buy an item that is new, by round."""
NAME = "viral"


def shopping(events: int, seed: int) -> list[Record]:
    return behaviour(events, seed=seed, users=USERS, items=ITEMS, clusters=8, sessions=64)


def rated(events: int, level: float = 3.4, seed: int = 1) -> list[Record]:
    """Ratings by taste, of users and items of all levels."""
    random = np.random.default_rng(seed)
    user, item = random.integers(0, USERS, events), random.integers(0, ITEMS, events)
    taste, kind = random.normal(0, 0.7, (USERS, 2)), random.normal(0, 0.7, (ITEMS, 2))
    bias = random.normal(0, 0.3, USERS)[user] + random.normal(0, 0.4, ITEMS)[item]
    value = level + bias + (taste[user] * kind[item]).sum(1) + random.normal(0, 0.4, events)
    stars = np.clip(np.round(2 * value) / 2, 1, 5)
    return in_order(
        event(f"user-{u}", f"item-{i}", "rating", at=NOW - DAY + n, value=v)
        for n, (u, i, v) in enumerate(
            zip(user.tolist(), item.tolist(), stars.tolist(), strict=True)
        )
    )


@cache
def quality(model: str, workers: int, lag: int) -> float:
    """Hit rate of a ranking, RMSE of ratings; after the first events."""
    rating = model in ("rating", "sgd")
    log = rated(EVENTS) if rating else shopping(EVENTS, seed=2)
    with pytest.MonkeyPatch.context() as patch:
        made = Workers(workers, configured(model), patch)
        found = [made.round(log[at : at + lag]) for at in range(0, EVENTS, lag)]
    counted: list[Sums] = found[FIRST // lag :]
    if rating:
        errors = sum(one.errors for one in counted)
        return float(np.sqrt(sum(one.squared_error for one in counted) / errors))
    return sum(one.hits for one in counted) / sum(one.scored for one in counted)


@pytest.mark.parametrize(
    ("model", "workers", "lag", "least"),
    [
        ("full", 2, 4_000, 0.96),
        ("full", 4, 4_000, 0.93),
        ("full", 8, 4_000, 0.90),
        ("full", 16, 4_000, 0.885),
        ("full", 16, 1_000, 0.97),
        ("light", 16, 4_000, 0.88),
        ("light", 16, 1_000, 0.95),
    ],
)
def test_many_hit_nearly_as_often_as_one(model: str, workers: int, lag: int, least: float) -> None:
    ratio = quality(model, workers, lag) / quality(model, 1, 4_000)
    assert ratio >= least


@pytest.mark.parametrize("model", ["rating", "sgd"])
@pytest.mark.parametrize(("lag", "most"), [(4_000, 1.02), (1_000, 1.01)])
def test_many_err_hardly_more_than_one(model: str, lag: int, most: float) -> None:
    ratio = quality(model, 16, lag) / quality(model, 1, 4_000)
    assert ratio <= most


def surge(times: list[int], others: list[Record], taken: dict[str, Any]) -> Iterator[list[Record]]:
    """Yield rounds of others' events, between which new users look at something, then take one."""
    random, user, first = np.random.default_rng(1), count(), WARM
    yield others[:WARM]
    for n, buyers in enumerate(times):
        begin = WARM + n * OTHERS
        found = [[record] for record in others[begin : begin + OTHERS]]
        for place in random.integers(0, OTHERS, buyers).tolist():
            name, at = f"buyer-{next(user)}", NOW - DAY + first
            found[place] += [
                event(name, f"item-{random.integers(ITEMS)}", at=at),
                event(name, NAME, at=at + 1, **taken),
            ]
        records = in_order([record for some in found for record in some], first=first)
        yield records
        first += len(records)


def row_of(items: Items) -> int:
    return int(items.rows(np.array([key_of(NAME)], np.uint64), register=False)[0])


@cache
def fashion(model: str, workers: int, kind: str) -> NDArray[np.float32]:
    """Factors of an item that comes into fashion, after every round from its first one on."""
    others = shopping(WARM + len(BUYERS[kind]) * OTHERS, seed=1)
    found = []
    with pytest.MonkeyPatch.context() as patch:
        made = Workers(workers, configured(model), patch, ranks=False, items=True)
        for records in surge(BUYERS[kind], others, {"kind": "purchase"}):
            made.round(records)
            items = made.learn[0].items
            if row_of(items) >= 0:
                found.append(items.arrays.factors[row_of(items)].copy())
        copies = [*(learn.items for learn in made.learn), made.catalogue._items]
        if model == "full":  # of the other, each copy takes the steps anew, in its own order
            assert_alike(copies)
        return np.array(found)


def assert_alike(copies: list[Items]) -> None:
    """All copies, and what each has told and received, but for what half precision cannot say."""
    *_, made = copies
    expected = differences.vectors(made.arrays, slice(0, made.size))
    for items in copies[:-1]:
        rows = items.rows(made.keys, register=False)
        assert (rows >= 0).all()
        for found in (items.arrays.told[rows], differences.vectors(items.arrays, rows)):
            assert found == pytest.approx(expected, rel=2e-3, abs=2e-3)


@pytest.mark.parametrize(
    ("model", "workers", "kind"),
    [
        ("full", 16, "steady"),
        ("full", 16, "bursts"),
        ("light", 16, "bursts"),
    ],
)
def test_an_item_that_comes_into_fashion_keeps_its_way(model: str, workers: int, kind: str) -> None:
    one, many = (fashion(model, n, kind) for n in (1, workers))
    length = np.linalg.norm(many, axis=1)
    same = (many[1:] * many[:-1]).sum(1) / (length[1:] * length[:-1])
    # the first burst after rounds without a buyer begins from factors that are hardly any yet
    assert same.min() >= (0.9 if kind == "steady" or model == "light" else 0.2)
    assert np.median(same) >= 0.9
    assert (length <= 1.5 * np.linalg.norm(one, axis=1)).all()


@cache
def disliked(model: str, workers: int) -> float:
    """Bias of an item with one star among others of nearly five."""
    with pytest.MonkeyPatch.context() as patch:
        made = Workers(workers, configured(model), patch, ranks=False)
        others = rated(WARM + 6 * OTHERS, level=5.2)
        for records in surge(6 * [300], others, {"kind": "rating", "value": 1}):
            made.round(records)
        items = made.learn[0].items
        return float(items.arrays.bias[row_of(items)])


@pytest.mark.parametrize("workers", [4, 8, 16])
@pytest.mark.parametrize(
    "model",
    [
        "rating",
        pytest.param(
            "sgd",
            marks=pytest.mark.xfail(
                strict=True, reason="steps are told one by one, and their sum goes too far"
            ),
        ),
    ],
)
def test_an_item_that_all_dislike_is_disliked_as_much(model: str, workers: int) -> None:
    assert disliked(model, workers) == pytest.approx(disliked(model, 1), abs=0.3)


@pytest.mark.parametrize("model", ["light", "full", "rating", "sgd"])
def test_a_publication_makes_every_replica_the_authoritative_copy(model: str) -> None:
    """Of workers that have not received the last messages; receiving them then changes nothing."""
    log = rated(4_000) if model in ("rating", "sgd") else shopping(4_000, seed=3)
    with pytest.MonkeyPatch.context() as patch:
        made = Workers(4, configured(model), patch, ranks=False, items=True)
        for at in range(0, 3_000, 1_000):
            made.round(log[at : at + 1_000])
        made.publish()
        made.round(log[3_000:], deaf=True)
        made.publish()
        copies = [*(learn.items for learn in made.learn), made.catalogue._items]
        assert_same(copies)
        made.receive()
        assert_same(copies)


def assert_same(copies: list[Items]) -> None:
    """All copies hold the same of every item with an event, but for what is still to be told."""
    *replicas, made = copies
    own = np.flatnonzero(made.count)
    a, keys = made.arrays, made.keys[own]
    for items in replicas:
        b, rows = items.arrays, items.rows(keys, register=False)
        assert (rows >= 0).all()
        for name in ("counts", "value_sum", "popularity", "last_time"):
            assert getattr(b, name)[rows] == pytest.approx(getattr(a, name)[own], rel=1e-6), name
        if b.told.shape[1]:
            expected = differences.vectors(a, own)
            assert b.told[rows] == pytest.approx(expected, rel=1e-5, abs=1e-5)
        for name in (
            "factors", "bias", "context", "variance",
            "gradient_sum", "context_gradient_sum", "bias_gradient_sum",
        ):  # fmt: skip
            expected = getattr(a, name)[own]
            slack = 2e-3 if b.told.shape[1] else 1e-6
            assert getattr(b, name)[rows] == pytest.approx(expected, rel=slack, abs=slack), name
        for x, y in zip(rows.tolist(), own.tolist(), strict=True):
            assert successors(items, x) == pytest.approx(successors(made, y), rel=1e-4)


def successors(items: Items, row: int) -> dict[int, float]:
    rows, weights = entries(items.transitions.arrays, row, items.transitions.arrays.keep)
    return dict(zip(items.keys[rows].tolist(), weights.tolist(), strict=True))
