"""Rows of items: found by key, bounded, the same in every worker."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.columns.items import ItemRows
from models.items.table import Items
from models.transitions.exchange import export_rows
from tests.columns import FACTORS, TRANSITIONS, new_items
from tests.kernels import add_transition, count_event


def keys(*values: int) -> np.ndarray:
    return np.array(values, np.uint64)


def crowded(items: Items) -> Items:
    """Give three items counts, factors, successors and names."""
    rows = items.rows(keys(11, 12, 13))
    items.name(rows, ["a", "b", "c"])
    for time in (1_000, 3_999, 2_000):
        count_event(items.arrays, rows[0], time)
    count_event(items.arrays, rows[1], 500)
    add_transition(items.transitions.arrays, rows[0], rows[1], 2.0)
    add_transition(items.transitions.arrays, rows[0], rows[2], 5.0)
    items.arrays.factors[rows] = np.arange(3 * FACTORS).reshape(3, FACTORS)
    items.arrays.bias[rows] = [0.5, -1.0, 0.25]
    return items


@given(st.lists(st.lists(st.integers(0, 2**64 - 1), max_size=30), max_size=5))
def test_a_key_keeps_the_row_it_was_given_first(batches: list[list[int]]) -> None:
    items, expected = new_items(), dict[int, int]()
    for batch in batches:
        for one in batch:
            expected.setdefault(one, len(expected))
        assert items.rows(keys(*batch)).tolist() == [expected[one] for one in batch]
    assert items.size == len(expected)
    assert items.keys.tolist() == list(expected)


def test_rows_survive_growth() -> None:
    items, many = new_items(), np.arange(9000, dtype=np.uint64)
    first = items.rows(many[:10])
    factors = items.arrays.factors[first].copy()
    assert items.rows(many).tolist() == list(range(9000))
    assert items.rows(many[:10]).tolist() == first.tolist()
    assert np.array_equal(items.arrays.factors[first], factors)


def test_an_unknown_key_has_no_row_unless_it_is_registered() -> None:
    items = new_items()
    items.rows(keys(1))
    assert items.rows(keys(1, 2), register=False).tolist() == [0, -1]
    assert items.size == 1


def test_a_full_table_refuses_new_keys_and_still_knows_the_old() -> None:
    items = new_items(limit=3)
    assert items.rows(keys(5, 6, 7, 8, 5, 9)).tolist() == [0, 1, 2, -1, 0, -1]
    assert items.rows(keys(8, 7)).tolist() == [-1, 2]
    assert (items.size, items.refused) == (3, 3)


def test_first_factors_depend_on_the_key_alone() -> None:
    one, other = new_items(), new_items()
    one.rows(keys(1, 2, 3))
    other.rows(keys(3, 9))
    assert np.array_equal(one.arrays.factors[2], other.arrays.factors[0])
    assert not np.array_equal(one.arrays.factors[0], one.arrays.factors[1])


def test_a_row_takes_the_first_name_it_is_given() -> None:
    items = new_items()
    rows = items.rows(keys(1, 2))
    items.name(np.array([rows[0], -1], np.int32), ["tea", "nothing"])
    items.name(rows, ["coffee", ""])
    assert [items.id_of(int(row)) for row in rows] == ["tea", None]
    assert items.unnamed(rows).tolist() == [False, True]
    assert items.id_of(-1) is None


def test_counting_keeps_the_newest_time_and_the_discount() -> None:
    items = crowded(new_items())
    assert items.count.tolist() == [3, 1, 0]
    assert items.arrays.last_time[0] == 3_000  # to the second
    assert items.arrays.discount[:3] == pytest.approx([3**-TRANSITIONS.norm, 1, 1])
    assert items.events == 4


def test_what_is_exported_replaces_the_rows_of_another_worker() -> None:
    items, other = crowded(new_items()), new_items()
    other.rows(keys(99, 13))
    exported = items.export(items.rows(keys(11, 12)))
    other.replace(exported, only_newer=False)
    again = other.export(other.rows(exported.keys))
    for name in ("keys", "ids", "count", "last_time", "factors", "bias", "successor_start"):
        assert np.array_equal(getattr(again, name), getattr(exported, name)), name
    assert successors_of(again) == successors_of(exported)
    assert other.events == items.events
    assert other.arrays.discount[other.rows(keys(11))] == pytest.approx(3**-TRANSITIONS.norm)


def successors_of(rows: ItemRows) -> set[tuple[int, float]]:
    """Return successors and weights of all rows; a row has no order."""
    return set(zip(rows.successors.tolist(), rows.weights.tolist(), strict=True))


def test_successors_are_exported_with_their_item() -> None:
    items = crowded(new_items())
    exported = items.export(items.rows(keys(12, 11)))
    assert exported.successor_start.tolist() == [0, 0, 2]
    assert successors_of(exported) == {(13, 5.0), (12, 2.0)}


@pytest.mark.parametrize("limit", [1, 3, 7])
def test_only_the_heaviest_successors_are_exported(limit: int) -> None:
    items = new_items()
    rows = items.rows(keys(*range(10, 18)))
    items.transitions.make_room(8 * items.transitions.reserve)
    for n, row in enumerate(rows[1:].tolist()):
        add_transition(items.transitions.arrays, rows[0], row, float((5 * n) % 7 + 1))
    start, _, weights = export_rows(items.transitions.arrays, rows[:1], limit)
    assert start.tolist() == [0, limit]
    assert sorted(weights.tolist(), reverse=True) == [7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0][:limit]


def test_to_replace_twice_is_to_replace_once() -> None:
    items, other = crowded(new_items()), new_items()
    exported = items.export(items.rows(keys(11, 12, 13)))
    other.replace(exported, only_newer=False)
    other.replace(exported, only_newer=False)
    assert other.events == 4
    assert other.transitions.arrays.total[: other.size].tolist() == [7.0, 0.0, 0.0]


def test_a_row_that_is_known_better_here_stays() -> None:
    items, other = crowded(new_items()), new_items()
    exported = items.export(items.rows(keys(11, 12)))
    row = other.rows(keys(12))[0]
    for time in (1, 2):
        count_event(other.arrays, row, time)
    other.replace(exported, only_newer=True)
    assert other.count[other.rows(keys(11, 12))].tolist() == [3, 2]
    assert other.id_of(int(row)) == "b"


def test_rows_of_a_full_table_are_passed_over() -> None:
    items, other = crowded(new_items()), new_items(limit=2)
    other.rows(keys(12))
    other.replace(items.export(items.rows(keys(11, 12, 13))), only_newer=False)
    assert sorted(other.keys.tolist()) == [11, 12]
    exported = other.export(other.rows(keys(11)))
    assert exported.successors.tolist() == [12]


@pytest.mark.parametrize(("factors", "limit"), [(0, 10), (4, 0)])
def test_a_table_of_nothing_is_refused(factors: int, limit: int) -> None:
    with pytest.raises(ValueError, match="expected factors >= 1 and limit >= 1"):
        Items(factors=factors, transitions=TRANSITIONS, limit=limit, seed=1)
