"""The examples of docstrings show what the job does."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from models.columns.items import ItemRows
from models.columns.users import Users
from models.example import REASONS, Example, events_of
from models.params.ranking import MODELS
from models.params.rating import KalmanParams, RatingParams
from operators.learn_users.stages import records
from operators.learn_users.stages.learn import Learn
from tests.builders import TOLD, learning

ROWS = [
    ("ann", "tea", 5.0, 0), ("ann", "cup", 4.0, 10), ("ben", "tea", "purchase", 20),
    ("ben", "pot", 1.5, 30), ("cat", "cup", "view", 40), ("cat", "pot", 3.0, 50),
]  # fmt: skip
RATINGS = [RatingParams(factors=4, support=1), KalmanParams(factors=4, support=1)]


def columns(of: Any) -> dict[str, Any]:
    names = ItemRows.__slots__ if isinstance(of, ItemRows) else [one.name for one in fields(of)]
    return {name: np.asarray(getattr(of, name)).tobytes() for name in names}


def items_of(made: Any) -> dict[str, Any]:
    return columns(made.items.export(np.arange(made.items.size, dtype=np.int32)))


def known(example: Example) -> tuple[dict[str, Any], dict[str, Any]]:
    return columns(example.users), items_of(example)


@pytest.mark.parametrize("params", [*MODELS.values(), *RATINGS], ids=lambda one: type(one).__name__)
def test_an_example_learns_of_items_what_the_job_learns(params: Any) -> None:
    rating = not hasattr(params, "adaptive")
    name = "rating" if rating else "ranking"
    job = Learn(learning(**TOLD | {"objective": name, name: params}))
    example = Example(params, transitions=learning().transitions, users=learning().users)
    for begin in (0, 3):
        rows = ROWS[begin : begin + 3]
        user = example._meet(row[0] for row in rows)
        users: Users = example.users.take(np.arange(len(example.users), dtype=np.int32))
        events = events_of(rows, user, first=begin)
        job(0, users, events, [row[1] for row in rows], np.ones(3, np.bool_))
        example.learn(rows)
        users.session_last[:] = example.users.session_last
        assert columns(example.users) == columns(users)
    assert items_of(example) == items_of(job)


@pytest.mark.parametrize("params", RATINGS, ids=lambda one: type(one).__name__)
def test_to_predict_changes_nothing(params: Any) -> None:
    example = Example(params)
    example.learn(ROWS)
    before = known(example)
    found = [example.predict("ann", "pot") for _ in range(3)]
    assert found == [found[0]] * 3
    assert (found[0], "pot") in [(score, item) for item, score, _ in example.recommend("ann")]
    assert np.isnan(example.predict("ann", "nothing"))
    assert known(example) == before


def test_what_ranks_predicts_no_ratings() -> None:
    with pytest.raises(TypeError, match="expected a model of ratings"):
        Example().predict("ann", "tea")


def test_somebody_new_is_told_what_is_popular() -> None:
    example = Example()
    example.learn(ROWS)
    assert {reason for *_, reason in example.recommend("zoe")} == {"popular"}
    assert example.names == ["ann", "ben", "cat", "zoe"]


def test_reasons_have_the_names_that_the_job_writes() -> None:
    assert dict(enumerate(REASONS)) == records.REASONS


def test_columns_of_events_are_as_long_as_there_are_rows() -> None:
    events = events_of(ROWS, np.zeros(len(ROWS), np.int32), first=7)
    assert {len(getattr(events, one.name)) for one in fields(events)} == {len(ROWS)}
    assert events.coordinate.tolist() == list(range(7, 13))
    assert events.weight.tolist() == [1, 1, 5, 1, 1, 1]
