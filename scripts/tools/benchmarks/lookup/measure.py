"""All parts of `lookup`."""

import argparse
import time

import numpy as np
from confluent_kafka import Producer

from scripts.tools.benchmarks.lookup import clicks, guests
from scripts.tools.benchmarks.lookup.load import latencies
from scripts.tools.benchmarks.lookup.serving import Serving, serving
from scripts.tools.benchmarks.stage import Stage, stage
from scripts.tools.console import progress
from scripts.tools.results import Result
from state.topics import recommendation
from state.topics.recommendation import Item, Recommendation, Session, Trigger

PARTS = ("lookups", "guests", "clicks")
_REQUESTS, _WARM_UP, _PACED_SECONDS = 40_000, 4_000, 10


def measure(options: argparse.Namespace) -> list[Result]:
    """Measure the parts asked for."""
    found: list[Result] = []
    wanted = PARTS if options.part == "all" else (options.part,)
    if "guests" in wanted:
        found += guests.measure(options.items)
    if set(wanted) & {"lookups", "clicks"}:
        with stage(1) as here:
            if "lookups" in wanted:
                found += _lookups(here, options.lists)
            if "clicks" in wanted:
                found += clicks.measure(here, here.local.run_dir / "logs" / "serve.log")
    return found


def _lookups(here: Stage, lists: int) -> list[Result]:
    """Fill a topic with lists, and look them up."""
    log = here.local.run_dir / "logs" / "serve.log"
    with here.outputs("lookup", ["kafka.partitions=4"]) as (config, overrides):
        with serving(overrides, log) as empty:
            resting = empty.process.memory_info().rss
        size = _fill(here, config.kafka.topics.recommendations, lists)
        with serving(overrides, log) as service:
            taken = (service.process.memory_info().rss - resting) / lists
            results = [
                Result("lookup.ready_s", service.ready_seconds, "s"),
                Result("lookup.bytes_a_user", taken, "bytes", peer=size, ratio=taken / size),
                *_looked_up(service, lists),
            ]
    progress(f"{lists:,} lists of {size:,.0f} bytes: ready after {service.ready_seconds:.1f} s")
    return results


def _looked_up(service: Serving, lists: int) -> list[Result]:
    latencies(service.port, lists, _WARM_UP, None, seed=1)
    before, begin = service.cpu_seconds(), time.perf_counter()
    latencies(service.port, lists, _REQUESTS, None, seed=2)
    seconds = time.perf_counter() - begin
    per_core = _REQUESTS / (service.cpu_seconds() - before)
    half = min(per_core, _REQUESTS / seconds) / 2
    paced = latencies(service.port, lists, int(half * _PACED_SECONDS), half, seed=3)
    p50, p99 = np.percentile(1000 * np.array(paced), (50, 99)).tolist()
    return [
        Result("lookup.per_core_second", per_core, "lookups/s"),
        Result("lookup.rate", _REQUESTS / seconds, "lookups/s"),
        Result("lookup.paced_rate", half, "lookups/s"),
        Result("lookup.p50_ms", p50, "ms"),
        Result("lookup.p99_ms", p99, "ms"),
    ]


def _fill(here: Stage, topic: str, lists: int) -> float:
    """Write a list of ten for each user; return the mean size of a value."""
    producer = Producer(here.address.client({"linger.ms": 50, "compression.type": "lz4"}))
    now, total = time.time_ns() // 1_000_000, 0
    for user in range(lists):
        items = [
            Item(f"item-{(7 * user + 31 * n) % 100_000}", 9.0 - n, "transition", f"item-{user}")
            for n in range(10)
        ]
        made = Recommendation(
            f"{user:032x}", f"user-{user}", now, Trigger(f"e{user}", now, now),
            "online-ranking-1", Session(now, 1), items,
        )  # fmt: skip
        key, value = recommendation.encode(made)
        total += len(value)
        while True:
            try:
                producer.produce(topic, key=key, value=value)
                break
            except BufferError:
                producer.poll(0.1)
        if user % 1_000 == 0:
            producer.poll(0)
    producer.flush(120)
    return total / lists
