"""Whether a job starts from state is read where `flink run -s` puts it."""

import pytest

from conf.schema import JobConfig
from jobs.environment import environment, may_have_state

pytestmark = pytest.mark.flink


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ({}, False),
        ({"execution.state-recovery.path": "/savepoints/savepoint-1"}, True),
        ({"execution.savepoint.path": "/savepoints/savepoint-1"}, True),
        ({"$internal.pipeline.job-id": "0" * 32}, True),
    ],
)
def test_a_job_that_may_have_state_is_told(extra: dict[str, str], *, expected: bool) -> None:
    env, _ = environment(JobConfig(), extra)
    assert may_have_state(env) == expected
