"""What several workers have learnt of one row, added up."""

import numpy as np
import pytest

from models.items import differences
from models.items.damping import Share, shorten
from models.items.table import Items, Start
from models.params.transitions import TransitionParams
from tests.kernels import note

RADIUS = 8.0
ROW = np.array([0], np.int32)


def one_row(kind: str) -> Items:
    """Return a worker that knows one item, which stands close to the ball."""
    variance = (0.1,) * 9 if kind == "ratings" else ()
    items = Items(
        factors=8,
        transitions=TransitionParams(),
        limit=10,
        seed=1,
        context=True,
        start=Start(variance=variance),
        radius=RADIUS,
    )
    items.rows(np.array([7], np.uint64))
    a = items.arrays
    a.factors[0] = np.eye(8, dtype=np.float32)[0] * 7.9
    a.bias[0] = -7.9
    a.told[0] = differences.vectors(a, slice(0, 1))[0]
    return items


@pytest.mark.parametrize("kind", ["ranking", "ratings"])
@pytest.mark.parametrize("count", [2, 8, 16])
def test_what_the_ball_takes_away_is_nobodys_to_tell(kind: str, count: int) -> None:
    workers, listener = [one_row(kind) for _ in range(count)], one_row(kind)
    for turn in range(8):
        said = []
        for items in workers:
            a, step = items.arrays, 0.5 if turn == 0 else 1e-3
            a.factors[0, 0] += step
            a.factors[0] *= min(1, RADIUS / np.linalg.norm(a.factors[0]))
            a.bias[0] = max(a.bias[0] - step, -RADIUS)
            note(a, 0)
            said.append(differences.take(a, 10))
        for mine, items in enumerate(workers):
            for other, (rows, moved) in enumerate(said):
                if other != mine:
                    differences.add(items.arrays, rows, moved, RADIUS)
        for rows, moved in said:
            differences.add(listener.arrays, rows, moved, RADIUS)
        for items in (*workers, listener):
            a = items.arrays
            assert a.factors[0, 0] == pytest.approx(RADIUS, abs=0.1), turn
            assert a.bias[0] == pytest.approx(-RADIUS, abs=0.1), turn
            told = differences.vectors(a, ROW)[0]
            assert a.told[0] == pytest.approx(told, rel=0.02, abs=0.02), turn


def test_a_row_that_is_taken_over_stays_in_the_ball() -> None:
    items, other = one_row("ranking"), one_row("ranking")
    items.arrays.factors[0, 0] = 40  # moved, not told yet
    items.replace(other.export(ROW), only_newer=False)
    assert np.linalg.norm(items.arrays.factors[0]) == pytest.approx(RADIUS, rel=1e-5)
    rows, moved = ROW, differences.untold(items.arrays, ROW)
    differences.add(other.arrays, rows, moved.astype(np.float16), RADIUS)
    assert other.arrays.factors[0] == pytest.approx(items.arrays.factors[0], abs=1e-3)


def test_many_short_walks_add_up_to_the_long_one() -> None:
    gradients, before, workers = 0.3**2, 0.1, 16
    steps = np.arange(1, 1 + 20 * workers)
    whole = (0.3 / np.sqrt(before + steps * gradients)).sum()
    one = (0.3 / np.sqrt(before + steps[:20] * gradients)).sum()
    moved = np.full((1, 3), one, np.float32)
    added = np.array([20 * gradients], np.float32)
    shorten(moved, np.array([before], np.float32), added, ratio=workers, rate=1e-3)
    assert workers * moved == pytest.approx(np.full((1, 3), whole), rel=0.05)


def test_those_who_went_all_the_way_add_up_to_one() -> None:
    moved, added = np.ones((1, 3), np.float32), np.array([1e4], np.float32)
    shorten(moved, np.array([0.1], np.float32), added, ratio=16, rate=1.0)
    assert 16 * moved == pytest.approx(np.ones((1, 3)), rel=1e-3)


def test_who_learns_alone_tells_all() -> None:
    moved = np.ones((2, 3), np.float32)
    added = np.array([0.5, -1e-3], np.float32)
    shorten(moved, np.ones(2, np.float32), added, ratio=1.0, rate=0.1)
    assert moved == pytest.approx(np.ones((2, 3)))


def test_the_share_is_what_is_received_and_at_first_what_is_expected() -> None:
    share = Share(16)
    assert share.ratio == pytest.approx(16)
    share.note(own=20_000, received=20_000)
    assert share.ratio == pytest.approx(2, abs=0.1)
    for _ in range(100):
        share.note(own=1_000)
    assert share.ratio == pytest.approx(1, abs=0.1)
