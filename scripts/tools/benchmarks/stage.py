"""The stage of a benchmark: a broker and a cluster of its own, one job at a time on them."""

import contextlib
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from conf.loader import ConfigError, load
from conf.schema import JobConfig
from scripts.tools.checks.precompile import precompile
from scripts.tools.cluster import processes
from scripts.tools.cluster.flink_rest import FlinkUnreachableError
from scripts.tools.cluster.instance import Local
from scripts.tools.cluster.paths import LOCAL_CONFIG, cache_dir
from scripts.tools.cluster.signals import interruptible, undisturbed
from scripts.tools.commands.build import build
from scripts.tools.commands.submit import JOB, Submission, submit
from scripts.tools.console import ToolError, progress
from scripts.tools.kafka import topics
from scripts.tools.kafka.client import KafkaAddress

_OUTPUTS = (
    "recommendations",
    "dead_letter",
    "recommendation_metrics",
    "accepted_events",
    "model_updates",
)
_CANCEL_SECONDS = 60
_QUIET_LOAD = 0.5


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job that runs."""

    config: JobConfig
    submitted_ms: int
    """Wall time at which `flink run` was called."""
    id: str
    """Flink's."""


@dataclass(frozen=True)
class Stage:
    """Broker and cluster, as long as a benchmark lasts."""

    local: Local
    wheel: Path
    """What all its jobs run: sources may change meanwhile."""

    @property
    def address(self) -> KafkaAddress:
        """Return where the broker is."""
        return KafkaAddress(self.local.brokers)

    @contextlib.contextmanager
    def outputs(
        self, name: str, overrides: Sequence[str]
    ) -> Iterator[tuple[JobConfig, Sequence[str]]]:
        """Give a configuration with output topics of its own, and all its overrides.

        The input topic is made where there is none yet, and stays; the outputs go with the block:
        their pages would slow the next run down.
        """
        own = [f"kafka.topics.{topic}={topic}.{name}" for topic in _OUTPUTS]
        same = [f"kafka.bootstrap_servers={self.local.brokers}", f"job.name={name}"]
        every = [*same, f"kafka.group={name}", *own, *overrides]
        config = _load(every)
        topics.create(config, self.address)
        try:
            yield config, every
        finally:
            self._drop([getattr(config.kafka.topics, topic) for topic in _OUTPUTS])

    @contextlib.contextmanager
    def job(self, name: str, overrides: Sequence[str], module: str = JOB) -> Iterator[Job]:
        """Run a job that starts from the first event, until the block ends.

        Parameters
        ----------
        module
            See `Submission`.

        Raises
        ------
        ToolError
            If it cannot be submitted.
        """
        with self.outputs(name, overrides) as (config, every):
            precompile(config)  # once a version: no part of a submission
            self._up()
            submission = Submission(overrides=every, wheel=self.wheel, module=module)
            begin = time.time_ns() // 1_000_000
            try:
                found = submit(self.local, submission, report=_silent)
                yield Job(config=config, submitted_ms=begin, id=found)
            finally:
                self._end_jobs()

    def _up(self) -> None:
        """Start the TaskManager again where it died as the last job was cancelled.

        RocksDB is closed while a worker writes. Where it is just dying, the first attempt fails.
        """
        try:
            self.local.up(_silent, owned=True, revives=False)
        except ToolError:
            self.local.up(_silent, owned=True, revives=False)

    def _drop(self, names: Sequence[str]) -> None:
        for future in AdminClient(self.address.client({})).delete_topics(list(names)).values():
            with contextlib.suppress(KafkaException, TimeoutError):  # it only slows others down
                future.result(30)

    def _end_jobs(self) -> None:
        rest = self.local.flink.rest
        deadline = time.monotonic() + _CANCEL_SECONDS
        with contextlib.suppress(FlinkUnreachableError):
            for job in rest.running():
                rest.cancel(job["jid"])
            while rest.running():
                if time.monotonic() > deadline:
                    message = f"expected the job to end within {_CANCEL_SECONDS} s, it still runs"
                    raise ToolError(f"{self.local.rest_url}: {message}")
                time.sleep(0.2)


@contextlib.contextmanager
def stage(slots: int) -> Iterator[Stage]:
    """Start broker and cluster on free ports, and end them with the block, by SIGTERM or SIGHUP.

    Raises
    ------
    ToolError
        If another benchmark runs, or they do not start.
    """
    run_dir = cache_dir() / "benchmark"
    if processes.find(run_dir):
        message = f"{run_dir}: expected no other benchmark on this machine, got one that runs"
        raise ToolError(f"{message}; wait for its end")
    load_average = os.getloadavg()[0]
    if load_average > _QUIET_LOAD:
        progress(f"note: this machine is busy (load {load_average:.1f}); figures will be lower")
    local = Local.plan(run_dir, port_base=0, slots=slots)
    with interruptible():
        try:
            local.up(owned=True, revives=False)
            yield Stage(local, Path(shutil.copy(build(), run_dir)))
        finally:
            with undisturbed():
                local.down()


def _load(overrides: Sequence[str]) -> JobConfig:
    try:
        return load(LOCAL_CONFIG, overrides)
    except ConfigError as error:
        raise ToolError(str(error), code=2) from error


def _silent(_text: str) -> None:
    pass
