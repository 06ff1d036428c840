"""Reads the job's topics into a replica, in a thread of its own."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from jobs.serve.kafka import client
from jobs.serve.replica.replica import Replica

_LOG = logging.getLogger(__name__)
_AT_ONCE = 2_000
_TAIL = {
    "user_behavior": 20_000,
    "dead_letter": 500,
    "recommendation_metrics": None,
    "control_results": 100,
}
"""Records of a partition that are read of topics of which only the end is wanted; of events all
that boards count."""
_WHOLE = ("recommendations", "model_updates", "catalog")
"""Topics that must have been read before the service is ready."""
_LOOK_SECONDS = 4.0
"""Time between two looks for new partitions, by which one knows, too, that a broker is there."""
_OFFSETS_SECONDS = 2.0
"""That a partition's offsets are waited for."""
_SILENCE_SECONDS = 12.0
"""After so long without an answer of the broker, the service says that it is gone."""


@dataclass
class Progress:
    """How far a topic has been read."""

    read: int = 0
    end: int = 0


class Reader:
    """Reads topics; every error of the broker is waited out.

    Parameters
    ----------
    replica
        What is filled.
    """

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._names = replica.config.kafka.topics.model_dump()
        self._kinds = {self._names[kind]: kind for kind in (*_WHOLE, *_TAIL)}
        self.progress = {self._names[kind]: Progress() for kind in _WHOLE}
        self._compacted: dict[str, Callable[[bytes, bytes | None], None]] = {
            "recommendations": replica.take_list,
            "model_updates": replica.take_update,
            "catalog": replica.take_description,
            "recommendation_metrics": lambda *record: replica.reports.take_metrics(*record),
            "control_results": lambda *record: replica.reports.take_answer(*record),
        }
        boards = replica.config.serve.boards.values()
        self._window_ms = max((one.window for one in boards), default=0)
        self._left: set[tuple[str, int]] | None = None
        self._assigned: set[tuple[str, int]] = set()
        self._ids: dict[str, str] = {}
        self._heard = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reader", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for that."""
        self._ended.set()
        self._thread.join(10)

    @property
    def caught_up(self) -> bool:
        """Whether everything that was there at the start has been read."""
        return self._left is not None and not self._left

    @property
    def connected(self) -> bool:
        """Whether a broker answered lately."""
        return time.monotonic() - self._heard < _SILENCE_SECONDS

    def _run(self) -> None:
        admin = AdminClient(client(self._replica.config, {}))
        while not self._ended.is_set():
            self._read(admin)
            if not self._ended.is_set():
                self._begin_anew()

    def _read(self, admin: AdminClient) -> None:
        """Read until the end, or until topics are others: a client does not get over that."""
        settings = {
            "group.id": "streamrec-serve",  # asked for by the client, never joined
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "fetch.wait.max.ms": 20,
            "queued.max.messages.kbytes": 65_536,
        }
        consumer = Consumer(client(self._replica.config, settings))
        looked = 0.0
        try:
            while not self._ended.is_set():
                if time.monotonic() - looked > (_LOOK_SECONDS if self._assigned else 1.0):
                    if self._look(consumer, admin):
                        return
                    looked = time.monotonic()
                if not self._assigned:
                    self._ended.wait(0.2)
                    continue
                first = consumer.poll(0.2)  # `consume` would wait for more of them
                if first is not None:
                    self._take([first, *consumer.consume(_AT_ONCE, 0)])
        finally:
            consumer.close()

    def _look(self, consumer: Consumer, admin: AdminClient) -> bool:
        """Add partitions that are not read yet; return whether topics were made anew."""
        try:
            topics = consumer.list_topics(timeout=5).topics
        except KafkaException as error:
            _LOG.warning("kafka: expected a broker, got %s; trying again", error.args[0].str())
            return False
        self._heard = time.monotonic()
        if self._are_others(admin, [name for name in self._kinds if name in topics]):
            _LOG.warning("kafka: topics were deleted and made anew; reading them from the start")
            return True
        found = {
            (name, partition)
            for name in self._kinds
            if name in topics and topics[name].error is None
            for partition in topics[name].partitions
        }
        begins = [self._begin(consumer, *one) for one in sorted(found - self._assigned)]
        if assigned := [one for one in begins if one]:
            consumer.incremental_assign(assigned)
        self._assigned |= {(one.topic, one.partition) for one in assigned}
        if self._left is None and all(self._names[kind] in topics for kind in _WHOLE[:2]):
            whole = {(name, p) for name, p in found if self._kinds[name] in _WHOLE}
            if whole <= self._assigned:
                self._left = whole
        return False

    def _are_others(self, admin: AdminClient, names: list[str]) -> bool:
        """Return whether a topic is another one than before, by its id; remember all ids."""
        if not names:
            return False
        changed = False
        for name, described in admin.describe_topics(
            TopicCollection(names), request_timeout=5
        ).items():
            try:
                found = str(described.result().topic_id)
            except KafkaException:
                continue  # gone just now, or not ours to describe
            changed |= self._ids.setdefault(name, found) != found
            self._ids[name] = found
        return changed

    def _begin_anew(self) -> None:
        self._replica.begin_anew()
        self._assigned.clear()
        self._left = None
        self.progress.update({name: Progress() for name in self.progress})

    def _begin(self, consumer: Consumer, name: str, partition: int) -> TopicPartition | None:
        """Return where to begin; None of a partition that nobody leads just now."""
        place = TopicPartition(name, partition)
        try:
            low, high = consumer.get_watermark_offsets(place, timeout=_OFFSETS_SECONDS)
            kind = self._kinds[name]
            if kind in _WHOLE:
                self.progress[name].end += high - low
                return TopicPartition(name, partition, low)
            tail = _TAIL[kind]
            begin = low if tail is None else max(low, high - tail)
            if kind == "user_behavior" and self._window_ms:
                begin = min(begin, self._since(consumer, place, begin))
        except KafkaException as error:
            told = error.args[0].str()
            _LOG.warning("kafka: %s/%d: expected offsets, got %s", name, partition, told)
            return None
        return TopicPartition(name, partition, begin)

    def _since(self, consumer: Consumer, place: TopicPartition, otherwise: int) -> int:
        """Return the first offset of the longest window of a board."""
        since = time.time_ns() // 1_000_000 - self._window_ms
        asked = TopicPartition(place.topic, place.partition, since)
        (found,) = consumer.offsets_for_times([asked], timeout=_OFFSETS_SECONDS)
        return found.offset if found.error is None and found.offset >= 0 else otherwise

    def _take(self, messages: list[Message]) -> None:
        events: list[bytes | None] = []
        for message in messages:
            error = message.error()
            if error is None:
                self._heard = time.monotonic()
                self._safely(self._one, message, events)
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  # its only name
                self._end_of(str(message.topic()), int(message.partition() or 0))
            else:
                _LOG.warning("kafka: expected records, got %s; going on", error.str())
        if events:
            self._safely(self._replica.take_events, events)

    def _safely(self, take: Callable[..., None], *what: Any) -> None:
        """Take a record; one that breaks this version must not end the reading of all others."""
        try:
            take(*what)
        except Exception:
            self._replica.skipped += 1
            _LOG.exception("expected to take a record, got an error; skipping it")

    def _one(self, message: Message, events: list[bytes | None]) -> None:
        name, key, value = str(message.topic()), message.key(), message.value()
        kind = self._kinds[name]
        if name in self.progress:
            self.progress[name].read += 1
        if kind == "user_behavior":
            events.append(value)
        elif kind == "dead_letter":
            headers: dict[str, bytes] = dict(message.headers() or ())  # type: ignore[arg-type]
            self._replica.reports.take_letter(key, value, headers, message.timestamp()[1])
        elif key is not None:
            self._compacted[kind](key, value)

    def _end_of(self, name: str, partition: int) -> None:
        self._heard = time.monotonic()
        if self._left is not None:
            self._left.discard((name, partition))
