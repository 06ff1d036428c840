"""The graph as Flink sees it, without running it: a change here can orphan state in savepoints."""

import re
from pathlib import Path
from typing import Any

import pytest
from pyflink.java_gateway import get_gateway
from pyflink.table import EnvironmentSettings, TableEnvironment

from conf.schema import JobConfig
from jobs import environment, tables, topology
from jobs.keys import balanced_keys
from models.keys import bucket_of
from scripts.tools.cluster import savepoint_uids
from scripts.tools.cluster.paths import connector_jar

GOLDEN = Path(__file__).parent.parent / "golden"
NUMBER = r"\b\d+(?=_stream)"
pytestmark = pytest.mark.flink


STATELESS = ("Calc", "SinkConversion", "DataStreamToTable", "Correlate", "WatermarkAssigner")


def nodes_of(config: JobConfig) -> list[tuple[str, str]]:
    """Return (uid, name) of every operator of a job.

    What Flink numbers is numbered from 1, as in a process of its own; names are without numbers.
    """
    return sorted((uid, name) for uid, name, _ in nodes_and_parallelism_of(config))


def nodes_and_parallelism_of(config: JobConfig) -> list[tuple[str, str, int]]:
    """Return (uid, name, parallelism) of every operator of a job."""
    env, sql = environment.environment(config, {"pipeline.jars": connector_jar().as_uri()})
    topology.build(sql, config)
    nodes = env._j_stream_execution_environment.getStreamGraph(False).getStreamNodes().toArray()
    found = [
        (node.getTransformationUID() or "", node.getOperatorName(), node.getParallelism())
        for node in nodes
    ]
    first = min(int(number) for uid, *_ in found for number in re.findall(NUMBER, uid)) - 1
    return [
        (
            re.sub(NUMBER, lambda match: str(int(match[0]) - first), uid),
            re.sub(r"\[\d+\]", "", name),
            parallelism,
        )
        for uid, name, parallelism in found
    ]


def operators(config: JobConfig) -> dict[str, str]:
    """Return the name of every operator that may have state, by its uid."""
    return {uid: name for uid, name in nodes_of(config) if uid and not name.startswith(STATELESS)}


@pytest.fixture(scope="module")
def graph() -> list[tuple[str, str]]:
    """Return (uid, name) of every operator of the default job."""
    return nodes_of(JobConfig())


def test_every_operator_with_state_has_a_uid(graph: list[tuple[str, str]]) -> None:
    without = [name for uid, name in graph if not uid and not name.startswith(STATELESS)]
    assert without == []


def test_uids_are_the_released_ones(graph: list[tuple[str, str]]) -> None:
    lines = (GOLDEN / "uids.txt").read_text().splitlines()
    assert [f"{uid}\t{name}" for uid, name in graph if uid] == lines


RATING = {"learning": {"objective": "rating"}}
SERVED_ALONE = {"deep": {"enabled": False}}


@pytest.mark.parametrize("objective", [{}, RATING], ids=["ranking", "rating"])
def test_switching_the_deep_model_off_takes_operators_away_and_moves_none(
    objective: dict[str, Any],
) -> None:
    """By uid and by name: where a number moved, a sink's state would become another sink's."""
    alone = operators(JobConfig.model_validate(objective | SERVED_ALONE))
    beside = operators(JobConfig.model_validate(objective))
    assert alone.items() < beside.items()
    gone = {uid: name for uid, name in beside.items() if uid not in alone}
    assert {name for name in gone.values() if not name.startswith(STATELESS)} == {
        "WindowAggregate",
        "Source: KafkaSource-default_catalog.default_database.commands",
        "fine-tune",
        *(
            f"{sink}: {part}"
            for sink in ("tuned_updates", "tuned_metrics", "control_results")
            for part in ("Writer", "Committer")
        ),
    }


@pytest.mark.parametrize("feedback", [True, False])
def test_no_operator_takes_the_uid_of_one_that_another_job_has(*, feedback: bool) -> None:
    """Not even of one without state: savepoints hold the maximum parallelism of each."""
    settings = {"feedback": {"enabled": feedback}, "flink": {"parallelism": 2}}
    beside, alone = (
        {uid: rest for uid, *rest in nodes_and_parallelism_of(JobConfig.model_validate(job)) if uid}
        for job in (settings, settings | SERVED_ALONE)
    )
    assert {parallelism for _, parallelism in beside.values()} == {1, 2}
    shared = beside.keys() & alone.keys()
    assert {uid: alone[uid] for uid in shared} == {uid: beside[uid] for uid in shared}


