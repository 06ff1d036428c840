"""The input topic: what is learnt beforehand, and what arrives at a steady rate."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from scripts.tools.benchmarks.live import endless, steady
from scripts.tools.console import ToolError
from scripts.tools.data.behaviour import Block
from scripts.tools.data.generator import GeneratorParams
from scripts.tools.kafka.client import KafkaAddress
from scripts.tools.kafka.produce import replay

_PACE = 0.95
"""Share of the events that must have left in time."""


@dataclass
class Feed:
    """Events for the topic, without end.

    Parameters
    ----------
    address, topic
        Where they go.
    """

    address: KafkaAddress
    topic: str
    blocks: Iterator[Block] = field(default_factory=lambda: endless(GeneratorParams()))
    sent: int = 0

    def fill(self, events: int) -> None:
        """Write the next events at once."""
        self.sent += replay(first(self.blocks, events), self.address, self.topic).events

    @contextmanager
    def steady(self, rate: float, seconds: float) -> Iterator[None]:
        """Write so many events a second beside the block, which takes at least so many seconds.

        Raises
        ------
        ToolError
            If this machine cannot write that many.
        """
        with steady(self.address, self.topic, rate, self.blocks) as sending:
            yield
            in_time = sending.sent
        self.sent += sending.sent
        if in_time < _PACE * rate * seconds:
            message = f"expected {rate * seconds:,.0f} events in {seconds:g} s, got {in_time:,}"
            raise ToolError(f"{self.topic}: {message} sent; give a lower rate")


def first(blocks: Iterator[Block], events: int) -> Iterator[Block]:
    """Yield the first events of some blocks; what is left of the last block is lost."""
    while events > 0:
        block = next(blocks)
        yield block.part(slice(events))
        events -= len(block)
