"""Types of the edges between Java and Python."""

from pyflink.common import Types

from state.topics import window

BYTES = Types.PRIMITIVE_ARRAY(Types.BYTE())

MICRO_BATCH = Types.ROW_NAMED(
    ["bucket", "record_keys", "record_values", "coordinates", "published"],
    [
        Types.INT(),
        Types.OBJECT_ARRAY(BYTES),
        Types.OBJECT_ARRAY(BYTES),
        Types.OBJECT_ARRAY(Types.LONG()),
        Types.OBJECT_ARRAY(Types.LONG()),
    ],
)
"""One user bucket's records of one window: raw bytes, partition and offset, broker time (ms)."""

KEYED_RECORD = Types.ROW_NAMED(["k", "v"], [BYTES, BYTES])

DEAD_LETTER = Types.ROW_NAMED(["k", "v", "h"], [BYTES, BYTES, Types.MAP(Types.STRING(), BYTES)])

METRICS = Types.ROW_NAMED(
    list(window.columns()),
    [Types.LONG() if kind is int else Types.DOUBLE() for kind in window.columns().values()],
)
"""What one micro-batch adds to the metrics window, see `state.topics.window.Sums`."""

LEARNED = Types.ROW_NAMED(
    [
        "event_time",
        "recommendations",
        "dead_letters",
        "accepted_key",
        "accepted",
        "accounting",
        "metrics",
        "trending",
        "examples",
        "feedback",
        "answers",
        "orders",
    ],
    [
        Types.LONG(),
        Types.OBJECT_ARRAY(KEYED_RECORD),
        Types.OBJECT_ARRAY(DEAD_LETTER),
        BYTES,
        Types.OBJECT_ARRAY(BYTES),
        Types.OBJECT_ARRAY(KEYED_RECORD),
        METRICS,
        Types.OBJECT_ARRAY(Types.STRING()),
        BYTES,
        Types.OBJECT_ARRAY(KEYED_RECORD),
        Types.OBJECT_ARRAY(KEYED_RECORD),
        Types.OBJECT_ARRAY(KEYED_RECORD),
    ],
)
"""The one row that learn-users emits for a micro-batch."""

ITEM_BATCH = Types.ROW_NAMED(["bucket", "messages"], [Types.INT(), Types.OBJECT_ARRAY(BYTES)])
"""All accepted batches of one window, addressed to one item bucket."""

LOOP_RECORD = Types.ROW_NAMED(["topic", "k", "v"], [Types.STRING(), BYTES, BYTES])
"""A record of a loop topic."""

TUNE_BATCH = Types.ROW_NAMED(
    ["examples", "commands"], [Types.OBJECT_ARRAY(BYTES), Types.OBJECT_ARRAY(KEYED_RECORD)]
)
"""Examples of one window, or a command: either may be null."""

TUNED = Types.ROW_NAMED(["topic", "k", "v"], [Types.STRING(), BYTES, BYTES])
"""What fine-tune says, by the topic it is for."""
