"""One broker and one cluster for the tests of a process; each test has a job of its own."""

import re
from collections.abc import Iterator

import pytest

from scripts.tools.cluster import processes
from scripts.tools.cluster.instance import Local
from tests.kafka.running import RunningJob
from tests.kafka.warm import WarmLocal


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    """A broker and a cluster with two slots, at free ports."""
    local = WarmLocal.plan(tmp_path_factory.mktemp("cluster"), port_base=0, slots=2)
    try:
        local.up(owned=True)
        with local.client():
            yield local
    finally:
        local.down()
    assert processes.find(local.run_dir) == []


@pytest.fixture
def job(cluster: Local, request: pytest.FixtureRequest) -> Iterator[RunningJob]:
    """A job that is not started yet; it ends with the test."""
    job = RunningJob(cluster, re.sub(r"\W+", "-", request.node.name)[:60])
    yield job
    if job.id:
        job.end()
