import pytest

from scripts.tools.benchmarks.recovery.lag import Lags, caught_up
from scripts.tools.benchmarks.recovery.measure import Recovery, results

HOLD = 3.0


def lags(*samples: tuple[float, int, int]) -> Lags:
    found = Lags()
    for at, sent, done in samples:
        found.add(at, sent, done)
    return found


def back_after(seconds: list[float], events: list[int], *, killed: float = 0.0) -> float | None:
    return caught_up(seconds, events, killed=killed, before=100, hold=HOLD)


def test_a_lag_that_rises_and_falls_is_back_where_it_falls():
    assert back_after([1, 2, 3, 4, 5, 6, 7], [90, 300, 900, 400, 100, 80, 70]) is None
    assert back_after([1, 2, 3, 4, 5, 6, 7, 8], [90, 300, 900, 400, 100, 80, 70, 60]) == 5


def test_the_moment_before_anybody_noticed_the_death_does_not_count():
    assert back_after([1, 2, 3, 4, 5, 6, 7, 8], [90] * 8) is None


def test_a_lag_that_rises_once_more_is_not_back():
    events = [500, 100, 90, 600, 90, 90, 90, 90, 90]
    assert back_after([float(n) for n in range(1, 10)], events) == 5


def test_seconds_count_from_the_death():
    assert back_after([9, 10, 11, 12, 16], [900, 300, 300, 90, 80], killed=10.5) == 1.5


def test_what_was_before_the_death_is_no_rise():
    assert back_after([1, 2, 3, 4, 8], [900, 90, 90, 90, 90], killed=2.5) is None


def test_the_largest_lag_of_a_stretch():
    found = lags((1, 100, 90), (2, 200, 150), (3, 300, 200), (4, 400, 399))
    assert found.largest(1, 2) == 50
    assert found.largest(2.5, 4) == 100
    assert found.largest(7, 8) == 0


def test_the_rate_is_that_of_what_was_accounted_for():
    found = lags((0, 0, 0), (1, 500, 100), (3, 900, 500), (4, 1000, 1000))
    assert found.rate(1, 3) == pytest.approx(200)
    assert found.rate(3.5, 4) == 0


def test_silence_is_the_longest_time_without_progress_after_the_death():
    found = lags((0, 9, 1), (5, 9, 2), (6, 9, 3), (7, 9, 3), (10, 9, 4), (11, 9, 5))
    assert found.silence(5.5) == pytest.approx(4)
    assert found.silence(8) == pytest.approx(2)


def test_silence_without_an_end_is_unknown():
    assert lags((0, 9, 1), (5, 9, 1)).silence(2) is None


def test_a_lag_falls_while_each_stretch_is_clearly_lower_than_the_one_before():
    falling = lags(*((n, 1000 - 50 * n, 0) for n in range(11)))
    assert falling.falling(5)
    steady = lags(*((n, 300 + 50 * (n % 3), 0) for n in range(11)))
    assert not steady.falling(5)
    assert not lags(*((n, 100 * n, 0) for n in range(11))).falling(5)
    assert not Lags().falling(5)


def test_a_shifted_copy_does_not_grow_with_the_other():
    found = lags((10, 5, 1), (12, 9, 1))
    copy = found.shifted(10)
    found.add(14, 9, 9)
    assert copy.seconds == [0, 2]
    assert copy.events == [4, 8]


def test_figures_are_medians_of_the_runs():
    runs = [Recovery(at, at / 2, 10, 500, Lags()) for at in (30.0, 9.0, 12.0)]
    found = {one.name: one for one in results(runs, rate=700)}
    assert found["recovery.worker_s"].value == 12
    assert found["recovery.worker_s"].runs == [30.0, 9.0, 12.0]
    assert found["recovery.worker_silence_s"].value == 6
    assert found["recovery.rate"].value == 700
