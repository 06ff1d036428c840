"""Sparse rows of successors against a dictionary of dictionaries."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.params.transitions import TransitionParams
from models.transitions.exchange import entries, replace_row
from models.transitions.table import Transitions
from tests.kernels import add_transition, weight_of

ROWS = 12
MANY = TransitionParams(successors=500)
FEW = TransitionParams(successors=4, window=1)


def counted(params: TransitionParams, pairs: list[tuple[int, int, float]]) -> Transitions:
    rows = Transitions(params, ROWS)
    for x, b, weight in pairs:
        rows.make_room(rows.reserve)
        add_transition(rows.arrays, x, b, weight)
    return rows


def contents(rows: Transitions, x: int) -> dict[int, float]:
    successors, weights = entries(rows.arrays, x, len(rows.arrays.spare_weight))
    return dict(zip(successors.tolist(), weights.tolist(), strict=True))


PAIRS = st.lists(
    st.tuples(st.integers(0, ROWS - 1), st.integers(0, 60), st.sampled_from([0.25, 1.0, 3.0])),
    max_size=400,
)


@given(PAIRS)
def test_a_row_holds_the_sum_of_what_was_added(pairs: list[tuple[int, int, float]]) -> None:
    rows, expected = counted(MANY, pairs), defaultdict[int, dict[int, float]](dict)
    for x, b, weight in pairs:
        expected[x][b] = expected[x].get(b, 0) + weight
    for x in range(ROWS):
        assert contents(rows, x) == expected[x]
        assert rows.arrays.total[x] == sum(expected[x].values())
        assert rows.arrays.fill[x] == len(expected[x])
        for b in range(61):
            assert weight_of(rows.arrays, x, b) == expected[x].get(b, 0)


def test_the_cut_keeps_the_heaviest_and_the_total_is_what_is_kept() -> None:
    rows = counted(FEW, [(0, b, 1.0 + b) for b in range(8)] + [(0, 50, 0.5)])
    assert contents(rows, 0) == {7: 8.0, 6: 7.0, 5: 6.0, 4: 5.0, 50: 0.5}
    assert rows.arrays.total[0] == 26.5


@given(st.lists(st.sampled_from([0.5, 1.0, 2.0, 7.0]), min_size=8, max_size=8))
def test_of_equal_weights_as_many_stay_as_there_is_room_for(weights: list[float]) -> None:
    rows = counted(FEW, [(0, b, weight) for b, weight in enumerate(weights)] + [(0, 50, 9.0)])
    kept = contents(rows, 0)
    assert kept.pop(50) == 9.0
    assert sorted(kept.values()) == sorted(weights)[-FEW.successors :]


def test_memory_that_rows_leave_is_used_again() -> None:
    rows = Transitions(MANY, ROWS)
    successors, weights = np.arange(300, dtype=np.int32), np.ones(300, np.float32)
    rows.make_room(10_000)
    replace_row(rows.arrays, 0, successors, weights)
    top = rows.arrays.top[0]
    for _ in range(20):
        replace_row(rows.arrays, 0, successors, weights)
    assert rows.arrays.top[0] == top
    assert contents(rows, 0) == dict.fromkeys(range(300), 1.0)


def test_memory_is_proportional_to_what_is_stored() -> None:
    random = np.random.default_rng(1)
    pairs = random.integers(0, [ROWS, 400], (4000, 2)).tolist()
    rows = counted(MANY, [(x, b, 1.0) for x, b in pairs])
    assert rows.arrays.top[0] < 6 * rows.arrays.fill.sum()


def test_rows_survive_growth() -> None:
    rows = counted(MANY, [(0, 3, 1.0), (0, 3, 1.0), (5, 7, 2.0)])
    rows.grow(100)
    rows.make_room(100_000)
    add_transition(rows.arrays, 99, 0, 4.0)
    assert (contents(rows, 0), contents(rows, 5)) == ({3: 2.0}, {7: 2.0})
    assert contents(rows, 99) == {0: 4.0}


@pytest.mark.parametrize("successors", [1, 3, 200])
def test_a_row_never_holds_more_than_twice_the_successors(successors: int) -> None:
    params = TransitionParams(successors=successors, window=1)
    rows = counted(params, [(0, b, 1.0) for b in range(5 * successors)])
    assert rows.arrays.fill[0] <= 2 * successors
    assert rows.arrays.total[0] == rows.arrays.fill[0]