@pytest.mark.parametrize("deep", [{}, SERVED_ALONE], ids=["deep", "alone"])
def test_feedback_adds_a_sink_of_its_own_and_moves_nothing(deep: dict[str, Any]) -> None:
    without = operators(JobConfig.model_validate(deep))
    found = operators(JobConfig.model_validate({"feedback": {"enabled": True}} | deep))
    assert without.items() < found.items()
    more = {uid: name for uid, name in found.items() if uid not in without}
    assert {uid: name for uid, name in more.items() if not name.startswith(STATELESS)} == {
        "feedback_stream-exec-sink_2_sink": "feedback: Writer",
        "Sink Committer: feedback_stream-exec-sink_2_sink": "feedback: Committer",
    }


@pytest.mark.parametrize(
    "changed",
    [
        RATING,
        {"learning": {"objective": "rating", "rating": {"model": "sgd"}}},
        {"learning": {"ranking": {"model": "light"}}},
        {"recommend": {"enabled": False}},
        {"kafka": {"delivery": "at-least-once", "start": "committed"}},
        {"kafka": {"max_record_bytes": "4MiB"}},
        {"events": {"keyed": False, "plan": "segment", "rating_type": "Product Reviewed"}},
        {"evaluation": {"share": 0.0}},
        {"trending": {"window": "1m", "hop": "1m", "top": 100}},
        {"privacy": {"counts_epsilon": 1.0}},
        {"flink": {"parallelism": 4, "micro_batch_rows": 100}},
    ],
    ids=str,
)
def test_no_setting_moves_a_uid_but_those_fixed_for_the_life_of_the_state(
    changed: dict[str, Any],
) -> None:
    """The other one is `items.buckets`: a statement a bucket."""
    found = operators(JobConfig.model_validate(changed | SERVED_ALONE))
    assert found == operators(JobConfig.model_validate(SERVED_ALONE))


@pytest.mark.parametrize("buckets", [1, 2, 16])
@pytest.mark.parametrize("deep", [True, False])
def test_the_tools_know_which_operators_of_the_job_have_state(*, buckets: int, deep: bool) -> None:
    found = operators(
        JobConfig.model_validate(
            {
                "items": {"buckets": buckets},
                "deep": {"enabled": deep},
                "feedback": {"enabled": deep},
            }
        )
    )
    known = savepoint_uids.operators(buckets, deep=deep, feedback=deep)
    assert known.items() <= found.items()
    rest = {name for uid, name in found.items() if uid not in known}
    assert all(name.startswith((*STATELESS, "LocalWindowAggregate")) for name in rest)


def test_the_operators_of_before_are_found_again_under_their_new_uids() -> None:
    """Jobs of `ranking` had fine-tune before the sinks: `tests/golden/uids-before.txt`."""
    lines = (GOLDEN / "uids-before.txt").read_text().splitlines()
    before = dict(line.split("\t") for line in lines)
    after, moves = operators(JobConfig()), savepoint_uids.moves(before)
    kept = {uid: name for uid, name in before.items() if not name.startswith(STATELESS)}
    for uid, name in kept.items():
        if name != "LocalWindowAggregate":
            assert after[moves.get(uid, uid)] == name, uid
    moved = [moves.get(uid, uid) for uid in kept]
    assert len(set(moved)) == len(moved)
    assert savepoint_uids.moves(after) == {}


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
    return {re.sub(r"\[\d+\]", "", node.getOperatorName()) for node in nodes}


def test_the_pipe_without_a_model_has_the_sources_and_windows_of_the_job(
    graph: list[tuple[str, str]],
) -> None:
    """Or what `scripts/benchmark limit` and `latency` measure would not be its limit."""
    pipe = sinks_and_operators(JobConfig())
    assert {"learn-users", "WindowAggregate"} < pipe
    assert pipe < {name for _, name in graph} | {"recommendation_metrics"}


def test_the_pipe_answers_where_recommendations_are_wanted_only() -> None:
    silent = JobConfig.model_validate({"recommend": {"enabled": False}})
    assert sinks_and_operators(JobConfig()) - sinks_and_operators(silent) == {
        "recommendations: Writer",
        "recommendations: Committer",
    }
