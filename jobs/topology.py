"""The graph, in the order in which data flows through it.

SQL operators take their uids from the order of the statements below: what holds state comes
first, new statements are appended last, and `tests/golden/uids.txt` holds the result.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from pyflink.common import Types
from pyflink.datastream import DataStream
from pyflink.table import Schema, StreamTableEnvironment

from conf.parameters import wants_deep
from conf.schema import JobConfig
from jobs import parameters, tables, uids
from jobs.keys import balanced_keys, keyed_by_first_field
from jobs.types import (
    ITEM_BATCH,
    KEYED_RECORD,
    LEARNED,
    LOOP_RECORD,
    MICRO_BATCH,
    TUNE_BATCH,
    TUNED,
)
from operators.fine_tune.function import FineTuneFunction
from operators.learn_items.function import LearnItemsFunction
from operators.learn_users.function import LearnUsersFunction
from operators.learn_users.ingest import IngestFunction
from state.keyed import descriptors
from state.keyed.lineage import Lineage
from state.topics.lease import Lease


def build(
    sql: StreamTableEnvironment,
    config: JobConfig,
    lease: Lease | None = None,
    lineage: Lineage | None = None,
    *,
    generation: int = 0,
) -> None:
    """Declare the whole job; the caller executes it.

    `generation` is that of its transactional ids, see `jobs.transactions`.
    """
    _learned(sql, config, LearnUsersFunction(parameters.learn_users(config, lease, lineage)))
    item_keys = balanced_keys(config.items.buckets, config.users.buckets)
    chunks = (
        keyed_by_first_field(_item_batches(sql, config, item_keys), ITEM_BATCH)
        .process(
            LearnItemsFunction(parameters.learn_items(config, item_keys, lease, lineage)),
            KEYED_RECORD,
        )
        .uid(uids.LEARN_ITEMS)
        .name("learn-items")
    )
    sql.create_temporary_view("item_chunks", chunks)
    _sinks(sql, config, generation)
    if wants_deep(config):  # last: what a job has without it keeps its uids
        _fine_tune(sql, config, FineTuneFunction(parameters.fine_tune(config, lease, lineage)))
        _tuned_sinks(sql, config, generation)
    topics, sink_of = config.kafka.topics, partial(_sink_of, sql, config, generation)
    if config.feedback.enabled:
        sink_of(column="feedback", sink="feedback", topic=topics.feedback, uid=uids.FEEDBACK)
    sink_of(column="answers", sink="user_answers", topic=topics.control_results, uid=uids.ANSWERS)
    sink_of(column="orders", sink="orders", topic=topics.control, uid=uids.ORDERS)
    _availability(sql, config)


def build_ingest(sql: StreamTableEnvironment, config: JobConfig) -> None:
    """Declare what there is of the job without a model: the limit of throughput and freshness.

    Where recommendations are wanted, it answers every user with an empty list.
    """
    _learned(sql, config, IngestFunction(parameters.ingest(config)))
    topics = config.kafka.topics
    answers = (tables.RECOMMENDATIONS,) if config.recommend.enabled else ()
    if answers:
        sql.execute_sql(tables.output_sink(config, "recommendations", topics.recommendations))
    sql.execute_sql(
        tables.output_sink(config, "recommendation_metrics", topics.recommendation_metrics)
    )
    sql.execute_sql(tables.loop_sink(config, "accepted_events", topics.accepted_events))
    inserts = sql.create_statement_set()
    for statement in (*answers, tables.ACCEPTED, tables.ACCOUNTING):
        inserts.add_insert_sql(statement)
    inserts.attach_as_datastream()


def _learned(
    sql: StreamTableEnvironment, config: JobConfig, function: LearnUsersFunction | IngestFunction
) -> None:
    """Declare sources, windows, loop, and the operator that learns: the view `learned`."""
    batches = _micro_batches(sql, config)
    loop = _loop(sql, config).broadcast(descriptors.loop())
    learned = (
        keyed_by_first_field(batches, MICRO_BATCH)
        .connect(loop)
        .process(function, LEARNED)
        .uid(uids.LEARN_USERS)
        .name("learn-users")
    )
    sql.create_temporary_view("learned", learned, _learned_schema(config))


def _fine_tune(sql: StreamTableEnvironment, config: JobConfig, function: FineTuneFunction) -> None:
    """Declare the operator that trains; its slot may be on another machine."""
    sql.execute_sql(tables.commands(config))
    sql.create_temporary_view("examples", sql.sql_query(tables.EXAMPLES))
    (key,) = balanced_keys(1, config.users.buckets)
    batches = sql.to_append_stream(
        sql.sql_query(tables.tune_batches(config, key)),
        Types.ROW_NAMED(["key", "batch"], [Types.INT(), TUNE_BATCH]),
    )
    tuned = (
        keyed_by_first_field(batches, TUNE_BATCH)
        .process(function, TUNED)
        .uid(uids.FINE_TUNE)
        .name("fine-tune")
        .force_non_parallel()
    )
    if config.fine_tune.slot_group:
        tuned = tuned.slot_sharing_group(config.fine_tune.slot_group)
    sql.create_temporary_view("tuned", tuned)


def _micro_batches(sql: StreamTableEnvironment, config: JobConfig) -> DataStream:
    sql.execute_sql(tables.events(config))
    sql.create_temporary_view("bucketed", sql.sql_query(tables.bucketed(config)))
    keys = balanced_keys(config.users.buckets, config.users.buckets)
    return sql.to_append_stream(
        sql.sql_query(tables.micro_batches(config, keys)),
        Types.ROW_NAMED(["key", "batch"], [Types.INT(), MICRO_BATCH]),
    )


def _item_batches(sql: StreamTableEnvironment, config: JobConfig, keys: list[int]) -> DataStream:
    sql.create_temporary_view("addressed", sql.sql_query(tables.addressed(config)))
    return sql.to_append_stream(
        sql.sql_query(tables.item_batches(config, keys)),
        Types.ROW_NAMED(["key", "batch"], [Types.INT(), ITEM_BATCH]),
    )


def _loop(sql: StreamTableEnvironment, config: JobConfig) -> DataStream:
    """Read what comes back: everyone's accepted events, item chunks, trending lists, pointers."""
    sql.execute_sql(tables.loop_records(config, time.time_ns() // 1_000_000))
    return sql.to_append_stream(sql.sql_query("SELECT topic, k, v FROM loop_records"), LOOP_RECORD)


def _learned_schema(config: JobConfig) -> Schema:
    lateness = tables.interval(config.trending.lateness)
    return (
        Schema.new_builder()
        .column_by_expression("pt", "PROCTIME()")
        .column_by_expression("rowtime", "TO_TIMESTAMP_LTZ(event_time, 3)")
        .watermark("rowtime", f"rowtime - {lateness}")
        .build()
    )


def _tuned_sinks(sql: StreamTableEnvironment, config: JobConfig, generation: int) -> None:
    """Declare sinks of their own for what fine-tune says."""
    topics = config.kafka.topics
    output = partial(tables.output_sink, config, generation=generation)
    for statement in (
        tables.loop_sink(config, "tuned_updates", topics.model_updates),
        output("tuned_metrics", topics.recommendation_metrics),
        output("control_results", topics.control_results),
    ):
        sql.execute_sql(statement)
    inserts = sql.create_statement_set()
    for statement in tables.TUNED:
        inserts.add_insert_sql(statement)
    inserts.attach_as_datastream()


def _availability(sql: StreamTableEnvironment, config: JobConfig) -> None:
    """Declare what tells all workers which items the catalogue calls unavailable."""
    sql.execute_sql(tables.catalog(config))
    sql.execute_sql(tables.loop_sink(config, "availability", config.kafka.topics.model_updates))
    _named(sql, uids.AVAILABILITY, tables.AVAILABILITY)


def _sink_of(  # a column and where it goes
    sql: StreamTableEnvironment,
    config: JobConfig,
    generation: int,
    *,
    column: str,
    sink: str,
    topic: str,
    uid: str,
) -> None:
    """Declare a sink, with uids of its own, of the records in a column of `learned`."""
    # apart from the sink: of two operators of a kind in one statement the names would be the same
    with _names(sql, f"{uid}-<id>"):  # numbered, too, for the same reason
        records = sql.to_append_stream(sql.sql_query(tables.records_of(column)), KEYED_RECORD)
    view = f"{column}_records"
    sql.create_temporary_view(view, records)
    sql.execute_sql(tables.output_sink(config, sink, topic, generation=generation))
    _named(sql, uid, tables.into(sink, view))


def _named(sql: StreamTableEnvironment, name: str, statement: str) -> None:
    """Attach a statement whose operators are named."""
    inserts = sql.create_statement_set()
    inserts.add_insert_sql(statement)
    with _names(sql, name):
        inserts.attach_as_datastream()


@contextmanager
def _names(sql: StreamTableEnvironment, name: str) -> Iterator[None]:
    """Give operators that are translated meanwhile uids with a name in place of a number.

    They stay the same, and so do all others, whichever parts the job has. That goes for operators
    without state, too: savepoints hold the maximum parallelism of each.
    """
    settings = sql.get_config()
    numbered = settings.get("table.exec.uid.format", "")
    settings.set("table.exec.uid.format", f"{name}_<type>_<version>_<transformation>")
    try:
        yield
    finally:
        settings.set("table.exec.uid.format", numbered)


def _sinks(sql: StreamTableEnvironment, config: JobConfig, generation: int) -> None:
    """Declare what leaves the job."""
    topics = config.kafka.topics
    output = partial(tables.output_sink, config, generation=generation)
    sql.create_temporary_view("measured", sql.sql_query(tables.MEASURED))
    sql.create_temporary_view("sightings", sql.sql_query(tables.SIGHTINGS))
    for statement in (
        output("recommendations", topics.recommendations),
        output("dead_letter", topics.dead_letter, headers=True),
        output("recommendation_metrics", topics.recommendation_metrics),
        tables.loop_sink(config, "accepted_events", topics.accepted_events),
        tables.loop_sink(config, "model_updates", topics.model_updates),
    ):
        sql.execute_sql(statement)
    inserts = sql.create_statement_set()
    for statement in (
        tables.RECOMMENDATIONS,
        tables.DEAD_LETTERS,
        tables.ACCEPTED,
        tables.ACCOUNTING,
        tables.metric_windows(config),
        tables.ITEM_CHUNKS,
        tables.trending(config),
    ):
        inserts.add_insert_sql(statement)
    inserts.attach_as_datastream()
