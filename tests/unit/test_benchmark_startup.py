import time

import pytest

from scripts.tools.benchmarks.startup.phases import PHASES, logged, logged_at, phases
from scripts.tools.benchmarks.startup.worker import results

BEGIN = 1000 * time.mktime((2026, 1, 2, 3, 4, 0, 0, 0, -1))


def line(second: int, text: str) -> str:
    return f"2026-01-02 03:04:{second:02d},250 INFO  PythonWorker - {text}."


def test_a_line_of_the_log_has_a_time():
    assert logged_at(line(5, "x")) == BEGIN + 5_250
    assert logged_at("\tat java.lang.Thread.run") is None
    assert logged_at("") is None


def test_marks_are_the_first_after_the_submission():
    lines = [
        line(1, "Python sdk harness starting"),
        line(4, "Obtained shared Python process of size 1"),
        line(6, "Python sdk harness starting"),
        line(7, "Python sdk harness starting"),
        "a trace without a time: rehearsed",
    ]
    found = logged(lines, BEGIN + 2_000)
    assert found == {"tasks": BEGIN + 4_250, "python": BEGIN + 6_250}


def test_phases_add_up_to_the_whole():
    marks = {"flink_run": 3_000.0, "tasks": 5_000.0, "python": 9_000.0, "rehearsal": 9_500.0}
    found = phases(1_000, marks, 12_000)
    assert found == {
        "flink_run": 2.0, "tasks": 2.0, "python": 4.0, "rehearsal": 0.5, "first_batch": 2.5,
    }  # fmt: skip


def test_a_mark_that_is_missing_or_late_takes_no_time():
    found = phases(0, {"flink_run": 3_000.0, "tasks": 2_000.0, "rehearsal": 99_000.0}, 8_000)
    assert found["tasks"] == found["python"] == 0
    assert sum(found.values()) == pytest.approx(8)
    assert found["rehearsal"] == 5
    assert found["first_batch"] == 0


def test_names_and_medians():
    runs = [dict.fromkeys(PHASES, seconds) for seconds in (1.0, 2.0, 9.0)]
    found = {result.name: result.value for result in results(runs)}
    assert found["startup.worker_s"] == 10.0
    assert found["startup.worker.flink_run_s"] == 2.0
    assert len(found) == 1 + len(PHASES)
