"""SQL text of every source, view and sink. Ingest and egress run in Java; Python only learns.

Statements that hold state come first and new ones are appended last: SQL operators take their
uids from the order of declaration.
"""

from collections.abc import Sequence

from conf.client.classes import for_job
from conf.parameters import private_counts
from conf.schema import JobConfig
from models.columns.events import OFFSET_BITS
from models.keys import MIXER, MIXER_SHIFT, origin_of
from models.popularity.private import PrivateCounts
from state import record_sizes
from state.topics import availability, window
from state.topics import trending as topic

_BUFFER_MEMORY = 32 << 20
"""Kafka's own default."""
_MOST_PIECES = 256
"""A micro-batch is cut into; more would be 500,000 events of one bucket in one window."""


def _properties(config: JobConfig) -> str:
    kafka = config.kafka
    options = {"bootstrap.servers": kafka.bootstrap_servers, **for_job(kafka.properties)}
    return ", ".join(f"'properties.{name}' = '{_quoted(value)}'" for name, value in options.items())


def _discovery(config: JobConfig) -> str:
    """Return how often a source looks for new partitions; five minutes unless told otherwise."""
    milliseconds = config.kafka.partition_discovery
    return f"'scan.topic-partition-discovery.interval' = '{milliseconds} ms'"


def _producer(config: JobConfig) -> str:
    """Return the properties of a sink: no record is larger, and several of them find room."""
    largest = config.kafka.max_record_bytes
    options = {"max.request.size": largest, "buffer.memory": max(_BUFFER_MEMORY, 4 * largest)}
    own = ", ".join(f"'properties.{name}' = '{value}'" for name, value in options.items())
    return f"{_properties(config)}, {own}"


def _quoted(text: object) -> str:
    return str(text).replace("'", "''")


def interval(milliseconds: int) -> str:
    """Return an SQL interval of at most 999 days.

    >>> interval(90_061_500)
    "INTERVAL '1 01:01:01.500' DAY(3) TO SECOND(3)"
    """
    seconds, fraction = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    clock = f"{days} {hours:02}:{minutes:02}:{seconds:02}.{fraction:03}"
    return f"INTERVAL '{clock}' DAY(3) TO SECOND(3)"


def events(config: JobConfig) -> str:
    """Source of raw records with their coordinates, and of commands about users.

    One source: after a restore both are read again from the same point of time.
    """
    start = {
        "earliest": "earliest-offset",
        "latest": "latest-offset",
        "committed": "group-offsets",
    }[config.kafka.start]
    topics = f"{config.kafka.topics.user_behavior};{config.kafka.topics.control}"
    return f"""CREATE TABLE events (
          k BYTES, v BYTES,
          topic STRING METADATA VIRTUAL,
          part INT METADATA FROM 'partition' VIRTUAL,
          off BIGINT METADATA FROM 'offset' VIRTUAL,
          published TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL,
          pt AS PROCTIME())
        WITH ('connector' = 'kafka', 'topic' = '{_quoted(topics)}',
          {_properties(config)}, 'properties.group.id' = '{_quoted(config.kafka.group)}',
          'properties.isolation.level' = 'read_committed',
          'properties.auto.offset.reset' = 'earliest',
          {_discovery(config)}, 'scan.startup.mode' = '{start}',
          'key.format' = 'raw', 'key.fields' = 'k',
          'value.format' = 'raw', 'value.fields-include' = 'EXCEPT_KEY')"""


def user_bucket(identifier: str, buckets: int) -> str:
    """Return the SQL expression of the bucket of a user id; `models.keys.bucket_of` is the same."""
    mixed = f"CAST(HASH_CODE({identifier}) AS BIGINT) * {MIXER} / {1 << MIXER_SHIFT}"
    # the one negative hash there is needs the second MOD
    return f"CAST(MOD(MOD({mixed}, {buckets}) + {buckets}, {buckets}) AS INT)"


def _json_path(steps: Sequence[str]) -> str:
    """Return a path as JSON_VALUE wants it.

    >>> _json_path(["context", "user id"])
    "$.context['user id']"
    """
    return "$" + "".join(
        f".{step}" if step.isidentifier() and step.isascii() else f"['{step}']" for step in steps
    )


