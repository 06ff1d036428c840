"""The job as a whole: its name, its metrics, and what it asks of Flink."""

from typing import Annotated

from pydantic import Field

from conf.section import Section
from conf.sections.types import Name
from conf.units import Duration, Size, duration, size


class Job(Section):
    """The job as a whole."""

    name: Name = Field(
        default="streamrec", description="Shown by Flink; prefix of Kafka transactional ids."
    )


class Metrics(Section):
    """Quality over time."""

    window: Annotated[int, Duration("1s", "1h")] = Field(
        default=duration("10s"), description="Length of a metrics window."
    )
    retention: Annotated[int, Duration("1h", "3650d")] = Field(
        default=duration("7d"),
        description="How long windows are kept: the key of one is used again for the first that"
        " starts so much later.",
    )


class Flink(Section):
    """Settings of the runtime that the job itself makes."""

    parallelism: int = Field(
        default=1, ge=1, le=32768, description="Subtasks; one Python worker each."
    )
    micro_batch: Annotated[int, Duration("10ms", "10s")] = Field(
        default=duration("200ms"),
        description="Events of a bucket collected before they are learnt; 100ms for low latency,"
        " 500ms for throughput.",
    )
    micro_batch_rows: int = Field(
        default=2048,
        ge=64,
        le=1_000_000,
        description="Most events of a micro-batch; a backlog's larger ones are cut before they"
        " reach Python.",
    )
    bundle_size: int = Field(
        default=64,
        ge=1,
        le=10_000,
        description="Micro-batches in a bundle, the unit of state access.",
    )
    bundle_time: Annotated[int, Duration("5ms", "10s")] = Field(
        default=duration("100ms"),
        description="Longest wait for a full bundle; 20ms for lowest latency.",
    )
    checkpoint_interval: Annotated[int, Duration("500ms", "1h")] = Field(
        default=duration("5s"), description="Exactly-once output becomes visible as often as this."
    )
    checkpoint_timeout: Annotated[int, Duration("10s", "1d")] = Field(
        default=duration("90s"),
        description="A checkpoint that takes longer has failed; five in a row may.",
    )
    restart_time: Annotated[int, Duration("0s", "1h")] = Field(
        default=duration("45s"),
        description="Longest silence of a job that Flink restarts: its longest back-off (30 s here,"
        " 4 s in `conf/flink`) and the start of its workers (10 s were measured). Before a job"
        " starts on topics that another one wrote, it watches them for this and two checkpoint"
        " intervals.",
    )
    state_cache: Annotated[int, Size("64MiB", "1024GiB")] = Field(
        default=size("2GiB"),
        description="Memory of a worker for user records, 4 KiB each; a user beyond costs a call to"
        " the JVM.",
    )
