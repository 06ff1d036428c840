"""A quick look at the share of the pipe that a model leaves: for tests, not for figures.

The pipe without a model and the job with one run one after the other on the same events; what the
machine does besides slows both down, and the share stays about what it is.
"""

import time
from collections.abc import Sequence

from scripts.tools.benchmarks.progress import Consumption
from scripts.tools.benchmarks.stage import Stage
from scripts.tools.benchmarks.throughput import KINDS, LIMIT, SETTINGS, rated
from scripts.tools.console import ToolError
from scripts.tools.data.behaviour import Generated
from scripts.tools.kafka.client import consumer
from scripts.tools.kafka.produce import replay

WARM_UP_SECONDS = 6.0
"""Seconds that do not count, where the topic is full for long enough."""
_SECONDS = 12.0
_FIRST, _LAST = 0.4, 0.97
"""Shares of the events between which a job counts that is through with them sooner."""
_LIMIT_SECONDS = 120.0


def share(
    here: Stage, kind: str, number: int, *, events: int, overrides: Sequence[str] = ()
) -> float:
    """Return what a kind learns a second, divided by what the pipe carries.

    Parameters
    ----------
    number
        Of the attempt: no job and no topic has the name of one before.
    """
    settings = [*SETTINGS, f"kafka.topics.user_behavior=share-events-{number}", *overrides]
    _fill(here, f"share-fill-{number}", settings, events)
    found = {}
    for name in (LIMIT, kind):
        of_kind = [*settings, *KINDS[name].settings]
        found[name] = _rate(here, f"share-{name}-{number}", KINDS[name].module, of_kind, events)
    return found[kind] / found[LIMIT]


def _fill(here: Stage, name: str, settings: Sequence[str], events: int) -> None:
    with here.outputs(name, settings) as (config, _):
        topic = config.kafka.topics.user_behavior
        replay(rated(Generated(events).blocks()), here.address, topic)


def steady_rate(times: Sequence[float], totals: Sequence[float], events: int) -> float:
    """Return events a second of the part of a job's curve that counts.

    Parameters
    ----------
    times
        Ends of micro-batches, ms, ascending.
    totals
        Events learnt until then.
    events
        In the topic.

    Raises
    ------
    ToolError
        If there is no such part.
    """
    ready = times[0] + 1000 * WARM_UP_SECONDS if len(times) else 0.0
    inside = [
        n
        for n, (at, total) in enumerate(zip(times, totals, strict=True))
        if (at >= ready or total >= _FIRST * events) and total <= _LAST * events
    ]
    if len(inside) < 2 or times[inside[-1]] <= times[inside[0]]:  # two ends
        message = f"expected micro-batches between {_FIRST:.0%} and {_LAST:.0%} of the events"
        raise ToolError(f"{events:,} events: {message}, got none; give more events")
    first, last = inside[0], inside[-1]
    return 1000 * (totals[last] - totals[first]) / (times[last] - times[first])


def _rate(here: Stage, name: str, module: str, settings: Sequence[str], events: int) -> float:
    with here.job(name, settings, module) as job:
        metrics = job.config.kafka.topics.recommendation_metrics
        with consumer(here.address, [metrics], isolation="read_uncommitted") as client:
            consumed, deadline = Consumption(client), time.monotonic() + _LIMIT_SECONDS
            wanted = 1000 * (WARM_UP_SECONDS + _SECONDS)
            while consumed.total < _LAST * events and time.monotonic() < deadline:
                consumed.poll(0.5)
                if consumed.times and consumed.times[-1] - consumed.times[0] > wanted:
                    break
    times, totals = consumed.curve()
    return steady_rate(times.tolist(), totals.tolist(), events)
