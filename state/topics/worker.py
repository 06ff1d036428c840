"""Gauges of a worker: records of `recommendation_metrics` with the keys `worker/N` (JSON)."""

from typing import Any

import msgspec

from models.slate.diversity import Figures
from state.codec import json_codec
from state.codec.sealed import SKIP


class Serving(msgspec.Struct, frozen=True, kw_only=True):
    """The deep model of a worker."""

    model: int = 0
    """Version served; 0: none."""
    sha256: str = ""
    """First digits of its weights' checksum: one version may have been made twice."""
    wanted: int = 0
    """Version that the newest pointer asks for."""
    error: str = ""
    """Why the version that is wanted is not served."""


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    """Gauges of one subtask of learn-users, since it started."""

    kind: str = "worker"
    subtask: int
    generated_at: int
    items: int
    """Rows of the item table."""
    refused: int
    """Times an item got no row because all were taken by others."""
    evicted: int
    """Items given up for others."""
    skipped: int
    """Updates left out because they were not finite."""
    complete: float
    """Share of the catalogue that this worker has received since it started; 1 without one."""
    loop_skipped: dict[str, int]
    """Records of the loop that could not be used, by topic."""
    deep: Serving = Serving()
    knobs: dict[str, float] = {}
    """Knobs of scores as they are served, where they find themselves."""
    lists: Figures | None = None
    """How diverse lists have been lately."""
    paused: bool = False
    """Whether an operator has paused learning."""
    settings: dict[str, Any] = {}
    """What is set at run time, by key of the configuration."""


def encode(worker: Worker) -> tuple[bytes, bytes]:
    """Return key and value of a record."""
    return b"worker/%d" % worker.subtask, msgspec.json.encode(worker)


def decode(value: bytes) -> Worker:
    """Read a value; StateError where it is none."""
    return json_codec.decode(value, Worker, "gauges of a worker", remedy=SKIP)