def bucketed(config: JobConfig) -> str:
    """Events with their user bucket: by the key, or by the user id where there is none."""
    steps = [path.split(".") for path in config.events.fields.user_id]
    found = ", ".join(  # an empty text is no id
        f"NULLIF(JSON_VALUE(CAST(v AS STRING), '{_quoted(_json_path(path))}'), '')"
        for path in steps
    )
    user = f"COALESCE({found}, '')"
    if config.events.keyed:
        # CASE is lazy, COALESCE is not: parsing every value costs more than the rest of the source
        key, text = "k", "CAST(k AS STRING)"
        if config.events.keyed == "json":
            key = text = f"JSON_VALUE({text}, '$')"
        user = f"CASE WHEN {key} IS NOT NULL THEN {text} ELSE {user} END"
    command = f"topic = '{_quoted(config.kafka.topics.control)}'"
    named = (
        f"NULLIF(JSON_VALUE(CAST(v AS STRING), '$.{name}'), '')"
        for name in ("route", "user", "from")
    )
    about = f"COALESCE({', '.join(named)}, '')"
    user = f"CASE WHEN {command} THEN {about} ELSE {user} END"
    place = f"CAST(part AS BIGINT) * {1 << OFFSET_BITS} + off"
    return f"""SELECT k, v, pt,
          CASE WHEN {command} THEN -1 - ({place}) ELSE {place} END AS coordinate,
          EXTRACT(EPOCH FROM published) * 1000 + EXTRACT(MILLISECOND FROM published) AS published,
          {user_bucket(user, config.users.buckets)} AS bucket
        FROM events"""


def micro_batches(config: JobConfig, keys: Sequence[int]) -> str:
    """One row a user bucket and processing-time window, keyed evenly over key groups."""
    return f"""SELECT ARRAY[{", ".join(map(str, keys))}][bucket + 1] AS key,
          CAST(ROW(bucket, {_piece("ks", config)}, {_piece("vs", config)},
            {_piece("coordinates", config)}, {_piece("published", config)}) AS ROW<bucket INT,
            record_keys ARRAY<BYTES>, record_values ARRAY<BYTES>,
            coordinates ARRAY<BIGINT>, published ARRAY<BIGINT>>) AS batch
        FROM (
          SELECT bucket, ARRAY_AGG(k) AS ks, ARRAY_AGG(v) AS vs,
            ARRAY_AGG(coordinate) AS coordinates, ARRAY_AGG(published) AS published
          FROM TABLE(TUMBLE(TABLE bucketed, DESCRIPTOR(pt), {interval(config.flink.micro_batch)}))
          GROUP BY bucket, window_start, window_end)
        CROSS JOIN UNNEST({_pieces("coordinates", config)}) AS pieces(piece)"""


def _pieces(column: str, config: JobConfig) -> str:
    """Return the numbers of the pieces that a micro-batch is cut into, so that none is too long.

    Numbers that depend on the row make UNNEST a function; of a literal it would make a join.
    """
    rows = config.flink.micro_batch_rows
    numbers = ", ".join(map(str, range(_MOST_PIECES)))
    count = f"LEAST({_MOST_PIECES}, (CARDINALITY({column}) + {rows - 1}) / {rows})"
    return f"ARRAY_SLICE(ARRAY[{numbers}], 1, {count})"


def _piece(column: str, config: JobConfig) -> str:
    """Return one piece of a column; the last one that there may be takes all that is left."""
    rows = config.flink.micro_batch_rows
    count, last = f"CARDINALITY({column})", _MOST_PIECES - 1
    end = f"CASE WHEN piece = {last} THEN {count} ELSE (piece + 1) * {rows} END"
    return f"""CASE WHEN {count} <= {rows} THEN {column}
              ELSE ARRAY_SLICE({column}, piece * {rows} + 1, {end}) END"""


def item_batches(config: JobConfig, keys: Sequence[int]) -> str:
    """Return accepted batches of a window, one copy for every item bucket."""
    return f"""SELECT ARRAY[{", ".join(map(str, keys))}][bucket + 1] AS key,
          CAST(ROW(bucket, messages) AS ROW<bucket INT, messages ARRAY<BYTES>>) AS batch
        FROM (
          SELECT bucket, ARRAY_AGG(message) AS messages
          FROM TABLE(TUMBLE(TABLE addressed, DESCRIPTOR(pt), {interval(config.items.window)}))
          GROUP BY bucket, window_start, window_end)"""


