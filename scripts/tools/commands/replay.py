"""Replay behaviour into Kafka: rows of files, or generated ones."""

import argparse
import time
from datetime import UTC, datetime
from pathlib import Path

from conf.parameters import event_policy
from scripts.tools import results
from scripts.tools.console import ToolError, positive, progress, run
from scripts.tools.data import accepted, columns, event_times
from scripts.tools.data.behaviour import source
from scripts.tools.data.event_times import Window, in_time
from scripts.tools.kafka.produce import Pace, progress_bar, replay
from scripts.tools.kafka.target import add_arguments, target


def main() -> int:
    """Read the command line, replay, and say how fast it went."""
    options = _parser().parse_args()
    job = target(options)
    topic = options.topic or job.config.kafka.topics.user_behavior
    events = source(
        options.data,
        columns=options.columns,
        events=options.events,
        start_ms=_start_ms(options.start_time),
        repeat=options.repeat,
        seed=options.seed,
    )
    accepted.check(events, event_policy(job.config), send_refused=options.send_refused)
    choice = "keep" if options.start_time else options.times
    events = in_time(events, Window.of(job.config), choice)
    with progress_bar() as bar:
        task = bar.add_task("replay", total=events.events)
        done = replay(
            events.blocks(),
            job.address,
            topic,
            pace=Pace(options.rate, options.speed),
            on_progress=lambda sent: bar.update(task, completed=sent),
        )
    rate = done.events / max(done.seconds, 1e-9)
    progress(f"{done.events:,} events to {topic} in {done.seconds:.1f} s, {rate:,.0f}/s")
    if options.json:
        figures = [
            results.Result("replay.events", done.events, "events"),
            results.Result("replay.rate", rate, "events/s"),
        ]
        results.write(options.json, figures)
    return 0


def _start_ms(text: str | None) -> int | None:
    if text is None:
        return None
    if text == "now":
        return time.time_ns() // 1_000_000
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        message = f"--start-time: expected now or an ISO 8601 instant, got {text!r}"
        raise ToolError(message, code=2) from None
    zoned = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return int(zoned.timestamp() * 1000)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/replay", description=__doc__)
    what = parser.add_mutually_exclusive_group()
    columns.add_data(what, "; without it, events are generated")
    what.add_argument("--generate", action="store_true", help="generate events (the default)")
    columns.add_columns(parser)
    accepted.add_argument(parser)
    parser.add_argument(
        "--events", type=positive(int), metavar="N", help="default: the file's, or 200000"
    )
    parser.add_argument("--seed", type=int, default=1, help="of generated events (default: 1)")
    parser.add_argument(
        "--repeat", type=positive(int), default=1, metavar="N",
        help="replay the file N times, each time with new users",
    )  # fmt: skip
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument("--rate", type=positive(float), metavar="R", help="events a second")
    pace.add_argument(
        "--speed", type=positive(float), metavar="S", help="seconds of event time a second"
    )
    times = parser.add_mutually_exclusive_group()
    event_times.add_argument(times)
    times.add_argument(
        "--start-time", metavar="TIME",
        help="shift event times so that the oldest is now, or at an ISO 8601 instant",
    )  # fmt: skip
    parser.add_argument("--topic", help="instead of the configuration's")
    add_arguments(parser)
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures to a file")
    return parser


if __name__ == "__main__":
    run(main)
