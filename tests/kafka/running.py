"""One running job on the real cluster: its topics, its fate, and ways to disturb it."""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from zlib import crc32

import psutil
from confluent_kafka import Message, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from conf.loader import load
from conf.schema import JobConfig
from models.columns.events import OFFSET_BITS
from scripts.tools.cluster import processes
from scripts.tools.cluster.instance import Local
from scripts.tools.cluster.paths import LOCAL_CONFIG
from scripts.tools.commands import savepoint
from scripts.tools.commands.submit import Submission, submit
from scripts.tools.kafka import accounting, topics
from scripts.tools.kafka.accounting import Metrics, Totals
from scripts.tools.kafka.client import KafkaAddress, consumer, offsets, read_all, records
from tests.bad_input import MAX_BYTES
from tests.builders import Record

WAIT_SECONDS = 180
LARGEST_SENT = 8 << 20
SETTINGS = (
    f"events.max_bytes={MAX_BYTES}B",
    "evaluation.share=1.0",
    "flink.bundle_time=20ms",
    "flink.checkpoint_interval=1s",
    "flink.micro_batch=100ms",
    "flink.restart_time=1s",
    "items.publish_interval=1s",
    "items.window=1s",
    "kafka.partitions=3",
    "metrics.window=2s",
    "users.buckets=16",
    "users.recent_events=16",
    "users.lateness=1s",
    # what these tests count by hand is every positive event
    "users.count_window=1s",
    "events.rating_centre=null",
)


