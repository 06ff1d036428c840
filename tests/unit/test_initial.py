"""The factors that users and items start with."""

import numpy as np

from models.numeric.initial import initial_factors

KEYS = np.array([0, 1, 2, 2**64 - 1], np.uint64)


def test_initial_factors_depend_on_seed_and_key_alone() -> None:
    rows = initial_factors(KEYS, 1, 8, 0.05)
    assert np.array_equal(rows[2:3], initial_factors(KEYS[2:3], 1, 8, 0.05))
    assert not np.array_equal(rows, initial_factors(KEYS, 2, 8, 0.05))
    assert len({row.tobytes() for row in rows}) == len(KEYS)


def test_fewer_factors_are_a_prefix_of_more() -> None:
    assert np.array_equal(
        initial_factors(KEYS, 1, 8, 0.05)[:, :3], initial_factors(KEYS, 1, 3, 0.05)
    )


def test_initial_factors_are_about_normal() -> None:
    sample = initial_factors(np.arange(2_000, dtype=np.uint64), 1, 32, 1.0)
    assert abs(sample.mean()) < 0.02
    assert abs(sample.std() - 1) < 0.02
    assert abs((np.abs(sample) < 1).mean() - 0.683) < 0.02
    assert np.abs(np.corrcoef(sample[:, :4].T) - np.eye(4)).max() < 0.1


def test_initial_factors_never_change() -> None:
    rows = initial_factors(np.array([42], np.uint64), 7, 4, 0.05)
    assert rows.tobytes().hex() == "f6140ebd65a0263bc1d6043df4199c3c"
