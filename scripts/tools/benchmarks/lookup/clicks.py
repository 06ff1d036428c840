"""From a click to the list that knows it, over the service, Kafka and the job."""

import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from scripts.tools.benchmarks.lookup.serving import Serving, serving
from scripts.tools.benchmarks.stage import Stage
from scripts.tools.cluster import loopback
from scripts.tools.console import progress
from scripts.tools.data.behaviour import Generated
from scripts.tools.data.generator import GeneratorParams
from scripts.tools.kafka.produce import Pace, replay
from scripts.tools.results import Result

_HISTORY, _CLICKS, _APART_SECONDS, _LIMIT_SECONDS = 20_000, 40, 0.4, 60
DELIVERIES = {"at_least_once": "at-least-once", "exactly_once": "exactly-once"}


def measure(here: Stage, log: Path) -> list[Result]:
    """Return the percentiles of both guarantees."""
    found = []
    for name, delivery in DELIVERIES.items():
        settings = [f"kafka.delivery={delivery}", "deep.enabled=false",
                    f"kafka.topics.user_behavior=clicks.{name}"]  # fmt: skip
        with here.job(f"clicks-{name.replace('_', '-')}", settings) as job:
            topics = job.config.kafka.topics.model_dump()
            own = [f"kafka.topics.{topic}={value}" for topic, value in topics.items()]
            own.append(f"kafka.bootstrap_servers={here.local.brokers}")
            data = Generated(_HISTORY, GeneratorParams(users=2_000))
            replay(data.blocks(), here.address, topics["user_behavior"], pace=Pace(4_000))
            with serving(own, log) as service:
                times = _clicked(service)
        p50, p95 = np.percentile(times, (50, 95)).tolist()
        progress(f"click to list, {delivery}: p50 {p50:,.0f} ms, p95 {p95:,.0f} ms")
        found += [
            Result(f"lookup.click.{name}.p50_ms", p50, "ms"),
            Result(f"lookup.click.{name}.p95_ms", p95, "ms"),
        ]
    return found


def _clicked(service: Serving) -> list[float]:
    """Return the ms from each click to the list that answers it; the first ones warm up."""
    times = []
    with _stream(service, "somebody") as lists:
        next(lists)
        for number in range(_CLICKS + 5):
            event = {"user_id": "somebody", "item_id": f"item-{number}", "event_type": "view"}
            begin = time.perf_counter()
            _post(service, event)
            next(lists)
            times.append(1000 * (time.perf_counter() - begin))
            time.sleep(_APART_SECONDS)
    return times[5:]


@contextmanager
def _stream(service: Serving, user: str) -> Iterator[Iterator[dict[str, Any]]]:
    url = f"http://127.0.0.1:{service.port}/v1/users/{user}/stream"
    with loopback.opener(url).open(url, timeout=_LIMIT_SECONDS) as answer:
        yield (json.loads(line[6:]) for line in answer if line.startswith(b"data: "))


def _post(service: Serving, event: dict[str, str]) -> None:
    url = f"http://127.0.0.1:{service.port}/v1/events"
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(event).encode(), headers)
    with loopback.opener(url).open(request, timeout=10) as answer:
        answer.read()
