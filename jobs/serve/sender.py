"""Sends events into the job's input topic, each once, and says what became of it."""

import asyncio
import threading
import time
import uuid
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import msgspec
import xxhash
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from conf.schema import JobConfig
from jobs.serve.answers import Listed, Outcome, Recommended, Wanted
from jobs.serve.kafka import client
from models.params.events import EventPolicy
from state.events.check import Check
from state.events.compose import compose, timed
from state.events.fields import Event

_TIMEOUT_MS = 5_000


class UnreachableError(Exception):
    """No broker took what was sent in time."""


class Sender:
    """Checks events by the job's own rules, and sends those that keep them.

    Parameters
    ----------
    config, policy
        Of the job; the policy compares no keys.
    """

    def __init__(self, config: JobConfig, policy: EventPolicy) -> None:
        self._control = config.kafka.topics.control
        self._topic, self._keyed = config.kafka.topics.user_behavior, config.events.keyed
        self._policy, self._shown = policy, config.feedback.impression_type
        self._check = Check(policy, {})
        settings = {
            "enable.idempotence": True,
            "linger.ms": 2,
            "message.timeout.ms": _TIMEOUT_MS,
            "partitioner": "murmur2_random",  # as Java clients do: one user, one partition
        }
        self._producer = Producer(client(config, settings))
        self.lost = 0
        """Impressions that no broker took, or that keep no rule of the job."""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="sender", daemon=True)

    def start(self) -> None:
        """Begin to look for what the broker says."""
        self._thread.start()

    def stop(self) -> None:
        """Wait for what is on its way."""
        self._ended.set()
        self._thread.join(10)
        self._producer.flush(_TIMEOUT_MS / 1000)

    async def send(self, events: Sequence[dict[str, Any]], *, plain: bool = False) -> list[Outcome]:
        """Send events, in the job's own form or in the plain one; those without a time happen now.

        Raises
        ------
        UnreachableError
            Where the broker did not take one in time; it, or others, may be there nevertheless.
        """
        now = time.time_ns() // 1_000_000
        written = [self._written(event, plain, now) for event in events]
        values = [msgspec.json.encode(event) for event in written]
        checked = self._check(values, [None] * len(values), 0, now)
        outcomes = [Outcome(accepted=True) for _ in values]
        for one in checked.rejected:
            outcomes[one.position] = Outcome(False, str(one.code), one.message)
        for passed in checked.ignored:
            message = f"events of the type {passed.kind} are ignored by the job"
            outcomes[passed.position] = Outcome(False, "ignored", message)
        users = dict(zip(checked.record.tolist(), checked.columns.user_ids, strict=True))
        waiting = [self._one(user, values[n]) for n, user in sorted(users.items())]
        if waiting:
            errors = [error for error in await asyncio.gather(*waiting) if error]
            if errors:
                raise UnreachableError(errors[0])
        return outcomes

    @cached_property
    def takes_impressions(self) -> bool:
        """Whether impressions keep the job's rules: their type has a weight, and needs no value."""
        now = time.time_ns() // 1_000_000
        sample = Recommended("user", "list", now, 0, "", [Listed("item", "list")])
        try:
            value = msgspec.json.encode(self._impression(sample, 0, now))
        except TypeError:
            return False
        return len(self._check([value], [None], 0, now).columns.events) == 1

    def show(self, shown: Recommended) -> None:
        """Send an impression of each item of a user's list, without waiting for the broker.

        An item counts once for each list, however often it is asked for: its event id is made of
        both. What no broker takes is counted in `lost`.
        """
        now = time.time_ns() // 1_000_000
        events = [self._impression(shown, n, now) for n in range(len(shown.items))]
        values = [msgspec.json.encode(event) for event in events]
        checked = self._check(values, [None] * len(values), 0, now)
        for user, record in zip(checked.columns.user_ids, checked.record.tolist(), strict=True):
            self._one(user, values[record]).add_done_callback(self._count)
        self.lost += len(checked.rejected)

    def _impression(self, shown: Recommended, position: int, now: int) -> dict[str, Any]:
        """Return the event of an item at a position, from 1."""
        item = shown.items[position].item_id
        of = f"{shown.rec_id or uuid.uuid4()}\n{item}"
        name = xxhash.xxh3_128_hexdigest(of.encode())
        rec_id = msgspec.Raw(msgspec.json.encode(shown.rec_id or None))
        at = msgspec.Raw(b"%d" % (position + 1))
        event = Event(shown.user_id or "", item, self._shown, now, name, None, rec_id, at)
        return compose(self._policy, event)

    def _written(self, event: dict[str, Any], plain: bool, now: int) -> dict[str, Any]:  # noqa: FBT001
        """Return an event as the job reads it; one that is none stays as it is, to be refused."""
        if plain:
            try:
                return compose(self._policy, _plain({"timestamp": now} | event))
            except (msgspec.ValidationError, TypeError):
                return event
        return timed(self._policy, event, now)

    def _count(self, done: "asyncio.Future[str]") -> None:
        self.lost += bool(done.result())

    async def command(self, wanted: Wanted) -> str:
        """Send a command to the job; return its id.

        Raises
        ------
        UnreachableError
            Where the broker did not take it in time.
        """
        name = uuid.uuid4().hex
        fields = msgspec.to_builtins(wanted)
        given = {name: value for name, value in fields.items() if value is not None}
        value = msgspec.json.encode(given)
        if error := await self._produced(self._control, name.encode(), value):
            raise UnreachableError(error)
        return name

    def _one(self, user: str, value: bytes) -> "asyncio.Future[str]":
        key = msgspec.json.encode(user) if self._keyed == "json" else user.encode()
        return self._produced(self._topic, key, value)

    def _produced(self, topic: str, key: bytes, value: bytes) -> "asyncio.Future[str]":
        """Write a record; return what was wrong with that, "" for nothing."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[str] = loop.create_future()

        def settle(told: str) -> None:
            if not done.done():  # whoever asked may have gone
                done.set_result(told)

        def delivered(error: KafkaError | None, _: Message) -> None:
            loop.call_soon_threadsafe(settle, error.str() if error else "")

        try:
            self._producer.produce(topic, key=key, value=value, on_delivery=delivered)
        except BufferError:
            settle("the queue to the broker is full")
        except KafkaException as error:
            settle(error.args[0].str())
        return done

    def _poll(self) -> None:
        while not self._ended.is_set():
            self._producer.poll(0.1)


def _plain(event: dict[str, Any]) -> Event:
    """Return an event of the plain form; ValidationError where it is none."""
    kept = dict(event)
    of_list = {
        name: msgspec.Raw(msgspec.json.encode(kept.pop(name)))
        for name in ("rec_id", "position", "scope")
        if name in kept
    }
    return msgspec.structs.replace(msgspec.convert(kept, Event), **of_list)
