"""State is restored where it belongs, and refused by name on other topics and by other jobs."""

from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from scripts.tools.console import ToolError
from tests.builders import behaviour
from tests.kafka.running import RunningJob

pytestmark = pytest.mark.kafka

LOG = behaviour(300, users=30, items=60)


def refusal(job: RunningJob, saved: Path) -> str:
    """Start a job from a savepoint that is not its own; return why it fails."""
    try:
        job.start(state=saved)
        job.wait(lambda: "expected" in (job.failures() or ""), "a refusal")
    except ToolError as error:
        return str(error)
    else:
        return job.failures() or ""
    finally:
        job.end()


def test_state_goes_on_where_it_belongs_and_is_refused_by_name_elsewhere(job: RunningJob) -> None:
    job.start()
    job.send(LOG)
    job.settle()
    job.wait(lambda: any(m.key() == b"lease" for m in job.read("model_updates")), "the lease")
    saved, written = job.stop(), len(job.recommendations())
    named = f"job.name: expected {job.name}, got {job.name}-b"
    assert named in refusal(job.beside(f"{job.name}-b"), saved)
    assert len(job.recommendations()) == written

    job.start(state=saved)
    job.send(LOG[:1])
    assert job.settle().consumed == len(LOG) + 1
    saved, topic = job.stop(), job.config.kafka.topics.user_behavior

    admin = AdminClient(job.address.client({}))
    admin.delete_topics([topic])[topic].result(30)
    job.wait(lambda: topic not in admin.list_topics(timeout=30).topics, "the topic to be gone")
    told = refusal(job, saved)  # makes it anew
    assert f"kafka.topics.user_behavior: expected topic {topic} with the id " in told
    assert "start without state" in told
