"""Transactional ids that are near the end of their epochs: no job begins with them again."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from conf import epochs
from jobs import tables
from tests.builders import behaviour
from tests.kafka.epochs import use_up
from tests.kafka.running import RunningJob

pytestmark = pytest.mark.kafka

LOG = behaviour(600, users=40, items=60)
NEARLY = epochs.LAST - 40


def test_a_job_whose_ids_come_to_their_end_begins_with_others(job: RunningJob) -> None:
    """A restart could not commit the transaction at which an id is given another producer."""
    mine = [f"{prefix}-0-{n}" for prefix in tables.transactions(job.config)[:1] for n in range(3)]
    with ThreadPoolExecutor(3) as pool:
        before = list(pool.map(lambda name: use_up(job.local.brokers, name, NEARLY), mine))
    assert all(epoch >= NEARLY for epoch in before)
    job.start()
    job.send(LOG[:300])
    job.settle()
    (worker,) = job.workers()
    worker.kill()
    job.send(LOG[300:])
    totals = job.settle()
    assert (totals.consumed, totals.accepted) == (len(LOG), len(LOG))
    found = [one["rec_id"] for one in job.recommendations()]
    assert len(set(found)) == len(found) > 0
    after = [use_up(job.local.brokers, name, 0) for name in mine]
    # by these two looks, and by the job only at its start, which ends what others left open
    assert after == [epoch + 3 for epoch in before]
