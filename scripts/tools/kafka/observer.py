"""Watch a running job from outside, as a consumer of its topics would see it."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from confluent_kafka import Consumer, Message

from conf.schema import JobConfig
from scripts.tools.kafka.accounting import Metrics
from scripts.tools.kafka.client import KafkaAddress, consumer, offsets, records
from state.topics import feedback, recommendation
from state.topics.feedback import Feedback
from state.topics.recommendation import Recommendation


@dataclass
class Seen:
    """What came out of a job so far."""

    metrics: Metrics = field(default_factory=Metrics)
    recommendations: int = 0
    users: set[str] = field(default_factory=set)
    """Users with at least one recommendation."""
    newest: Recommendation | None = None
    reasons: Counter[str] = field(default_factory=Counter)
    """Recommended items by reason."""
    versions: Counter[str] = field(default_factory=Counter)
    """Recommendations by model version."""
    repeats: int = 0
    """Recommendations read twice; with exactly-once delivery there are none."""
    ages_ms: list[int] = field(default_factory=list)
    """Time from the trigger's arrival in Kafka to the arrival of the recommendation here."""
    fresh_since_ms: int | None = None
    """Ages are measured for triggers since then: earlier ones waited for the job's start."""
    _ids: set[int] = field(default_factory=set)

    def freshness(self) -> tuple[float, float] | None:
        """Return median and 99th percentile of the ages, ms."""
        if not self.ages_ms:
            return None
        p50, p99 = np.percentile(np.array(self.ages_ms), (50, 99))
        return float(p50), float(p99)

    def take(self, one: Recommendation, now_ms: int) -> None:
        """Note one recommendation that has just come in."""
        self.recommendations += 1
        identity = hash(one.rec_id)
        self.repeats += identity in self._ids
        self._ids.add(identity)
        self.users.add(one.user_id)
        published = one.trigger.published_at
        if self.fresh_since_ms is not None and published >= self.fresh_since_ms:
            self.ages_ms.append(now_ms - published)
        self.reasons.update(item.reason for item in one.items)
        self.versions[one.model_version] += 1
        if one.items:
            self.newest = one


class Observer:
    """Reads recommendations and metrics of a job as they become visible.

    Parameters
    ----------
    client
        A consumer of both topics, and of outcomes where somebody listens to them.
    config
        The job's configuration.
    on_list, on_outcome
        Called with each recommendation, and with the outcome of each impression.
    """

    def __init__(
        self,
        client: Consumer,
        config: JobConfig,
        on_list: Callable[[Recommendation], None] | None = None,
        on_outcome: Callable[[Feedback], None] | None = None,
    ) -> None:
        self.seen = Seen()
        self._client = client
        self._topics = config.kafka.topics
        self._on_list, self._on_outcome = on_list, on_outcome

    def look(self, seconds: float) -> int:
        """Take in what arrives within some time; return the number of records."""
        deadline, taken = time.monotonic() + seconds, 0
        while (left := deadline - time.monotonic()) > 0:
            for message in records(self._client, timeout=min(left, 0.05)):
                self._take(message)
                taken += 1
        return taken

    def records_sent(self) -> dict[int, tuple[int, int]]:
        """Return first and end offset of every partition of the input topic."""
        return offsets(self._client, self._topics.user_behavior)

    def _take(self, message: Message) -> None:
        value = message.value()
        if message.topic() == self._topics.recommendation_metrics:
            self.seen.metrics.take(message.key(), value)
        elif message.topic() == self._topics.feedback:
            if self._on_outcome is not None:
                self._on_outcome(feedback.decode(value))
        elif value is not None:
            found = recommendation.decode(value)
            self.seen.take(found, time.time_ns() // 1_000_000)
            if self._on_list is not None:
                self._on_list(found)


@contextmanager
def observer(
    address: KafkaAddress,
    config: JobConfig,
    on_list: Callable[[Recommendation], None] | None = None,
    on_outcome: Callable[[Feedback], None] | None = None,
) -> Iterator[Observer]:
    """Give an observer that sees committed records only, from the topics' beginning."""
    topics = config.kafka.topics
    watched = [topics.recommendations, topics.recommendation_metrics]
    watched += [topics.feedback] if on_outcome is not None else []
    with consumer(address, watched, isolation="read_committed") as client:
        yield Observer(client, config, on_list, on_outcome)
