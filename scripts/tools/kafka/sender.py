"""Events into Kafka one moment after the other, as somebody makes them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec
from confluent_kafka import Producer

from scripts.tools.console import ToolError
from scripts.tools.kafka.client import KafkaAddress
from scripts.tools.kafka.produce import Event, produce_all, settings

_FLUSH_SECONDS = 30
_encode = msgspec.json.Encoder().encode


class Live:
    """Sends events at once.

    Attributes
    ----------
    sent : int
        Events handed to the producer so far.
    users : set of str
        Whose events they are.
    """

    def __init__(self, producer: Producer, topic: str) -> None:
        self._producer, self._topic = producer, topic
        self.sent = 0
        self.users = set[str]()

    def send(self, events: Sequence[Event]) -> None:
        """Send events; what the broker refused of earlier ones is raised here."""
        messages = ((one.user_id.encode(), _encode(one)) for one in events)
        produce_all(self._producer, self._topic, messages)
        self.sent += len(events)
        self.users.update(one.user_id for one in events)

    def flush(self) -> None:
        """Wait until the broker has all of them.

        Raises
        ------
        ToolError
            If it does not answer.
        """
        if left := self._producer.flush(_FLUSH_SECONDS):
            message = f"kafka: expected all events stored, got no answer for {left:,} of them"
            raise ToolError(f"{message}; is the broker up?")


@contextmanager
def live(address: KafkaAddress, topic: str) -> Iterator[Live]:
    """Give what sends events to a topic."""
    yield Live(Producer(settings(address)), topic)
