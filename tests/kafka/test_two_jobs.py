"""Two jobs on the same topics: the second is refused, or takes over."""

from dataclasses import replace

import pytest

from scripts.tools.cluster.paths import LOCAL_CONFIG
from scripts.tools.commands.submit import Submission, submit
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
    pipe = Submission(config=LOCAL_CONFIG, overrides=second.overrides, module="jobs.ingest")
    with pytest.raises(ToolError, match=r"recommendations: expected an empty topic, got"):
        submit(job.local, pipe, print)
    job.stop()
    # with fewer buckets, so that some of the first job's accounting stays in the topic
    second, said = replace(second, settings=("users.buckets=8",)), list[str]()
    try:
        second.start(report=said.append)  # nobody renews the ended job's lease
        assert any(f"job {job.name} wrote it; watching for" in line for line in said), said
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