@dataclass
class RunningJob:
    """A job with topics of its own.

    Parameters
    ----------
    local : Local
        Broker and cluster, which run.
    name : str
        Of the job; its topics are called `<name>.…`.
    """

    local: Local
    name: str
    id: str = ""
    settings: tuple[str, ...] = ()
    """Overrides on top of SETTINGS."""
    topics_of: str = ""
    """Whose topics it has, where they are another job's."""
    arguments: tuple[str, ...] = ()
    """Told to the job besides its configuration."""
    sent: list[Record] = field(default_factory=list)
    """Every record sent, with the coordinates the broker gave it."""

    @property
    def prefix(self) -> str:
        """What the names of its topics begin with."""
        return self.topics_of or self.name

    @property
    def overrides(self) -> list[str]:
        """What differs from conf/local.yaml."""
        named = [f"kafka.topics.{topic}={self.prefix}.{topic}" for topic in _TOPICS]
        return [
            f"job.name={self.name}",
            f"kafka.group={self.name}",
            f"kafka.bootstrap_servers={self.local.brokers}",
            *named,
            *SETTINGS,
            *self.settings,
        ]

    @cached_property
    def config(self) -> JobConfig:
        """The job's configuration."""
        return load(LOCAL_CONFIG, self.overrides)

    @cached_property
    def address(self) -> KafkaAddress:
        """Where the broker is."""
        return KafkaAddress.of(self.config)

    def make_topic(self, topic: str, **settings: str) -> None:
        """Make one of the job's topics before it starts, with one partition."""
        name, admin = f"{self.prefix}.{topic}", AdminClient(self.address.client({}))
        (made,) = admin.create_topics([NewTopic(name, 1, config=settings)]).values()
        made.result(30)

    def start(
        self,
        *,
        parallelism: int = 1,
        state: Path | None = None,
        report: Callable[[str], None] | None = None,
    ) -> "RunningJob":
        """Make the topics that do not exist, submit, and wait until every task runs."""
        topics.create(self.config, self.address)
        overrides = [*self.overrides, f"flink.parallelism={parallelism}"]
        submission = Submission(
            config=LOCAL_CONFIG, overrides=overrides, savepoint=state, arguments=self.arguments
        )
        self.id = submit(self.local, submission, report or _silent)
        return self

    def beside(self, name: str, *arguments: str) -> "RunningJob":
        """Return a job of another name that has this one's topics."""
        return replace(self, name=name, id="", topics_of=self.name, arguments=arguments)

    def stop(self) -> Path:
        """End the job with a savepoint and return its folder."""
        return savepoint.take(self.local, self.id, stop=True, report=_silent)

    def end(self) -> None:
        """Cancel the job if it runs, and wait until its slots are free and its workers gone."""
        if self.state in ("CREATED", "RUNNING", "RESTARTING", "FAILING"):
            self.local.flink.rest.cancel(self.id)
        self.wait(lambda: self.local.flink.rest.slots()[0] == self.local.slots, "free slots")
        self.wait(lambda: not self.workers(), "the workers to end")

    @property
    def state(self) -> str:
        """What Flink says of the job."""
        jobs = {job["jid"]: job["state"] for job in self.local.flink.rest.jobs()}
        return str(jobs.get(self.id, "unknown"))

    def failures(self) -> str | None:
        """Return why the job ever restarted, None where it never did."""
        return self.local.flink.rest.root_cause(self.id)

    def workers(self) -> list[psutil.Process]:
        """Return the Python workers of all jobs of the cluster."""
        return [
            process
            for process in processes.find(self.local.run_dir)
            if "pyflink.fn_execution.beam.beam_boot" in _command(process)
        ]

    def send(self, wanted: Iterable[Record]) -> None:
        """Send records, those of one key to one partition, and wait until the broker has them."""
        largest = {"message.max.bytes": LARGEST_SENT, "queue.buffering.max.messages": 1_000_000}
        count, producer = self.config.kafka.partitions, Producer(self.address.client(largest))
        for number, record in enumerate(wanted):
            producer.produce(
                self.config.kafka.topics.user_behavior,
                key=record.key,
                value=record.value,
                partition=crc32(record.key or record.value or b"") % count,
                on_delivery=self._note,
            )
            if number % 1_000 == 0:
                producer.poll(0)
        assert producer.flush(60) == 0

    def _note(self, error: object, message: Message) -> None:
        assert error is None, error
        coordinates = (message.partition(), message.offset(), message.timestamp()[1])
        self.sent.append(Record(message.key(), message.value(), *coordinates))

    def read(self, topic: str, *, committed: bool = True) -> list[Message]:
        """Return everything in one of the job's topics, as `kafka.topics` calls them."""
        return list(read_all(self.address, f"{self.prefix}.{topic}", committed=committed))

    def recommendations(self) -> list[dict[str, Any]]:
        """Return every recommendation that a consumer of committed records sees."""
        return [json.loads(message.value()) for message in self.read("recommendations")]

    def settle(self) -> Totals:
        """Wait until every record sent was accounted for; return the counts."""
        ends, metrics = self.ends("user_behavior"), Metrics()

        def objections() -> str:
            return "; ".join(metrics.totals().objections(ends))

        def settled() -> bool:
            for message in records(client):
                metrics.take(message.key(), message.value())
            return not objections()

        topic = f"{self.prefix}.recommendation_metrics"
        with consumer(self.address, [topic], isolation="read_committed") as client:
            self.wait(settled, objections)
        return metrics.totals()

    def ends(self, topic: str) -> dict[int, tuple[int, int]]:
        """Return first and end offset of every partition of one of the job's topics."""
        name = f"{self.prefix}.{topic}"
        with consumer(self.address, [name], isolation="read_committed") as client:
            return offsets(client, name)

    def metrics(self) -> Metrics:
        """Return what the metrics topic says now."""
        return accounting.read(self.address, f"{self.prefix}.recommendation_metrics")

    def totals(self) -> Totals:
        """Return what it says of the records sent."""
        return self.metrics().totals()

    def wait(self, reached: Callable[[], bool], what: str | Callable[[], str]) -> None:
        """Wait until something holds; say what did not, and why the job failed if it did."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not reached():
            if time.monotonic() > deadline:
                text = what if isinstance(what, str) else what()
                cause = self.failures() if self.id else None
                message = f"expected within {WAIT_SECONDS} s: {text}"
                raise AssertionError(f"{message}; job {self.state}, failure: {cause}")
            time.sleep(0.3)


_TOPICS = tuple(JobConfig().kafka.topics.model_dump())


def by_coordinate(records: Sequence[Record]) -> dict[tuple[int, int], Record]:
    """Return records by partition and offset."""
    return {(record.coordinate >> OFFSET_BITS, record.offset): record for record in records}


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:  # ended meanwhile
        return []


def _silent(text: str) -> None:
    """Report nothing."""