def addressed(config: JobConfig) -> str:
    """Every accepted batch, once for each item bucket."""
    return " UNION ALL ".join(
        f"""SELECT message, {bucket} AS bucket, pt FROM learned
            CROSS JOIN UNNEST(accepted) AS a(message)"""
        for bucket in range(config.items.buckets)
    )


def loop_records(config: JobConfig, since_ms: int) -> str:
    """Source of what comes back: accepted events, item chunks, trending lists, model pointers.

    Without state it begins with what is written since a time: whatever the job itself writes
    before its readers have started, such as the catalogue, is among that.
    """
    topics = f"{config.kafka.topics.accepted_events};{config.kafka.topics.model_updates}"
    return f"""CREATE TABLE loop_records (
          topic STRING METADATA VIRTUAL, k BYTES, v BYTES)
        WITH ('connector' = 'kafka', 'topic' = '{_quoted(topics)}', {_properties(config)},
          'properties.group.id' = '{_quoted(config.kafka.group)}-loop',
          {_discovery(config)}, 'scan.startup.mode' = 'timestamp',
          'scan.startup.timestamp-millis' = '{since_ms}',
          'key.format' = 'raw', 'key.fields' = 'k',
          'value.format' = 'raw', 'value.fields-include' = 'EXCEPT_KEY')"""


def commands(config: JobConfig) -> str:
    """Source of commands to the job; a repeated one is known by its key."""
    return f"""CREATE TABLE commands (k BYTES, v BYTES)
        WITH ('connector' = 'kafka', 'topic' = '{_quoted(config.kafka.topics.control)}',
          {_properties(config)}, 'properties.group.id' = '{_quoted(config.kafka.group)}-control',
          'properties.isolation.level' = 'read_committed',
          {_discovery(config)}, 'scan.startup.mode' = 'latest-offset',
          'key.format' = 'raw', 'key.fields' = 'k',
          'value.format' = 'raw', 'value.fields-include' = 'EXCEPT_KEY')"""


def catalog(config: JobConfig) -> str:
    """Source of descriptions of items: all that there are, whenever a job starts without state."""
    return f"""CREATE TABLE descriptions (k BYTES, v BYTES)
        WITH ('connector' = 'kafka', 'topic' = '{_quoted(config.kafka.topics.catalog)}',
          {_properties(config)}, 'properties.group.id' = '{_quoted(config.kafka.group)}-catalog',
          'properties.isolation.level' = 'read_committed',
          'properties.auto.offset.reset' = 'earliest',
          {_discovery(config)}, 'scan.startup.mode' = 'earliest-offset',
          'key.format' = 'raw', 'key.fields' = 'k',
          'value.format' = 'raw', 'value.fields-include' = 'EXCEPT_KEY')"""


AVAILABILITY = f"""INSERT INTO availability
    SELECT CAST(CONCAT('{availability.KIND.decode()}/', CAST(k AS STRING)) AS BYTES),
      CAST(CASE WHEN v IS NULL THEN '{availability.GONE.decode()}'
        WHEN CHAR_LENGTH(CAST(v AS STRING)) <= {availability.MOST_CHARACTERS} THEN
          CAST(v AS STRING)
        WHEN JSON_VALUE(CAST(v AS STRING), '$.available') = 'false'
        THEN '{availability.GONE.decode()}' ELSE '{availability.THERE.decode()}' END AS BYTES)
    FROM descriptions
    WHERE k IS NOT NULL AND (v IS NULL OR CAST(v AS STRING) IS JSON OBJECT)"""
"""What the catalogue says of items, back to the loop."""


EXAMPLES = "SELECT examples, pt FROM learned WHERE examples IS NOT NULL"


def tune_batches(config: JobConfig, key: int) -> str:
    """Return all examples of a window in one row, and every command in one of its own."""
    row = "ROW<examples ARRAY<BYTES>, commands ARRAY<ROW<k BYTES, v BYTES>>>"
    return f"""SELECT {key} AS key, CAST(ROW(messages,
            CAST(NULL AS ARRAY<ROW<k BYTES, v BYTES>>)) AS {row}) AS batch
        FROM (
          SELECT ARRAY_AGG(examples) AS messages
          FROM TABLE(TUMBLE(TABLE examples, DESCRIPTOR(pt), {interval(config.items.window)}))
          GROUP BY window_start, window_end)
        UNION ALL
        SELECT {key} AS key, CAST(ROW(CAST(NULL AS ARRAY<BYTES>), ARRAY[ROW(k, v)]) AS {row})
        FROM commands"""


