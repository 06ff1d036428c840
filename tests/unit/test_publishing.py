"""What a worker learns of items is told within its budget, oldest moves first, and never lost."""

from typing import Any

import numpy as np
import pytest

from models.items import differences
from models.items.table import Items
from operators.learn_users.stages import publish
from operators.learn_users.stages.publish import Publishing
from operators.learning import empty_items
from tests.builders import learning
from tests.harness import Clock
from tests.kernels import note_moved

ROWS = 1_000
PER_SECOND = 5_000


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(publish, "time", made)
    return made


def telling(**changes: Any) -> tuple[Publishing, Items]:
    """A telling, and items all of whose rows were moved at once."""
    budget = {"delta_ms": 1_000, "delta_bytes_per_second": PER_SECOND}
    params = learning(objective="full", **budget | changes)
    items = empty_items(params)
    items.rows(np.arange(1, ROWS + 1, dtype=np.uint64))
    items.arrays.factors[:ROWS] += np.linspace(-1, 1, ROWS, dtype=np.float32)[:, None]
    for row in range(ROWS):
        note_moved(items.arrays, row)
    return Publishing(params), items


def told(by: Publishing, items: Items) -> tuple[list[int], int]:
    """Rows told now, and the bytes that they take: key, place and differences."""
    rows, moved = by(items, received=False)
    return rows.tolist(), moved.nbytes + 12 * len(rows)


def test_a_burst_is_told_within_the_budget_oldest_first_and_whole(clock: Clock) -> None:
    by, items = telling()
    expected = differences.untold(items.arrays, np.arange(ROWS, dtype=np.int32))
    assert np.abs(expected).max() == pytest.approx(1, abs=1e-3)
    rows, sizes = told(by, items)
    sizes = [sizes]
    while len(rows) < ROWS:
        clock.now_ms += 1_000
        more, size = told(by, items)
        assert more, "some still wait"
        rows += more
        sizes.append(size)
    assert rows == list(range(ROWS))
    assert sizes[0] <= 2 * PER_SECOND
    assert max(sizes[1:]) <= PER_SECOND
    assert min(sizes[1:-1]) > 0.9 * PER_SECOND
    assert np.abs(differences.untold(items.arrays, np.arange(ROWS, dtype=np.int32))).max() < 1e-3
    clock.now_ms += 1_000
    assert told(by, items) == ([], 0)


def test_nothing_is_told_before_the_interval_is_over(clock: Clock) -> None:
    by, items = telling()
    assert told(by, items)[0]
    for _ in range(9):
        clock.now_ms += 100
        assert told(by, items) == ([], 0)
    clock.now_ms += 100
    assert told(by, items)[0]


def test_a_long_silence_saves_up_no_more_than_two_seconds(clock: Clock) -> None:
    by, items = telling()
    told(by, items)
    clock.now_ms += 60_000
    assert PER_SECOND < told(by, items)[1] <= 2 * PER_SECOND


def test_no_telling_is_larger_than_its_record_takes(clock: Clock) -> None:
    by, items = telling(delta_bytes=1_000, delta_bytes_per_second=1 << 30)
    assert 900 < told(by, items)[1] <= 1_000
    clock.now_ms += 1_000
    assert 900 < told(by, items)[1] <= 1_000


def test_one_row_is_told_where_the_budget_is_less_than_a_row(clock: Clock) -> None:
    by, items = telling(delta_bytes_per_second=1)
    for row in range(3):
        assert told(by, items)[0] == [row]
        clock.now_ms += 1_000
