"""Plain SGD in keyed state: what a job of `learning.rating.model: sgd` predicts, step by step.

The steps below are those of the textbooks, in float64 and without the project's code but for the
numbers that factors start with.
"""

import json
import time
from typing import Any

import numpy as np
import pytest

from models.keys import key_of
from models.numeric.initial import initial_factors
from tests.builders import Record, event
from tests.kafka.running import RunningJob

pytestmark = pytest.mark.kafka

USERS, ITEMS, RATED, FACTORS, SEED = 60, 40, 28, 6, 5
RATE, BIAS_RATE, DECAY, BIAS_DECAY = 0.3, 0.06, 0.03, 0.01
A_STEP_MS = 1_000
SETTINGS = (
    "learning.objective=rating",
    "learning.rating.model=sgd",
    f"learning.rating.factors={FACTORS}",
    f"learning.rating.rate={RATE}",
    f"learning.rating.bias_rate={BIAS_RATE}",
    f"learning.rating.decay={DECAY}",
    f"learning.rating.bias_decay={BIAS_DECAY}",
    f"learning.rating.seed={SEED}",
    "learning.rating.support=1",
    "deep.enabled=false",
    # one partition and one bucket: ratings are learnt in the order in which they are sent
    "kafka.partitions=1",
    "users.buckets=1",
)


class Textbook:
    """r = mean + b_u + b_i + p_u q_i; one gradient step a rating (Koren et al., Computer 2009)."""

    def __init__(self) -> None:
        self.total, self.count = 0.0, 0
        self.p: dict[str, Any] = {}
        self.q: dict[str, Any] = {}
        self.user_bias: dict[str, float] = {}
        self.item_bias: dict[str, float] = {}

    def predict(self, user: str, item: str) -> float:
        """Return the rating expected of a pair."""
        mean = self.total / self.count if self.count else (0.5 + 5.0) / 2
        known = mean + self.user_bias[user] + self.item_bias[item]
        return float(known + self.p[user] @ self.q[item])

    def learn(self, user: str, item: str, rating: float) -> None:
        """Take one step."""
        if user not in self.p:
            self.p[user], self.user_bias[user] = start(user, SEED), 0.0
        if item not in self.q:
            self.q[item], self.item_bias[item] = start(item, ~SEED & 0x7FFFFFFF), 0.0
        error = rating - self.predict(user, item)
        p, q = self.p[user], self.q[item]
        self.p[user] = p + RATE * (error * q - DECAY * p)
        self.q[item] = q + RATE * (error * p - DECAY * q)
        for bias, key in ((self.user_bias, user), (self.item_bias, item)):
            bias[key] += BIAS_RATE * (error - BIAS_DECAY * bias[key])
        self.total, self.count = self.total + rating, self.count + 1


def start(identifier: str, seed: int) -> Any:
    key = np.array([key_of(identifier)], np.uint64)
    return initial_factors(key, seed, FACTORS, 0.05)[0].astype(np.float64)


def ratings() -> list[tuple[str, str, float]]:
    """Ratings of tastes with two factors: every user rates some of the items, each once."""
    random = np.random.default_rng(7)
    tastes, kinds = random.normal(size=(USERS, 2)), random.normal(size=(ITEMS, 2))
    pairs = [(u, i) for u in range(USERS) for i in random.permutation(ITEMS)[:RATED].tolist()]
    random.shuffle(pairs)
    wanted = [3 + float(tastes[u] @ kinds[i]) for u, i in pairs]
    return [
        (f"u{u}", f"i{i}", float(np.clip(round(2 * value) / 2, 0.5, 5)))
        for (u, i), value in zip(pairs, wanted, strict=True)
    ]


def records(rows: list[tuple[str, str, float]], now: int) -> list[Record]:
    return [
        event(user, item, "rating", at=now + A_STEP_MS * at, value=rating)
        for at, (user, item, rating) in enumerate(rows)
    ]


def test_a_job_takes_the_steps_of_the_textbook_and_goes_on_from_a_savepoint(
    job: RunningJob,
) -> None:
    job.settings = SETTINGS
    job.start()
    book, rows = Textbook(), ratings()
    asked = [("u3", "i1", 4.5), ("u7", "i2", 1.0), ("u11", "i3", 3.0)]
    rows = [row for row in rows if row[:2] not in [one[:2] for one in (*asked, ("u3", "i9"))]]
    now = int(time.time() * 1000) - A_STEP_MS * len(rows) - 60_000
    job.send(records(rows, now))
    assert job.settle().accepted == len(rows)
    for row in rows:
        book.learn(*row)
    before = book.q["i1"].copy()
    for at, one in enumerate(asked):
        compare(job, book, one, now + A_STEP_MS * (len(rows) + at))
    assert np.abs(book.q["i1"] - before).max() > 0.01
    saved, restart = job.stop(), time.time() * 1000
    job.start(state=saved)
    last = now + A_STEP_MS * (len(rows) + len(asked))
    for number in range(30):  # a worker says what it holds when it has events
        other = (f"other-{number}", f"another-{number}", 3.0)
        book.learn(*other)
        job.send(records([other], last))
        job.settle()
        if items_after(job, restart) == len(book.q):
            break
    assert items_after(job, restart) == len(book.q)
    compare(job, book, ("u3", "i9", 0.5), last)


def items_after(job: RunningJob, instant: float) -> int:
    """Return how many items the worker holds since an instant."""
    messages = job.read("recommendation_metrics")
    workers = [json.loads(m.value()) for m in messages if m.key().startswith(b"worker/")]
    return max((one["items"] for one in workers if one["generated_at"] > instant), default=0)


def compare(job: RunningJob, book: Textbook, row: tuple[str, str, float], at: int) -> None:
    """Let both learn a rating, and compare what they predict to its user then."""
    user, item, rating = row
    book.learn(*row)
    record = event(user, item, "rating", at=at, value=rating)
    job.send([record])

    def answers() -> list[dict[str, Any]]:
        return [
            one
            for one in job.recommendations()
            if one["trigger"]["event_id"] == f"{user}/{item}/rating/{at}"
        ]

    job.wait(lambda: bool(answers()), "a list that answers the rating")
    listed = {one["item_id"]: one["score"] for one in answers()[-1]["items"]}
    assert len(listed) == 10
    assert item not in listed
    # the others' items were rated while the restored worker had not received all rows yet
    scores = {name: score for name, score in listed.items() if name.startswith("i")}
    assert len(scores) > 5
    for name, score in scores.items():
        assert score == pytest.approx(book.predict(user, name), abs=5e-4), name
    # not by biases alone
    assert max(abs(book.p[user] @ book.q[name]) for name in scores) > 0.2
