"""Brokers, topics and delivery."""

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from conf.client.bootstrap import brokers
from conf.section import Section
from conf.sections.types import Name, Properties, Topic
from conf.units import Duration, Size, duration, size

_PREFIX = re.compile("[a-zA-Z0-9._-]{1,100}")


class Topics(Section):
    """Names of the Kafka topics."""

    prefix: str = Field(
        default="",
        pattern=f"^{_PREFIX.pattern}$|^$",
        exclude=True,
        description="Begins the names that are not set below: `shop.` gives `shop.user_behavior`."
        " Jobs beside each other need their own, and their own `job.name` and `kafka.group`.",
    )
    user_behavior: Topic = Field(
        default="user_behavior", description="Input: behaviour events, JSON."
    )
    recommendations: Topic = Field(
        default="recommendations", description="Output: newest recommendations by user; compacted."
    )
    dead_letter: Topic = Field(
        default="dead_letter", description="Output: rejected records byte for byte, with headers."
    )
    recommendation_metrics: Topic = Field(
        default="recommendation_metrics", description="Output: quality windows and accounting."
    )
    feedback: Topic = Field(
        default="feedback",
        description="Output: what became of each impression, see `feedback.enabled`.",
    )
    accepted_events: Topic = Field(
        default="accepted_events", description="Loop: packed accepted events to every subtask."
    )
    model_updates: Topic = Field(
        default="model_updates",
        description="Loop: item rows (Arrow IPC) by item bucket, model pointer; compacted.",
    )
    catalog: Topic = Field(
        default="catalog",
        description="Input: descriptions of items, JSON by item id; compacted. The job recommends"
        " no item that is unavailable, the service shows the rest.",
    )
    control: Topic = Field(default="control", description="Input: commands to the job, JSON.")
    control_results: Topic = Field(
        default="control_results", description="Output: answers to the commands."
    )

    @model_validator(mode="before")
    @classmethod
    def _prefixed(cls, value: Any) -> Any:
        """Name the topics that have no name of their own."""
        prefix = value.get("prefix") if isinstance(value, dict) else None
        if not isinstance(prefix, str) or not _PREFIX.fullmatch(prefix):
            return value  # nothing to name, or told by itself
        names = [name for name in cls.model_fields if name != "prefix"]
        return {name: f"{prefix}{cls.model_fields[name].default}" for name in names} | value


class Kafka(Section):
    """Brokers, topics and delivery."""

    bootstrap_servers: Annotated[str, BeforeValidator(brokers)] = Field(
        default="localhost:9092",
        description="`host:port[, host:port…]`; an IPv6 address in brackets: `[::1]:9092`.",
    )
    group: Name = Field(
        default="streamrec",
        description="Consumer group whose committed offsets show progress; a job that reads the"
        " same input beside another one needs its own, or `start: committed` goes on where the"
        " other one is.",
    )
    start: Literal["earliest", "latest", "committed"] = Field(
        default="earliest", description="Where a job without restored state starts to read."
    )
    partition_discovery: Annotated[int, Duration("1s", "1d")] = Field(
        default=duration("30s"),
        description="Time between two looks for new partitions of the topics that are read; a new"
        " one is read from its beginning, whatever `kafka.start` says.",
    )
    delivery: Literal["exactly-once", "at-least-once"] = Field(
        default="exactly-once",
        description="Guarantee of the outputs. At least once is visible at once and may repeat.",
    )
    transaction_timeout: Annotated[int, Duration("10s", "1d")] = Field(
        default=duration("15m"),
        description="Longest outage whose open transactions survive; the broker's"
        " `transaction.max.timeout.ms` must allow it (15m unless changed). More than six times"
        " `flink.checkpoint_timeout` and `flink.checkpoint_interval` together: five checkpoints"
        " may fail.",
    )
    partitions: int = Field(
        default=4, ge=1, le=1024, description="Partitions of topics created by `scripts/local`."
    )
    replication: int = Field(
        default=1, ge=1, le=16, description="Replicas of topics created by `scripts/local`."
    )
    loop_retention: Annotated[int, Duration("10m", "30d")] = Field(
        default=duration("6h"),
        description="Retention of `accepted_events` when created; longer than any outage that a"
        " restore shall catch up with event by event.",
    )
    max_record_bytes: Annotated[int, Size("64KiB", "64MiB")] = Field(
        default=size("960KiB"),
        description="Largest record the job writes, as Kafka counts it; what is larger is split or"
        " cut. Topics must take it: their own default is 1 MiB.",
    )
    topics: Topics = Topics()
    properties: Properties = Field(
        default_factory=dict,
        description="Client properties (`security.*`, `sasl.*`, `ssl.*`, `fetch.*`, …), of the job"
        " and of the tools, by the names in `conf/client/names.py`; secrets only as `${env:NAME}`"
        " or `${file:PATH}`.",
    )
