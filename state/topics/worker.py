"""What a worker holds: records of `recommendation_metrics` with the keys `worker/N` (JSON)."""

import msgspec


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
    """Share of the catalogue that this worker has heard of since it started; 1 without one."""
    loop_skipped: dict[str, int]
    """Records of the loop that could not be used, by topic."""


def encode(worker: Worker) -> tuple[bytes, bytes]:
    """Return key and value of a record."""
    return b"worker/%d" % worker.subtask, msgspec.json.encode(worker)


def decode(value: bytes) -> Worker:
    """Read a value; msgspec.MsgspecError where it is none."""
    return msgspec.json.decode(value, type=Worker)
