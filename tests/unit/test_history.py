"""Lists of the last distinct things, against plain Python lists."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.kernels import contains, remember


@given(st.integers(1, 6), st.lists(st.integers(0, 9), max_size=40))
def test_a_list_holds_the_last_distinct_things_oldest_first(size: int, things: list[int]) -> None:
    lists, length = np.zeros((2, size), np.uint64), np.zeros(2, np.int32)
    expected: list[int] = []
    for thing in things:
        remember(lists, length, 1, np.uint64(thing))
        expected = [*(one for one in expected if one != thing), thing][-size:]
        assert lists[1, : length[1]].tolist() == expected
    assert length[0] == 0
    for thing in range(10):
        assert contains(lists, length, 1, np.uint64(thing)) == (thing in expected)
