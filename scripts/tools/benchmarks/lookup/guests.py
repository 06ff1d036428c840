"""What a list for a guest costs, over many items; no broker."""

import time

import numpy as np

from conf.schema import JobConfig
from jobs.serve.replica.replica import Replica
from jobs.serve.selection import Selection
from jobs.serve.wish import Wish
from models.columns.items import ItemRows
from models.keys import key_of
from scripts.tools.results import Result

_FACTORS, _SUCCESSORS, _CONTEXT, _GUESTS = 32, 64, 5, 200


def measure(items: int) -> list[Result]:
    """Return the median and the 99th percentile of the time that a list of ten takes."""
    replica, random = Replica(JobConfig()), np.random.default_rng(1)
    for first in range(0, items, 10_000):
        replica.items.take(_rows(first, min(10_000, items - first), items, random))
    selection, times = Selection(replica), []
    for _ in range(_GUESTS):
        context = [f"item-{item}" for item in random.integers(items, size=_CONTEXT).tolist()]
        begin = time.perf_counter()
        found = selection.for_guest(context, Wish(n=10))
        times.append(1000 * (time.perf_counter() - begin))
        assert len(found) == 10  # noqa: S101  # else it measures something else
    p50, p99 = np.percentile(times, (50, 99)).tolist()
    return [
        Result("lookup.guest_ms", p50, "ms"),
        Result("lookup.guest_p99_ms", p99, "ms"),
    ]


def _rows(first: int, size: int, items: int, random: np.random.Generator) -> ItemRows:
    ids = [f"item-{number}" for number in range(first, first + size)]
    every = np.array([key_of(name) for name in ids], np.uint64)
    followed = random.integers(items, size=(size, _SUCCESSORS))
    known = np.unique(followed)
    keys = np.array([key_of(f"item-{number}") for number in known.tolist()], np.uint64)
    none = np.zeros(size, np.float32)
    return ItemRows(
        keys=every,
        ids=ids,
        count=random.integers(1, 1000, size),
        last_time=np.full(size, 1_700_000_000_000),
        value_sum=np.zeros(size),
        popularity=random.random(size) * 100,
        factors=random.normal(size=(size, _FACTORS)).astype(np.float32),
        gradient_sum=none,
        bias=none,
        bias_gradient_sum=none,
        context=np.zeros((size, 0), np.float32),
        context_gradient_sum=none,
        variance=np.zeros((size, 0), np.float32),
        place_start=np.zeros(size + 1, np.int32),
        place_keys=np.zeros(0, np.uint64),
        place_positions=np.zeros(0, np.int32),
        successor_start=np.arange(size + 1) * _SUCCESSORS,
        successors=keys[np.searchsorted(known, followed)].reshape(-1),
        weights=random.random(size * _SUCCESSORS).astype(np.float32),
    )
