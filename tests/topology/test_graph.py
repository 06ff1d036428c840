"""The graph as Flink sees it, without running it: a change here can orphan state in savepoints."""

import re
from pathlib import Path

import pytest
from pyflink.java_gateway import get_gateway
from pyflink.table import EnvironmentSettings, TableEnvironment

from conf.schema import JobConfig
from jobs import environment, tables, topology
from jobs.keys import balanced_keys
from models.keys import bucket_of
from scripts.tools.cluster.paths import connector_jar

GOLDEN = Path(__file__).parent.parent / "golden"
pytestmark = pytest.mark.flink


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """Return (uid, name) of every operator of the default job."""
    config = JobConfig()
    env, sql = environment.environment(config, {"pipeline.jars": connector_jar().as_uri()})
    topology.build(sql, config)
    nodes = env._j_stream_execution_environment.getStreamGraph(False).getStreamNodes().toArray()
    return sorted((node.getTransformationUID() or "", node.getOperatorName()) for node in nodes)


def test_every_operator_with_state_has_a_uid(graph: list[tuple[str, str]]) -> None:
    stateless = ("Calc", "SinkConversion", "DataStreamToTable", "Correlate")
    without = [name for uid, name in graph if not uid and not name.startswith(stateless)]
    assert without == []


def test_uids_are_the_released_ones(graph: list[tuple[str, str]]) -> None:
    released = (GOLDEN / "uids.txt").read_text().splitlines()
    assert [uid for uid, _ in graph if uid] == released


def uids(config: JobConfig) -> set[str]:
    """Return all uids; what Flink numbers is numbered from 0, as in a process of its own."""
    env, sql = environment.environment(config, {"pipeline.jars": connector_jar().as_uri()})
    topology.build(sql, config)
    nodes = env._j_stream_execution_environment.getStreamGraph(False).getStreamNodes().toArray()
    found = [node.getTransformationUID() or "" for node in nodes]
    first = min(int(number) for uid in found for number in re.findall(r"\b(\d+)_stream", uid))
    return {
        re.sub(r"\b(\d+)_stream", lambda match: f"{int(match[1]) - first}_stream", uid)
        for uid in found
        if uid
    }


def test_fine_tuning_came_to_jobs_of_ratings_without_a_change_of_what_they_had() -> None:
    """Their savepoints of before have no fine-tune."""
    rating = {"learning": {"objective": "rating"}}
    before = uids(JobConfig.model_validate(rating | {"deep": {"enabled": False}}))
    after = uids(JobConfig.model_validate(rating))
    assert before < after
    assert "fine-tune" in after - before


def test_user_ids_stay_in_their_bucket() -> None:
    """SQL decides where a user's state lives; Python must agree, and neither may change."""
    lines = (GOLDEN / "buckets.txt").read_text().splitlines()
    pinned = {user: int(bucket) for user, bucket in (line.split() for line in lines)}
    values = ", ".join(f"('{user}')" for user in pinned)
    sql = TableEnvironment.create(EnvironmentSettings.in_batch_mode())
    bucket = tables.user_bucket("id", 64)
    with sql.execute_sql(f"SELECT id, {bucket} FROM (VALUES {values}) AS v(id)").collect() as rows:
        assert {row[0]: row[1] for row in rows} == pinned
    assert {user: bucket_of(user, 64) for user in pinned} == pinned


def test_every_key_group_holds_exactly_one_bucket() -> None:
    jvm = get_gateway().jvm
    groups = []
    for key in balanced_keys(64, 64):
        row = jvm.org.apache.flink.types.Row(1)
        row.setField(0, key)
        groups.append(
            jvm.org.apache.flink.runtime.state.KeyGroupRangeAssignment.assignToKeyGroup(row, 64)
        )
    assert groups == list(range(64))


def test_balanced_keys_are_the_released_ones() -> None:
    released = (GOLDEN / "bucket_keys.txt").read_text().split()
    assert [str(key) for key in balanced_keys(64, 64)] == released


def sinks_and_operators(config: JobConfig) -> set[str]:
    """Return the names of what the pipe without a model is made of."""
    env, sql = environment.environment(config, {"pipeline.jars": connector_jar().as_uri()})
    topology.build_ingest(sql, config)
    nodes = env._j_stream_execution_environment.getStreamGraph(False).getStreamNodes().toArray()
    return {node.getOperatorName().split("[")[0] for node in nodes}


def test_the_pipe_without_a_model_has_the_sources_and_windows_of_the_job(
    graph: list[tuple[str, str]],
) -> None:
    """Or what `scripts/benchmark limit` and `latency` measure would not be its limit."""
    pipe = sinks_and_operators(JobConfig())
    assert {"learn-users", "WindowAggregate"} < pipe
    assert pipe < {name.split("[")[0] for _, name in graph} | {"recommendation_metrics"}


def test_the_pipe_answers_where_recommendations_are_wanted_only() -> None:
    silent = JobConfig.model_validate({"recommend": {"enabled": False}})
    assert sinks_and_operators(JobConfig()) - sinks_and_operators(silent) == {"recommendations"}
