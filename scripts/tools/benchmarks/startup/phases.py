"""When what happened between `flink run` and the first micro-batch, as Flink's logs tell."""

import time
from collections.abc import Iterable, Mapping

MARKS = {
    "flink_run": "Received job submission",
    "tasks": "Obtained shared Python process",
    "python": "Python sdk harness starting",
    "rehearsal": "rehearsed",
}
"""What the logs say at the end of a phase: the JobManager has the job, its tasks are deployed and
ask for their Python worker, that runs, its compiled functions are loaded."""
PHASES = (*MARKS, "first_batch")
"""From the call of `flink run` over the marks to the end of the micro-batch."""


def logged(lines: Iterable[str], since_ms: float) -> dict[str, float]:
    """Return when each mark was first logged after an instant, ms."""
    found: dict[str, float] = {}
    for line in lines:
        for name, text in MARKS.items():
            if name not in found and text in line:
                at = logged_at(line)
                if at is not None and at >= since_ms:
                    found[name] = at
    return found


def logged_at(line: str) -> float | None:
    """Return the time at the beginning of a line of the log, ms; None where there is none."""
    date, _, rest = line.partition(",")
    try:
        return 1000 * time.mktime(time.strptime(date, "%Y-%m-%d %H:%M:%S")) + int(rest[:3])
    except ValueError:
        return None


def phases(begin_ms: float, marks: Mapping[str, float], first_ms: float) -> dict[str, float]:
    """Return how long each phase took, s; they add up to all of it.

    A mark that is not there, or is out of order because another subtask was quicker, makes its
    phase 0 long: the time counts for the next one.
    """
    ends = {**marks, "first_batch": first_ms}
    found, before = {}, begin_ms
    for name in PHASES:
        end = min(max(ends.get(name, before), before), first_ms)
        found[name] = (end - before) / 1000
        before = end
    return found
