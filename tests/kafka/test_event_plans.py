"""A job with each event plan, and an hour of what the tool of that plan sends."""

import pytest

from conf import event_plans
from tests.kafka.running import RunningJob
from tests.tracking import HOURS

pytestmark = pytest.mark.kafka


@pytest.mark.parametrize("plan", event_plans.names())
def test_a_job_takes_what_the_tool_of_its_plan_sends(job: RunningJob, plan: str) -> None:
    hour = HOURS[plan]()
    job.settings = (f"events.plan={plan}", *hour.settings, "deep.enabled=false")
    job.start()
    job.send(hour.records())
    totals = job.settle()
    assert (totals.accepted, totals.rejected, totals.ignored) == (
        hour.accepted,
        sum(hour.rejected.values()),
        hour.ignored,
    )
    assert totals.by_code == hour.rejected
    assert sum(totals.by_type.values()) == hour.ignored
    assert len(job.read("dead_letter")) == totals.rejected
    job.wait(
        lambda: {one["user_id"] for one in job.recommendations()} == hour.users, "all users' lists"
    )
