"""State is refused by name over topics that are not those it was made with."""

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


def test_state_is_refused_by_name_where_a_topic_was_made_anew(job: RunningJob) -> None:
    job.start()
    job.send(LOG)
    job.settle()
    saved, written = job.stop(), len(job.recommendations())
    topic, admin = job.config.kafka.topics.user_behavior, AdminClient(job.address.client({}))
    admin.delete_topics([topic])[topic].result(30)
    job.wait(lambda: topic not in admin.list_topics(timeout=30).topics, "the topic to be gone")
    told = refusal(job, saved)  # makes it anew
    assert f"kafka.topics.user_behavior: expected topic {topic} with the id " in told
    assert "start without state" in told
    assert len(job.recommendations()) == written
