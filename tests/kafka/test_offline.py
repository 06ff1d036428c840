"""What the pipeline learns is what the model learns from the same events without one."""

import itertools
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from jobs import parameters
from operators.learn_users.micro_batch import MicroBatch
from operators.learn_users.pipeline import Pipeline
from scripts.tools.data.behaviour import Generated
from scripts.tools.data.generator import GeneratorParams
from scripts.tools.kafka.produce import encoded
from tests.builders import Record
from tests.kafka.running import RunningJob

pytestmark = pytest.mark.kafka

EVENTS, A_SECOND, BATCH = 24_000, 1_500, 256
DATA = Generated(EVENTS, GeneratorParams(users=600))


def log() -> Iterator[Record]:
    for block in DATA.blocks():
        for key, value in encoded(block):
            yield Record(key, value)


class Memory(dict[str, bytes]):
    put = dict.__setitem__


def offline(job: RunningJob) -> tuple[int, int]:
    """Return hits and ranked events of one pass in the order of sending, without Flink."""
    pipeline, memory = Pipeline(parameters.learn_users(job.config), clock_ms=now_ms), Memory()
    hits = scored = 0
    for first in range(0, EVENTS, BATCH):
        part = job.sent[first : first + BATCH]
        coordinates = list(range(first, first + len(part)))
        batch = MicroBatch(
            0, [r.key for r in part], [r.value for r in part], coordinates, coordinates
        )
        outcome = pipeline.process(batch, memory)
        hits += outcome.metrics.online_hits
        scored += outcome.metrics.scored
    return hits, scored


def windows(job: RunningJob) -> list[dict[str, Any]]:
    messages = job.read("recommendation_metrics")
    return [json.loads(m.value()) for m in messages if m.key().startswith(b"window/")]


def online(job: RunningJob) -> tuple[float, int]:
    """Return the same of the job, as its windows say."""
    job.wait(lambda: sum(w["consumed"] for w in windows(job)) == EVENTS, "all windows")
    found = [(w["online_hr_at_10"] * w["scored"], w["scored"]) for w in windows(job) if w["scored"]]
    return sum(hits for hits, _ in found), sum(scored for _, scored in found)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def test_the_pipeline_hits_as_often_as_the_model_alone(job: RunningJob) -> None:
    job.settings = ("recommend.enabled=false",)
    job.start()
    begin, records = time.monotonic(), log()
    for tick in itertools.count(1):
        part = list(itertools.islice(records, A_SECOND // 5))
        if not part:
            break
        job.send(part)
        time.sleep(max(0.0, begin + tick / 5 - time.monotonic()))
    job.settle()
    hits, scored = online(job)
    alone, of = offline(job)
    assert abs(scored - of) < 0.01 * of  # late or not depends on the clock
    assert of > EVENTS / 3
    assert hits / scored == pytest.approx(alone / of, abs=0.005)
