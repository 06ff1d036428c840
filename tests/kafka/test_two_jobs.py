"""Two jobs on the same topics: the second is refused, or takes over."""

import pytest

from scripts.tools.console import ToolError
from tests.builders import behaviour
from tests.kafka.running import RunningJob

pytestmark = pytest.mark.kafka

LOG = behaviour(300, users=30, items=60)


def test_a_second_job_on_the_topics_of_a_running_one_is_refused(job: RunningJob) -> None:
    job.start()
    job.send(LOG)
    job.settle()
    job.wait(lambda: any(m.key() == b"lease" for m in job.read("model_updates")), "the lease")
    second = job.beside(job.name + "-b")
    with pytest.raises(ToolError, match=r"expected no other job that writes these topics"):
        second.start()
    saved = job.stop()
    try:
        second.start(state=saved)  # nobody renews the lease of a job that has ended
        second.send(LOG[:1])
        assert second.settle().consumed == len(LOG) + 1
    finally:
        second.end()


def test_a_job_that_is_taken_over_fails(job: RunningJob) -> None:
    job.start()
    job.send(LOG)
    job.settle()
    second = job.beside(job.name + "-b", "--take-over")
    try:
        second.start()
        second.send(LOG[:1])
        job.wait(lambda: "submitted later" in (job.failures() or ""), "the first job's failure")
    finally:
        job.local.flink.rest.cancel(job.id)
        second.end()
