"""The count of trending items as Flink runs it, with noise: on rows of its own."""

import json
from collections import Counter

import pytest
from pyflink.common import Row, Types
from pyflink.table import Schema

from conf.parameters import private_counts
from conf.schema import JobConfig
from jobs import environment, tables
from state.topics import trending

pytestmark = pytest.mark.flink

ITEMS = 1_000
SEEN = 6
RULES = {
    "trending": {"window": "1m", "hop": "1m", "top": 10_000},
    "privacy": {"counts_epsilon": 1.0, "counts_delta": 0.01, "counts_items": 1},
    "flink": {"parallelism": 1},
    "events": {"max_id_bytes": 16},
    "recommend": {"k": 10},
}


def told_by(config: JobConfig, sightings: list[tuple[str, int]]) -> list[trending.Trending]:
    """Return the records that the job's own statement makes of items and their times, ms."""
    env, sql = environment.environment(config)
    rows = env.from_collection(
        [Row(item, at) for item, at in sightings],
        Types.ROW_NAMED(["item", "event_time"], [Types.STRING(), Types.LONG()]),
    )
    schema = (
        Schema.new_builder()
        .column("item", "STRING")
        .column("event_time", "BIGINT")
        .column_by_expression("rowtime", "TO_TIMESTAMP_LTZ(event_time, 3)")
        .watermark("rowtime", "rowtime - INTERVAL '1' SECOND")
        .build()
    )
    sql.create_temporary_view("sightings", rows, schema)
    query = tables.trending(config).removeprefix("INSERT INTO model_updates")
    with sql.execute_sql(query).collect() as found:
        return [trending.decode(bytes(row[1])) for row in found]


def test_each_count_has_one_noise_and_is_told_above_the_threshold_only() -> None:
    """By another noise than it is told with, an item would be listed or ranked at times."""
    config = JobConfig.model_validate(RULES)
    private = private_counts(config)
    assert private is not None
    assert private.threshold == SEEN
    often = [(f"item-{n}", 1_000 + k) for n in range(ITEMS) for k in range(SEEN)]
    once = [(f"once-{n}", 1_000) for n in range(ITEMS)]
    (listed,) = told_by(config, [*often, *once])
    counts = list(listed.seen.values())
    assert min(counts) == SEEN
    assert counts == sorted(counts, reverse=True)
    names = [item.partition("-")[0] for item in listed.seen]
    # six standard deviations
    ratio = private.ratio
    assert names.count("item") / ITEMS == pytest.approx(1 / (1 + ratio), abs=0.09)
    assert names.count("once") / ITEMS <= 0.01 + 0.02
    noise = Counter(n - SEEN for item, n in listed.seen.items() if item.startswith("item"))
    for z in range(3):
        assert noise[z] / ITEMS == pytest.approx(private.probability(z), abs=0.09)
    equal = [item for item, n in listed.seen.items() if n == SEEN]
    assert equal != sorted(equal, key=lambda item: int(item.partition("-")[2]))


def test_without_it_counts_are_told_as_they_are() -> None:
    config = JobConfig.model_validate(RULES | {"privacy": {}})
    (listed,) = told_by(config, [("tea", 1_000), ("ham", 2_000), ("tea", 3_000)])
    assert json.dumps(listed.seen) == '{"tea": 2, "ham": 1}'
