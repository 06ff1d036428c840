"""Fine-tuning on a real cluster: trained from the stream, swapped in, exact through it all."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from confluent_kafka import Producer

from scripts.tools.cluster import processes
from scripts.tools.cluster.paths import TRAINER_PYTHON
from scripts.tools.commands import control, models, submit
from state.topics import worker
from tests.builders import DAY, NOW, Record, behaviour, event, in_order
from tests.kafka.poisoning import Poison
from tests.kafka.running import RunningJob

pytestmark = pytest.mark.kafka

EVENTS = 6_000
LOG = behaviour(EVENTS, users=120, items=150)


def ratings(events: int, users: int = 120, items: int = 150) -> list[Record]:
    """Whole stars that users and items of two kinds give and get, in order."""
    random = np.random.default_rng(1)
    user, item = random.integers(users, size=events), random.integers(items, size=events)
    stars = 3 + np.where(user % 2 == item % 2, 1, -1) + random.integers(-1, 2, events)
    return in_order(
        event(f"user-{u}", f"item-{i}", "rating", NOW - DAY + n, event_id=f"r{n}", value=float(s))
        for n, (u, i, s) in enumerate(
            zip(user.tolist(), item.tolist(), stars.tolist(), strict=True)
        )
    )


RATINGS = ratings(EVENTS)


def settings(job: RunningJob) -> tuple[str, ...]:
    return (
        "deep.dim=16",
        "deep.width=16",
        "fine_tune.every_events=0",
        "fine_tune.every_time=0s",
        "fine_tune.steps=20",
        "fine_tune.batch=16",
        "fine_tune.negatives=64",
        f"fine_tune.python={TRAINER_PYTHON}",
        f"fine_tune.store={job.local.run_dir / 'models' / job.name}",
    )


def status(job: RunningJob) -> dict[str, Any]:
    """Where fine-tuning stands."""
    found = [m.value() for m in job.read("recommendation_metrics") if m.key() == b"fine_tune"]
    return json.loads(found[-1]) if found else {}


def answers(job: RunningJob) -> list[dict[str, Any]]:
    return [json.loads(m.value()) for m in job.read("control_results")]


def versions(job: RunningJob, after: int = 0) -> set[str]:
    """Models that the recommendations made since some instant name."""
    return {r["model_version"] for r in job.recommendations() if r["generated_at"] > after}


def skipped(job: RunningJob) -> dict[str, int]:
    """Records of the loop that the worker could not use."""
    found = [m.value() for m in job.read("recommendation_metrics") if m.key() == b"worker/0"]
    return dict(worker.decode(found[-1]).loop_skipped) if found else {}


def write_junk(job: RunningJob, producer: Producer) -> None:
    """Write what a console that is not set to UTF-8 does, and others where they should not."""
    latin = '{"command":"rücksetzen"}'.encode("latin-1")
    producer.produce(f"{job.name}.control", key="latin", value=latin)
    pointer = b'{"sequence":200,"model":1,"store":"\xff"}'
    for value in (pointer, latin, b"", b"\x00" * 40, b"[" * 10_000):
        producer.produce(f"{job.name}.model_updates", key="model", value=value)
        producer.produce(f"{job.name}.model_updates", key="items/0", value=value)
        producer.produce(f"{job.name}.model_updates", key=b"\xff", value=value)
        producer.produce(f"{job.name}.accepted_events", key=b"\0\0\0\0", value=value)


def trainers(job: RunningJob) -> list[psutil.Process]:
    found = []
    for process in processes.find(job.local.run_dir):
        try:
            if "models.deep.training" in process.cmdline():
                found.append(process)
        except psutil.Error:
            continue
    return found


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def test_models_are_trained_swapped_and_served_exactly(job: RunningJob) -> None:
    # whether a second model of few steps is better is left to chance, and not what is asked here
    job.settings = (*settings(job), "fine_tune.tolerance=0.9")
    job.start()
    job.send(LOG[:3_000])
    job.settle()
    assert versions(job) == {"online-ranking-1"}

    # a round by command, asked for twice under one id: one answer, one model
    producer = Producer(job.address.client({}))
    for _ in range(2):
        producer.produce(f"{job.name}.control", key="first", value=b'{"command":"fine_tune_now"}')
    producer.produce(f"{job.name}.control", key="odd", value=b"\xff{not json")
    producer.produce(f"{job.name}.control", key="older", value=b'{"command":"rollback_model"}')
    write_junk(job, producer)
    producer.flush(10)
    job.wait(lambda: status(job).get("model") == 1, lambda: f"model 1, got {status(job)}")
    job.wait(lambda: len(answers(job)) == 4, lambda: f"4 answers, got {answers(job)}")
    by_id = {one["id"]: one for one in answers(job)}
    assert by_id["first"]["ok"]
    assert not by_id["odd"]["ok"]
    assert "expected JSON" in by_id["odd"]["message"]
    assert not by_id["older"]["ok"]  # there was no model yet
    assert not by_id["latin"]["ok"]

    swapped = now_ms()
    job.send(LOG[3_000:4_000])
    job.settle()
    assert versions(job, swapped + 3_000) <= {"online-ranking-1+recurrent-1"}
    assert "online-ranking-1+recurrent-1" in versions(job)
    assert job.failures() is None
    job.wait(lambda: skipped(job) == {"accepted_events": 5, "model_updates": 15},
             lambda: f"what nobody can read counted, got {skipped(job)}")  # fmt: skip

    # the second round is cut off: worker killed with -9 while its trainer runs
    control.send(job.address, job.config, "fine_tune_now")
    job.wait(lambda: len(trainers(job)) == 1, "a trainer")
    (running,) = job.workers()
    (trainer,) = trainers(job)
    running.kill()
    psutil.wait_procs([trainer], timeout=10)
    assert not trainer.is_running()
    job.send(LOG[4_000:5_000])
    job.wait(lambda: status(job).get("model") == 2, lambda: f"model 2, got {status(job)}")
    job.settle()

    saved = job.stop()
    assert not trainers(job)
    restored = now_ms()
    job.start(state=saved, parallelism=2)
    job.send(LOG[5_000:])
    totals = job.settle()
    assert totals.consumed == totals.accepted + totals.duplicate == EVENTS
    found = job.recommendations()
    assert len({one["rec_id"] for one in found}) == len(found)
    # the champion serves at once, and nothing was trained or read from the loop for that
    assert versions(job, restored) == {"online-ranking-1+recurrent-2"}

    name = control.send(job.address, job.config, "rollback_model")
    assert control.wait(job.address, job.config, name)["ok"]
    job.wait(lambda: status(job).get("model") == 1, lambda: f"model 1, got {status(job)}")


def test_ratings_are_refitted_and_served_by_a_job_that_had_no_fine_tuning(job: RunningJob) -> None:
    own = ("learning.objective=rating", "fine_tune.every_events=0", "fine_tune.every_time=0s")
    store = f"fine_tune.store={job.local.run_dir / 'models' / job.name}"
    job.settings = (*own, "deep.enabled=false")
    job.start()
    job.send(RATINGS[:1_000])
    job.settle()
    saved = job.stop()

    job.settings = (*own, store)
    job.start(state=saved)
    job.send(RATINGS[1_000:4_000])
    job.settle()
    assert versions(job) == {"online-rating-1"}
    name = control.send(job.address, job.config, "fine_tune_now")
    assert control.wait(job.address, job.config, name)["ok"]
    job.wait(lambda: status(job).get("model") == 1, lambda: f"model 1, got {status(job)}")
    job.send(RATINGS[4_000:5_000])
    job.settle()
    assert "online-rating-1+mf-1" in versions(job)

    saved, restored = job.stop(), now_ms()
    job.start(state=saved, parallelism=2)
    job.send(RATINGS[5_000:])
    totals = job.settle()
    assert totals.consumed == totals.accepted + totals.duplicate == EVENTS
    assert versions(job, restored) == {"online-rating-1+mf-1"}


def test_without_torch_the_job_serves_online(job: RunningJob) -> None:
    job.settings = (*settings(job), "fine_tune.python=no-such-python", "fine_tune.every_events=500")
    job.start()
    job.send(LOG[:1_500])
    totals = job.settle()
    assert totals.consumed == 1_500
    job.wait(lambda: status(job).get("failed", 0) >= 3, lambda: f"failures, got {status(job)}")
    assert "no-such-python" in status(job)["verdict"]
    assert versions(job) == {"online-ranking-1"}
    assert job.failures() is None


def test_poisoned_challengers_are_refused_and_versions_chosen_by_hand(
    job: RunningJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison = Poison(tmp_path, TRAINER_PYTHON)
    job.settings = (*settings(job), f"fine_tune.python={poison.program}")
    job.start()
    job.send(LOG[:2_400])
    job.settle()
    control.send(job.address, job.config, "fine_tune_now")
    job.wait(lambda: status(job).get("model") == 1, lambda: f"model 1, got {status(job)}")

    ways = (("nan", "finite"), ("truncated", "model 3"), ("worse", "worse than the champion"))
    for refused, (way, words) in enumerate(ways, start=1):
        poison.be(way)
        job.send(LOG[2_400 + 1_000 * (refused - 1) : 2_400 + 1_000 * refused])
        job.wait(lambda: status(job)["since_round"] >= 400, "new events")
        control.send(job.address, job.config, "fine_tune_now")
        job.wait(lambda n=refused: status(job)["rejected"] == n, lambda: f"verdict {status(job)}")
        assert words in status(job)["verdict"]
        assert status(job)["model"] == 1
    totals = job.settle()
    assert totals.consumed == totals.accepted + totals.duplicate == 5_400
    assert versions(job) == {"online-ranking-1", "online-ranking-1+recurrent-1"}
    assert status(job)["failed"] == 0

    poison.be("good")
    control.send(job.address, job.config, "fine_tune_now")
    job.wait(lambda: status(job).get("model") == 5, lambda: f"model 5, got {status(job)}")
    place = ["--run-dir", str(job.local.run_dir)]
    chosen = [text for one in job.overrides for text in ("--set", one)]
    monkeypatch.setattr(sys, "argv", ["models", "promote", "1", *place, *chosen])
    assert models.main() == 0
    job.wait(lambda: status(job).get("model") == 1, lambda: f"model 1, got {status(job)}")
    monkeypatch.setattr(sys, "argv", ["models", "rollback", *place, *chosen])
    assert models.main() == 0
    job.wait(lambda: status(job).get("model") == 5, lambda: f"model 5, got {status(job)}")
    assert job.failures() is None
    job.end()

    # a new job without state serves what it is told to
    store = f"{job.config.fine_tune.store}/00000005"
    begun = now_ms()
    monkeypatch.setattr(sys, "argv", ["submit", "--model", store, *place, *chosen])
    assert submit.main() == 0
    job.wait(lambda: status(job).get("model") == 5, lambda: f"model 5, got {status(job)}")
    job.send(LOG[5_400:])
    (running,) = (one for one in job.local.flink.rest.jobs() if one["state"] == "RUNNING")
    job.id = running["jid"]
    newest = LOG[-1].key.decode()
    job.wait(
        lambda: any(
            r["user_id"] == newest and r["model_version"] == "online-ranking-1+recurrent-5"
            for r in job.recommendations()
            if r["generated_at"] > begun
        ),
        "recommendations by the model that was asked for",
    )
