"""How far the job is in its input, as far as a broker tells it.

At each checkpoint that completed, the job commits for its consumer group (`kafka.group`) the
offsets behind the last records that the checkpoint holds. That is all that is seen from outside:

- The lag counts offsets behind the newest checkpoint. The job may have taken some of them since,
  and ends of transactions count as well.
- A checkpoint without new events commits the same offsets again, which nobody sees. The age is that
  of the newest one that moved: where nothing is sent, it grows although checkpoints complete.
- When the offsets moved is known only while somebody asks: a move counts where the look before
  was at most ten seconds ago, and may be older than it seems by the time between the two.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaException, TopicPartition

from conf.schema import JobConfig
from jobs.serve.kafka import client

_EVERY_SECONDS = 2.0
"""Time between two looks, however many ask."""
_NEAR_SECONDS = 10.0
"""Two looks so near tell when something happened between them."""
_TIMEOUT_SECONDS = 3.0
"""Of each request of a look; the first that fails ends it."""


class UnknownError(Exception):
    """No broker said where the job is."""


class PartitionProgress(msgspec.Struct):
    """How far the job is in a partition."""

    partition: int
    end: int
    """Offset behind the last record that readers of committed records see."""
    committed: int | None
    """What the job committed at its newest checkpoint; None where it did not for this partition."""
    lag: int | None


class Progress(msgspec.Struct):
    """How far the job is in its input, by what it committed at checkpoints."""

    topic: str
    group: str
    partitions: list[PartitionProgress]
    lag: int | None
    """Over the partitions with committed offsets; None where none has any."""
    checkpoint_age_ms: int | None
    """Since committed offsets were seen to move; None while that has not been seen."""


@dataclass(frozen=True)
class Look:
    """Offsets by partition, at one instant."""

    ends: Mapping[int, int]
    committed: Mapping[int, int]


class Follower:
    """Knows how far the job is, and asks a broker no more often than needed.

    Parameters
    ----------
    config
        Of the job.
    look
        Asks a broker; raises `KafkaException` or `TimeoutError`.
    clock
        Seconds.
    """

    def __init__(
        self,
        config: JobConfig,
        look: Callable[[], Look] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._topic, self._group = config.kafka.topics.user_behavior, config.kafka.group
        self._ask, self._clock = look or Broker(config).look, clock
        self._one_asks = asyncio.Lock()
        self._found: Look | None = None
        self._error = ""
        self._asked = self._looked = self._moved = float("-inf")

    async def now(self) -> Progress:
        """Return how far it is, as of the last two seconds.

        Raises
        ------
        UnknownError
            Where no broker says so in time.
        """
        async with self._one_asks:
            if self._clock() - self._asked >= _EVERY_SECONDS:
                await self._renew()
        if self._found is None:
            raise UnknownError(self._error)
        return self._told(self._found)

    async def _renew(self) -> None:
        before, last = self._found, self._looked
        try:
            self._found, self._error = await asyncio.to_thread(self._ask), ""
        except (KafkaException, TimeoutError) as error:
            self._found, self._error = None, _words(error)
            return
        finally:
            self._asked = self._clock()  # a broker that is gone is not asked more often, either
        self._looked = self._clock()
        if before is None or self._looked - last > _NEAR_SECONDS:
            self._moved = float("-inf")
        elif self._found.committed != before.committed:
            self._moved = self._looked

    def _told(self, found: Look) -> Progress:
        partitions = [_of(partition, found) for partition in sorted(found.ends)]
        lags = [one.lag for one in partitions if one.lag is not None]
        age = self._clock() - self._moved
        return Progress(
            self._topic,
            self._group,
            partitions,
            sum(lags) if lags else None,
            None if age == float("inf") else round(1000 * age),
        )


class Broker:
    """Asks a broker for the offsets of a job's input.

    Parameters
    ----------
    config
        Of the job.
    """

    def __init__(self, config: JobConfig) -> None:
        self._config, self._topic = config, config.kafka.topics.user_behavior
        self._client: Consumer | None = None

    def look(self) -> Look:
        """Return ends and committed offsets."""
        # one client for all looks, and none where nobody ever asks
        consumer = self._client = self._client or self._connect()
        consumer.consume(1_000, 0)  # what it has to say of its connections would pile up
        # all topics: a request for one by name would create it where brokers allow that
        found = consumer.list_topics(timeout=_TIMEOUT_SECONDS).topics.get(self._topic)
        places = [TopicPartition(self._topic, p) for p in found.partitions] if found else []
        if not places:
            return Look({}, {})
        committed = consumer.committed(places, timeout=_TIMEOUT_SECONDS)
        # after the committed ones, so that none of these is ahead of its end
        ends = {one.partition: self._end(consumer, one) for one in places}
        return Look(ends, {one.partition: one.offset for one in committed if one.offset >= 0})

    def _connect(self) -> Consumer:
        """Return a client that asks for the job's group and never joins it."""
        settings = {
            "group.id": self._config.kafka.group,
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
        }
        return Consumer(client(self._config, settings))

    def _end(self, consumer: Consumer, place: TopicPartition) -> int:
        found = consumer.get_watermark_offsets(place, timeout=_TIMEOUT_SECONDS)
        if found is None:
            raise TimeoutError
        return int(found[1])


def _of(partition: int, found: Look) -> PartitionProgress:
    end, committed = found.ends[partition], found.committed.get(partition)
    lag = None if committed is None else max(0, end - committed)
    return PartitionProgress(partition, end, committed, lag)


def _words(error: Any) -> str:
    """Return what is wrong, in a few words."""
    return error.args[0].str() if isinstance(error, KafkaException) else "no answer"
