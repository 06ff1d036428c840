"""Ages of answers, taken by a consumer that polls them, while events arrive."""

import time
from dataclasses import dataclass

import msgspec
import numpy as np
from confluent_kafka import Consumer
from numpy.typing import NDArray

from scripts.tools.benchmarks.latency.feed import Feed
from scripts.tools.benchmarks.terminal import progress_bar
from scripts.tools.console import ToolError

Ages = NDArray[np.float64]
"""Milliseconds from an event's broker timestamp to the moment its answer was read, as read."""
_LAST_SECONDS = 5.0
"""How long the last answers may take; events go on arriving."""
_LEAST = 0.2
"""Answers an event, below which most are missing: several events of a user share one."""
_ENOUGH = 100.0
"""Answers a second that are enough in any case: under load, very many events share one."""
_GROWN, _SPARE_MS = 1.5, 500.0
"""How much older the last answers may be than the first: a share, and beyond it."""


class _Trigger(msgspec.Struct):
    published_at: int


class _Answer(msgspec.Struct):
    """The part of a recommendation that is used here."""

    trigger: _Trigger


@dataclass(frozen=True)
class Arrival:
    """How events arrive.

    Parameters
    ----------
    rate
        Events a second.
    warm_up, seconds
        Seconds that do not count, and those after them that do.
    """

    rate: float
    warm_up: float
    seconds: float


def live(client: Consumer, feed: Feed, arrival: Arrival) -> Ages:
    """Let events arrive and return the ages of the answers to those that count.

    Raises
    ------
    ToolError
        If most answers are missing, or come later and later.
    """
    begin = time.time() * 1000 + 1000 * arrival.warm_up
    end = begin + 1000 * arrival.seconds
    with feed.steady(arrival.rate, arrival.warm_up + arrival.seconds):
        ages = _listen(client, begin, end)
    insist(ages, arrival)
    return ages


def _listen(client: Consumer, begin: float, end: float) -> Ages:
    decode = msgspec.json.Decoder(_Answer).decode
    ages: list[float] = []
    with progress_bar() as bar:
        task = bar.add_task("answers", total=None)
        last, now, shown = end + 1000 * _LAST_SECONDS, 0.0, 0.0
        while now < last:
            message = client.poll(0.1)  # returns as soon as there is one
            now = time.time() * 1000
            if now - shown > 250:
                bar.update(task, completed=len(ages))
                shown = now
            if message is None or message.error() is not None:
                continue
            published = decode(message.value() or b"").trigger.published_at
            if begin <= published < end:
                ages.append(now - published)
    return np.array(ages, np.float64)


def insist(ages: Ages, arrival: Arrival) -> None:
    """Refuse ages of which most are missing, or that grow: they say how long was measured."""
    events = int(arrival.rate * arrival.seconds)
    if len(ages) < max(1, min(_LEAST * arrival.rate, _ENOUGH) * arrival.seconds):
        message = f"expected an answer to most of {events:,} events, got {len(ages):,}"
        raise ToolError(f"freshness: {message}; give a lower rate, or see the logs")
    quarter = max(1, len(ages) // 4)
    early, late = float(np.median(ages[:quarter])), float(np.median(ages[-quarter:]))
    if late > _GROWN * early + _SPARE_MS:
        message = f"expected answers of about one age, got {early:,.0f} ms, then {late:,.0f} ms"
        raise ToolError(f"freshness: {message}; give a lower rate, or a longer --warm-up")
