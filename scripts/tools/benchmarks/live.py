"""Generated events into a topic at a steady rate, for as long as a benchmark looks."""

import contextlib
import math
import threading
from collections.abc import Iterable, Iterator

from scripts.tools.console import ToolError
from scripts.tools.data.behaviour import Block, Generated
from scripts.tools.data.generator import GeneratorParams
from scripts.tools.kafka.client import KafkaAddress
from scripts.tools.kafka.produce import Pace
from scripts.tools.kafka.sending import Sending

_ENDLESS = 1 << 40
_JOIN_SECONDS = 60.0
_STOPS_A_SECOND = 5


@contextlib.contextmanager
def steady(
    address: KafkaAddress, topic: str, rate: float, events: Iterable[Block]
) -> Iterator[Sending]:
    """Send events beside the block, so many a second; when it ends, the broker has them."""
    stop, sending = threading.Event(), Sending(address, topic)
    blocks = cut(events, math.ceil(rate / _STOPS_A_SECOND))
    sending.start(_until(stop, blocks), Pace(rate=rate))
    try:
        yield sending
    finally:
        stop.set()
        sending.join(_JOIN_SECONDS)
    if sending.active:  # or it raises what went wrong
        message = f"{topic}: expected all events sent within {_JOIN_SECONDS:g} s, they are not"
        raise ToolError(message)


def endless(params: GeneratorParams) -> Iterator[Block]:
    """Yield generated events without end."""
    return Generated(_ENDLESS, params).blocks()


def cut(blocks: Iterable[Block], size: int) -> Iterator[Block]:
    """Yield the same events in blocks of at most `size`."""
    for block in blocks:
        for first in range(0, len(block), size):
            part = slice(first, first + size)
            yield block.part(part)


def _until(stop: threading.Event, blocks: Iterable[Block]) -> Iterator[Block]:
    for block in blocks:
        if stop.is_set():
            return
        yield block