def loop_sink(config: JobConfig, name: str, topic: str) -> str:
    """At-least-once sink of the loop: its readers recognise repeats."""
    return f"""CREATE TABLE {name} (k BYTES, v BYTES)
        WITH ('connector' = 'kafka', 'topic' = '{_quoted(topic)}', {_producer(config)},
          'key.format' = 'raw', 'key.fields' = 'k',
          'value.format' = 'raw', 'value.fields-include' = 'EXCEPT_KEY',
          'sink.delivery-guarantee' = 'at-least-once')"""


def _transactions(config: JobConfig, topic: str, generation: int = 0) -> str:
    """Return the prefix of a sink's transactional ids; none begins with another generation's.

    Jobs of one name must not fence each other: whatever they read or write decides, so that one
    that tries other settings on the same input, into topics of its own, has ids of its own.
    """
    topics = config.kafka.topics
    place = "\n".join((topics.user_behavior, topics.model_updates, topic))
    number = f"g{generation}-" * (generation > 0)
    return f"{config.job.name}-{number}{origin_of(config.job.name, place):016x}"


def transactions(config: JobConfig) -> list[str]:
    """Return the prefixes of the transactional ids of all sinks, in their first generation."""
    topics = config.kafka.topics
    sinks = (
        ("recommendations", topics.recommendations),
        ("dead_letter", topics.dead_letter),
        ("recommendation_metrics", topics.recommendation_metrics),
        ("tuned_metrics", topics.recommendation_metrics),
        ("control_results", topics.control_results),
        ("feedback", topics.feedback),
        ("user_answers", topics.control_results),
        ("orders", topics.control),
    )
    return [f"{_transactions(config, topic)}-{name}" for name, topic in sinks]


def output_sink(
    config: JobConfig, name: str, topic: str, *, headers: bool = False, generation: int = 0
) -> str:
    """Sink of a topic others read, with the configured delivery guarantee.

    `generation` is that of its transactional ids, see `jobs.transactions`.
    """
    columns = "k BYTES, v BYTES" + (", h MAP<STRING, BYTES> METADATA FROM 'headers'" * headers)
    guarantee = "'sink.delivery-guarantee' = 'at-least-once'"
    if config.kafka.delivery == "exactly-once":
        prefix = f"{_transactions(config, topic, generation)}-{name}"
        guarantee = f"""'sink.delivery-guarantee' = 'exactly-once',
          'sink.transactional-id-prefix' = '{_quoted(prefix)}',
          'sink.transaction-naming-strategy' = 'pooling',
          'properties.transaction.timeout.ms' = '{config.kafka.transaction_timeout}'"""
    return f"""CREATE TABLE {name} ({columns})
        WITH ('connector' = 'kafka', 'topic' = '{_quoted(topic)}', {_producer(config)},
          'key.format' = 'raw', 'key.fields' = 'k',
          'value.format' = 'raw', 'value.fields-include' = 'EXCEPT_KEY', {guarantee})"""


RECOMMENDATIONS = """INSERT INTO recommendations
    SELECT r.k, r.v FROM learned CROSS JOIN UNNEST(recommendations) AS r(k, v)"""

DEAD_LETTERS = """INSERT INTO dead_letter
    SELECT d.k, d.v, d.h FROM learned CROSS JOIN UNNEST(dead_letters) AS d(k, v, h)"""

ACCEPTED = """INSERT INTO accepted_events
    SELECT accepted_key, message FROM learned CROSS JOIN UNNEST(accepted) AS a(message)"""

ACCOUNTING = """INSERT INTO recommendation_metrics
    SELECT a.k, a.v FROM learned CROSS JOIN UNNEST(accounting) AS a(k, v)"""


def records_of(column: str) -> str:
    """Return the records in a column of `learned`."""
    return f"SELECT r.k, r.v FROM learned CROSS JOIN UNNEST({column}) AS r(k, v)"


def into(sink: str, view: str) -> str:
    """Write the records of a view into a sink."""
    return f"INSERT INTO {sink} SELECT k, v FROM {view}"


