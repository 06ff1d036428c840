"""What a job did over time: records consumed, from its accounting, and CPU time, by process."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
import psutil
from confluent_kafka import Consumer
from numpy.typing import NDArray

from scripts.tools.cluster import processes
from scripts.tools.cluster.broker import NAME as BROKER
from scripts.tools.cluster.flink import JOB_MANAGER, TASK_MANAGER
from scripts.tools.cluster.instance import Local
from scripts.tools.console import ToolError

WORKERS = "workers"
PARTS = (TASK_MANAGER, WORKERS, JOB_MANAGER, BROKER)
_DRAINED = 0.97
"""Share of the events after which partitions run dry one by one."""


class _Counts(msgspec.Struct):
    consumed: int = 0


class _Metrics(msgspec.Struct):
    """The part of a `recommendation_metrics` record that is used here."""

    kind: str
    bucket: int = -1
    partitions: dict[str, _Counts] = {}
    generated_at: int = 0
    consumed: int = 0
    recommendations: int = 0
    deep_scored: int | None = None


@dataclass
class Consumption:
    """Records consumed over time, by the clock of the job.

    Parameters
    ----------
    client
        Consumer of the job's metrics topic from its beginning, open transactions included.
    """

    client: Consumer
    times: list[int] = field(default_factory=list)
    """Ends of micro-batches, ms."""
    totals: list[int] = field(default_factory=list)
    """Records consumed until then."""
    windows: list[tuple[int, int]] = field(default_factory=list)
    """Records and recommendations of the metrics windows so far."""
    deep_scored: int = 0
    """Events of these windows that the deep model ranked."""

    def __post_init__(self) -> None:
        """Start from nothing."""
        self._by_bucket: dict[int, int] = {}
        self._decode = msgspec.json.Decoder(_Metrics).decode

    @property
    def total(self) -> int:
        """Records consumed so far."""
        return self.totals[-1] if self.totals else 0

    def poll(self, seconds: float) -> None:
        """Take in what comes within some seconds."""
        for message in self.client.consume(100_000, seconds):
            value = message.value()
            if message.error() is None and value is not None:
                self.add(value)

    def add(self, value: bytes) -> None:
        """Take in one record of the metrics topic."""
        record = self._decode(value)
        if record.kind != "accounting":
            self.windows.append((record.consumed, record.recommendations))
            self.deep_scored += record.deep_scored or 0
            return
        now = sum(counts.consumed for counts in record.partitions.values())
        grown = now - self._by_bucket.get(record.bucket, 0)
        if grown <= 0:
            return
        self._by_bucket[record.bucket] = now
        self.times.append(record.generated_at)
        self.totals.append(self.total + grown)

    def steady(self, *, events: int, warm_up: float, seconds: float) -> tuple[float, float]:
        """Return begin and end (ms) of the part that counts.

        It begins `warm_up` seconds after the first micro-batch and ends `seconds` later, or before
        the topic of so many `events` runs dry.

        Raises
        ------
        ToolError
            If nothing is left between the two.
        """
        times, totals = self.curve()
        begin = times[0] + 1000 * warm_up
        dry = float(np.interp(_DRAINED * events, totals, times))
        end = min(begin + 1000 * seconds, dry, times[-1])
        if end - begin < 500 * seconds:
            spent = (end - times[0]) / 1000
            message = f"expected {warm_up + seconds:.0f} s of work, got {spent:.0f} s"
            raise ToolError(f"{events:,} events: {message}; raise --events")
        return begin, end

    def between(self, begin: float, end: float) -> float:
        """Return how many records were consumed between two instants (ms)."""
        times, totals = self.curve()
        first, last = np.interp([begin, end], times, totals)
        return float(last - first)

    def recommendations_per_event(self) -> float:
        """Return recommendations a record over all metrics windows."""
        consumed = sum(records for records, _ in self.windows)
        return sum(made for _, made in self.windows) / max(1, consumed)

    def curve(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return ends of micro-batches, ms, and records consumed until then."""
        if not self.times:
            message = "expected accounting records of the job, got none; see its logs"
            raise ToolError(f"recommendation_metrics: {message}")
        times = np.maximum.accumulate(np.array(self.times, np.float64))  # subtasks take turns
        return times, np.array(self.totals, np.float64)


@dataclass
class CpuTime:
    """CPU time of the broker and of Flink's processes over time.

    Parameters
    ----------
    local
        Where they run.
    """

    local: Local
    times: list[float] = field(default_factory=list)
    samples: list[list[float]] = field(default_factory=list)
    """CPU seconds of each of PARTS at that time."""

    def __post_init__(self) -> None:
        """Find out who is who."""
        named = {part: processes.named(self.local.run_dir, part) for part in PARTS}
        self._parts = {process.pid: part for part, process in named.items() if process}
        self._by_process: dict[int, float] = {}

    def sample(self) -> None:
        """Take the CPU time of all processes now."""
        supervisor = processes.named(self.local.run_dir, processes.SUPERVISOR)
        for process in processes.find(self.local.run_dir):
            if process == supervisor:  # no part of the job
                continue
            try:
                used = process.cpu_times()
            except psutil.NoSuchProcess:
                continue  # its last sample stays in the sum
            self._by_process[process.pid] = used.user + used.system
        parts = dict.fromkeys(PARTS, 0.0)
        for pid, seconds in self._by_process.items():
            parts[self._parts.get(pid, WORKERS)] += seconds
        self.times.append(time.time() * 1000)
        self.samples.append([parts[part] for part in PARTS])

    def between(self, begin: float, end: float) -> dict[str, float]:
        """Return CPU seconds of each part between two instants (ms)."""
        return dict(zip(PARTS, grown(self.times, self.samples, begin, end), strict=True))


def grown(
    times: Sequence[float], samples: Sequence[Sequence[float]], begin: float, end: float
) -> list[float]:
    """Return how much each column of the samples grew between two instants."""
    columns = np.array(samples, np.float64).T
    return [
        float(np.interp(end, times, column) - np.interp(begin, times, column)) for column in columns
    ]
