"""Events on their way into Kafka, sent beside whatever else happens."""

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from scripts.tools.data.behaviour import Block
from scripts.tools.kafka.client import KafkaAddress
from scripts.tools.kafka.produce import Pace, replay


@dataclass
class Sending:
    """Sends blocks to a topic from a thread of its own.

    Attributes
    ----------
    sent : int
        Events handed to the broker so far.
    users : set of str
        Whose events they are.
    """

    address: KafkaAddress
    topic: str
    sent: int = 0
    users: set[str] = field(default_factory=set)
    _error: BaseException | None = None
    _thread: threading.Thread | None = None

    def start(self, blocks: Iterable[Block], pace: Pace) -> None:
        """Begin to send; the last start must have ended."""
        before = self.sent

        def note(sent: int) -> None:
            self.sent = before + sent

        def send() -> None:
            try:
                replay(self._noted(blocks), self.address, self.topic, pace=pace, on_progress=note)
            except BaseException as error:  # raised again by whoever asks
                self._error = error

        self._thread = threading.Thread(target=send, name="replay", daemon=True)
        self._thread.start()

    @property
    def active(self) -> bool:
        """Return whether more is to come; what went wrong in the thread is raised here."""
        if self._error is not None:
            raise self._error
        return self._thread is not None and self._thread.is_alive()

    def join(self, seconds: float) -> None:
        """Wait until everything is sent, or for some seconds."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _noted(self, blocks: Iterable[Block]) -> Iterator[Block]:
        for block in blocks:
            self.users.update(block.users)
            yield block