TUNED = tuple(
    f"INSERT INTO {table} SELECT k, v FROM tuned WHERE topic = '{name}'"
    for table, name in (
        ("tuned_updates", "model_updates"),
        ("tuned_metrics", "recommendation_metrics"),
        ("control_results", "control_results"),
    )
)
"""What fine-tune says, into sinks of its own."""

ITEM_CHUNKS = """INSERT INTO model_updates SELECT k, v FROM item_chunks"""


def metric_windows(config: JobConfig) -> str:
    """Quality and volume of processing-time windows, one JSON record each."""
    listed = ", ".join(
        f"'{name}' VALUE {value}" for name, value in window.written(config.evaluation.k).items()
    )
    key = window.key(config.metrics.window, config.metrics.retention)
    return f"""INSERT INTO recommendation_metrics
        SELECT CAST({key} AS BYTES),
          CAST(JSON_OBJECT(
            'kind' VALUE '{window.KEY.decode()}',
            'window_start' VALUE UNIX_TIMESTAMP(CAST(window_start AS STRING)) * 1000,
            'window_end' VALUE UNIX_TIMESTAMP(CAST(window_end AS STRING)) * 1000,
            {listed} NULL ON NULL) AS BYTES)
        FROM (
          SELECT window_start, window_end, {window.summed()}
          FROM TABLE(TUMBLE(TABLE measured, DESCRIPTOR(pt), {interval(config.metrics.window)}))
          GROUP BY window_start, window_end)"""


MEASURED = """SELECT metrics AS m, event_time, pt FROM learned"""

SIGHTINGS = """SELECT item, event_time, rowtime FROM learned
    CROSS JOIN UNNEST(trending) AS t(item)"""


_TIES = 1 << 20
"""Of equal noisy counts chance decides, so that not even their order says who came first."""
_WORDS = 1 << 31
"""Values of a hash: none is negative but one, which stands for 0."""
_WORD = f"MOD(ABS(CAST(HASH_CODE(UUID()) AS BIGINT)), {_WORDS})"
_UNIFORM = f"(({_WORD} + ({_WORD} + 0.5E0) / {_WORDS}E0) / {_WORDS}E0)"
"""A number from 0 to 1, of 62 bits that nobody can foretell: `RAND` can be, from a few of its
numbers, and `UUID` is drawn by a generator made for secrets."""


def noisy(count: str, private: PrivateCounts) -> str:
    """Return the SQL expression of a count with two-sided geometric noise, times `_TIES`.

    Whoever reads it twice must not have it evaluated twice: it stands before the ranking, what
    depends on it behind. See `models.popularity.private` for the noise.
    """
    geometric = f"CAST(FLOOR(LN({_UNIFORM}) * -{private.scale:.17e}) AS BIGINT)"
    tie = f"CAST(FLOOR({_UNIFORM} * {_TIES - 1}E0) AS BIGINT)"
    return f"({count} + {geometric} - {geometric}) * {_TIES} + {tie}"


def trending(config: JobConfig) -> str:
    """Most seen items of an event-time hopping window: one record a window, back to the loop.

    With private counts each has noise, and only those above a threshold are told.
    """
    origin = origin_of(config.job.name, config.kafka.topics.user_behavior)
    end = "UNIX_TIMESTAMP(CAST(window_end AS STRING)) * 1000"
    # as many as fit into a record whatever their ids are
    room = config.kafka.max_record_bytes - record_sizes.OVERHEAD
    top = min(config.trending.top, record_sizes.most_trending(room, config.events.max_id_bytes))
    private, count, shown, told = private_counts(config), "COUNT(*)", "seen", f"place <= {top}"
    if private is not None:
        count, shown = noisy("COUNT(*)", private), f"seen / {_TIES}"
        told += f" AND seen >= {private.threshold * _TIES}"
    return f"""INSERT INTO model_updates
        SELECT CAST('{topic.KEY.decode()}' AS BYTES),
          CAST({topic.written_by("item", shown, end, origin)} AS BYTES)
        FROM (
          SELECT window_start, window_end, item, seen,
            ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY seen DESC) AS place
          FROM (
            SELECT window_start, window_end, item, {count} AS seen
            FROM TABLE(HOP(TABLE sightings, DESCRIPTOR(rowtime),
              {interval(config.trending.hop)}, {interval(config.trending.window)}))
            GROUP BY window_start, window_end, item))
        WHERE {told}
        GROUP BY window_start, window_end"""
