"""What a job learns a second where the topic is full."""

import time
from collections.abc import Iterable, Sequence

from scripts.tools.benchmarks.stage import Stage
from scripts.tools.benchmarks.terminal import progress_bar
from scripts.tools.benchmarks.watching import watching
from scripts.tools.data.behaviour import Block
from scripts.tools.kafka.produce import replay

TOPIC = "maximum"
"""Holds the events: no other job of the benchmark has to read them."""
_LIMIT_SECONDS = 120.0
"""Beyond warm-up and measurement; after that, what was read until then counts."""


def maximum(
    here: Stage,
    settings: Sequence[str],
    blocks: Iterable[Block],
    *,
    events: int,
    warm_up: float,
    seconds: float,
) -> float:
    """Return events a second at full speed.

    Parameters
    ----------
    settings
        Of the job; the topic is added.
    blocks
        All that is in the topic.
    events
        How many these are.
    warm_up, seconds
        Seconds that do not count, and those after them that do.

    Raises
    ------
    ToolError
        If there are too few events for that.
    """
    own = [*settings, f"kafka.topics.user_behavior={TOPIC}"]
    with here.outputs(f"{TOPIC}-preload", own), progress_bar() as bar:
        task = bar.add_task("preload", total=events)
        replay(blocks, here.address, TOPIC, on_progress=lambda n: bar.update(task, completed=n))
    with (
        here.job(TOPIC, own) as job,
        watching(here, job, isolation="read_committed") as consumed,
        progress_bar() as bar,
    ):
        task = bar.add_task("at full speed", total=events)
        wanted = 1000 * (warm_up + seconds)
        until = time.monotonic() + _LIMIT_SECONDS + wanted / 1000
        while consumed.total < events and time.monotonic() < until:
            consumed.poll(1.0)
            bar.update(task, completed=consumed.total)
            if consumed.times and consumed.times[-1] - consumed.times[0] > wanted:
                break
        begin, end = consumed.steady(events=events, warm_up=warm_up, seconds=seconds)
        return 1000 * consumed.between(begin, end) / (end - begin)
