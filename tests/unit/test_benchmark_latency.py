import numpy as np
import pytest

from scripts.tools.benchmarks.latency.ages import Arrival, insist
from scripts.tools.benchmarks.latency.figures import figures, loaded
from scripts.tools.benchmarks.latency.systems import GUARANTEES, PIPES
from scripts.tools.console import ToolError
from scripts.tools.results import Result

ARRIVAL = Arrival(rate=100, warm_up=1, seconds=10)


def flat(milliseconds: float) -> np.ndarray:
    return np.full(100, milliseconds)


def by_name(results) -> dict[str, Result]:
    return {one.name: one for one in results}


def test_job_and_pipe_are_compared_run_by_run():
    found = by_name(figures({
        "at_least_once": [flat(100), flat(300), flat(600)],
        "pipe.at_least_once": [flat(50), flat(100), flat(600)],
        "river": [flat(10), flat(20), flat(30)],
    }))  # fmt: skip
    assert found["freshness.at_least_once.p99_ms"].value == 300
    assert found["freshness.at_least_once.p99_ms"].peer == 20
    assert found["freshness.at_least_once.p99_ms"].ratio == 15
    assert found["freshness.at_least_once.of_pipe"].value == 2
    assert found["freshness.at_least_once.of_pipe"].runs == [2, 3, 1]
    assert found["freshness.pipe.at_least_once.p50_ms"].value == 100
    assert not any(name.startswith("freshness.river") for name in found)
    assert "freshness.pipe.at_least_once.of_pipe" not in found


def test_a_pipe_differs_from_its_job_in_the_module_only():
    assert PIPES.keys() == {f"pipe.{name}" for name in GUARANTEES}
    for name, job in GUARANTEES.items():
        pipe = PIPES[f"pipe.{name}"]
        assert (pipe.settings, pipe.isolation) == (job.settings, job.isolation)
        assert (job.module, pipe.module) == ("jobs.recommend", "jobs.ingest")


def test_under_load_there_is_no_peer_and_the_rate_is_told():
    found = by_name(loaded([flat(400), flat(500)], rate=9_000, maximum=18_000))
    assert found["freshness.loaded.p50_ms"].value == 450
    assert found["freshness.loaded.p99_ms"].peer is None
    assert found["freshness.loaded.rate"].value == 9_000
    assert found["freshness.loaded.maximum"].value == 18_000


def test_a_given_rate_says_nothing_of_the_maximum():
    assert "freshness.loaded.maximum" not in by_name(loaded([flat(400)], 9_000, None))


def test_ages_of_steady_answers_pass():
    insist(np.tile([100.0, 900.0], 400), ARRIVAL)


def test_missing_answers_are_refused():
    with pytest.raises(ToolError, match="an answer to most of 1,000 events, got 100"):
        insist(flat(5), ARRIVAL)


def test_under_load_many_events_share_an_answer():
    insist(np.full(1_500, 400.0), Arrival(rate=40_000, warm_up=1, seconds=10))


def test_answers_that_come_later_and_later_are_refused():
    with pytest.raises(ToolError, match="answers of about one age"):
        insist(np.linspace(200, 8_000, 900), ARRIVAL)
