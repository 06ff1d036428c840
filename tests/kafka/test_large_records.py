"""Records as large as they get, on a broker with Kafka's own limits: the job never stops."""

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256

import pyarrow as pa
import pytest

from scripts.tools.console import ToolError
from scripts.tools.kafka import topics
from tests.builders import NOW, Record, event
from tests.kafka.running import LARGEST_SENT, RunningJob, by_coordinate

pytestmark = pytest.mark.kafka

MAX_BYTES = 1 << 20
LONGEST = 1_024
VIEWS = 60_000
SETTINGS = (
    "events.max_bytes=1MiB",
    f"events.max_id_bytes={LONGEST}",
    "flink.micro_batch=500ms",
    "kafka.partitions=1",
    "items.chunks=4",
    "items.publish_interval=5s",
    "items.limit=100000",
    "items.publish_bytes_per_second=64MiB",
)


def oversized() -> Iterator[Record]:
    """Keys and values around every limit."""
    yield Record(b"k" * 2_000_000, b"{}")  # key and value swapped
    for size in (1_048_200, 983_040, 982_900, 982_000, 600_000):
        yield Record(b"k" * size, b"{}")
        yield Record(b"anna", b"v" * size)
        yield Record(b"k" * size, b"v" * size)
    yield Record(b"anna", b"v" * (MAX_BYTES - 1))
    yield Record(None, b"v" * (MAX_BYTES + 1))


def long_id(name: str, n: int) -> str:
    return f"{name}-{n}-".ljust(LONGEST, '"')


def test_no_record_is_too_large(job: RunningJob) -> None:
    job.settings = SETTINGS
    job.make_topic("user_behavior", **{"max.message.bytes": str(LARGEST_SENT)})
    bad = list(oversized())
    many = [Record(b"u%d" % n, b"x" * (64 << 10)) for n in range(1_000)]
    good = [event("anna", f"item-{n}", at=NOW + n) for n in range(10)]
    longest = [
        event(long_id("user", n % 3), long_id("item", n), at=NOW + n, event_id=long_id("e", n))
        for n in range(2_000)
    ]
    views = [
        event("busy", f"i{n:099}", at=NOW + n, event_id=None) for n in range(VIEWS)
    ]  # one user, one micro-batch
    job.send([*bad, *good, *longest, *many, *views])
    job.start()
    totals = job.settle()
    assert job.failures() is None
    assert totals.accepted == len(good) + len(longest) + len(views)
    assert totals.rejected == len(bad) + len(many)
    assert totals.consumed == len(job.sent)

    sent, letters = by_coordinate(job.sent), job.read("dead_letter")
    assert len(letters) == totals.rejected
    for letter in letters:
        about = dict(letter.headers() or [])
        record = sent[int(about["src.partition"]), int(about["src.offset"])]
        for found, was, name in (
            (letter.key(), record.key, "src.key"),
            (letter.value(), record.value, "src"),
        ):
            if found != was:
                assert found is None
                assert int(about[f"{name}.size"]) == len(was or b"")
                assert about[f"{name}.sha256"] == sha256(was or b"").hexdigest().encode()
        kept = len(record.key or b"") + len(record.value or b"")
        if kept < job.config.kafka.max_record_bytes - 2_048:
            assert (letter.key(), letter.value()) == (record.key, record.value)

    # a listener receives of every event, and the catalogue is published whole, in parts
    job.wait(lambda: published(job) == VIEWS + 2_010, lambda: f"all items, got {published(job)}")
    assert len(job.read("accepted_events")) > 10


def published(job: RunningJob) -> int:
    """Items in the newest chunks."""
    newest = {m.key(): m.value() for m in job.read("model_updates") if m.key()[:5] == b"items"}
    return sum(pa.ipc.open_stream(value).read_all().num_rows for value in newest.values())


def test_a_topic_that_takes_less_is_told_before_the_start(job: RunningJob) -> None:
    job.settings = ("kafka.max_record_bytes=128KiB",)
    job.make_topic("dead_letter", **{"max.message.bytes": "100000"})
    told = f"topic {job.name}.dead_letter: expected max.message.bytes of 131072"
    assert [line[: len(told)] for line in topics.too_small(job.config, job.address)] == [told]
    with pytest.raises(ToolError, match=told):
        job.start()
    fitting = replace(job, settings=("kafka.max_record_bytes=64KiB",))
    assert topics.too_small(fitting.config, fitting.address) == []
