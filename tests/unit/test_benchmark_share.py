import pytest

from scripts.tools.benchmarks.share import WARM_UP_SECONDS, steady_rate
from scripts.tools.console import ToolError


def test_the_warm_up_does_not_count():
    times = [1000.0 * n for n in range(1, 41)]
    slow = [10.0 * n for n in range(1, int(WARM_UP_SECONDS) + 2)]
    fast = [slow[-1] + 500 * n for n in range(1, 41 - len(slow))]
    assert steady_rate(times, [*slow, *fast], 10**6) == pytest.approx(500)


def test_a_job_that_is_through_soon_counts_from_a_share_of_the_events():
    times = [1000.0, 1500, 2000, 2500, 3000]
    totals = [100.0, 450, 700, 950, 1000]
    assert steady_rate(times, totals, 1000) == pytest.approx(500)


@pytest.mark.parametrize("curve", [([], []), ([1.0], [1.0]), ([1.0, 2.0], [1000.0, 1000.0])])
def test_nothing_to_measure_is_refused(curve):
    with pytest.raises(ToolError, match="give more events"):
        steady_rate(*curve, 1000)
