"""Broker, cluster, job, events and recommendations on this machine, in one go."""

import argparse
import time
from pathlib import Path

from conf.parameters import event_policy, wants_deep
from conf.schema import JobConfig
from scripts.tools import results
from scripts.tools.cluster.paths import ROOT, RUN_DIR
from scripts.tools.cluster.signals import interruptible
from scripts.tools.commands import catalog, demo_feedback, demo_feedback_options
from scripts.tools.commands.build import build
from scripts.tools.commands.demo_console import DemoConsole, wait_for_the_user
from scripts.tools.commands.demo_local import config_of, running
from scripts.tools.commands.demo_play import Play
from scripts.tools.commands.demo_summary import Summary
from scripts.tools.commands.demo_view import View
from scripts.tools.commands.submit import Submission, fine_tuning, submit
from scripts.tools.console import positive, run
from scripts.tools.data import accepted, columns, event_times
from scripts.tools.data.behaviour import source
from scripts.tools.data.descriptions import PERHAPS, ROLES, Described, check_encoding
from scripts.tools.data.event_times import Window, in_time
from scripts.tools.data.titles import described
from scripts.tools.kafka import topics
from scripts.tools.kafka.client import KafkaAddress
from scripts.tools.kafka.observer import observer
from scripts.tools.kafka.produce import Pace
from scripts.tools.kafka.refusals import refusals
from scripts.tools.kafka.sending import Sending

PLACE = RUN_DIR / "demo"
"""Its folder: what `scripts/local` keeps is not the demo's to play on, nor to delete."""
_GENERATED = 10_000
"""Generated items that have a title."""
STEPS = 150
"""Of a round: a demonstration shall not wait long."""


def main() -> int:
    """Read the command line, play, sum up, and stop all that was started."""
    parser = _parser()
    options = parser.parse_args()
    demo_feedback_options.check(parser, options)
    with interruptible():
        return demo_feedback.play(options) if options.feedback else _play(options)


def _play(options: argparse.Namespace) -> int:
    begin = time.monotonic()
    events = source(options.data, columns=options.columns, events=options.events, seed=options.seed)
    # before anything starts
    asked = config_of(options.config, options.overrides)
    accepted.check(events, event_policy(asked), send_refused=options.send_refused)
    events = in_time(events, Window.of(asked), options.times)
    build()
    with running(options.run_dir, keep=options.keep) as local:
        overrides = [f"fine_tune.steps={STEPS}", *fine_tuning(local), *options.overrides]
        overrides += [f"kafka.bootstrap_servers={local.brokers}"]
        overrides += ["deep.enabled=false"] if options.no_deep else []
        config = config_of(options.config, overrides)
        address = KafkaAddress.of(config)
        topics.create(config, address)
        _describe(options, config, address)
        job = submit(local, Submission(config=options.config, overrides=overrides))
        started = time.monotonic() - begin
        sending = Sending(address, config.kafka.topics.user_behavior)
        with observer(address, config) as watch, View(events.events) as view:
            deep = not options.no_deep and wants_deep(config)
            console = None
            if options.console:
                console = DemoConsole(local, options.config, overrides, view.say)
            play = Play(local, job, config, sending, watch, view, address, deep, console)
            pace = None if options.rate is None else Pace(options.rate or None)
            ready = play.run(events, pace)
            summary = Summary(
                watch.seen,
                sending.sent,
                frozenset(sending.users) if config.recommend.enabled else frozenset(),
                watch.records_sent(),
                seconds=time.monotonic() - begin,
                started=started,
                ready=ready,
                refused=refusals(watch.seen.metrics.totals(), address, config),
            )
        summary.show()
        if options.json:
            results.write(options.json, summary.results())
        faults = summary.tell_faults()
        print(f"logs: {local.run_dir / 'logs'}")
        if console is not None and not options.keep:
            wait_for_the_user(console.url)
    return 1 if faults else 0


def _describe(options: argparse.Namespace, config: JobConfig, address: KafkaAddress) -> None:
    """Say what items are called: in a file, or generated ones."""
    if options.items is not None:
        given = Described([options.items], options.item_columns, check_encoding(options.encoding))
        catalog.send(address, config.kafka.topics.catalog, given.rows())
    elif options.data is None:
        catalog.send(address, config.kafka.topics.catalog, described(_GENERATED))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/demo",
        description=__doc__,
        epilog="Exit status: 0, or 1 where something was not as promised: most events refused,"
        " records without a fate, users without recommendations, a job that failed.",
    )
    columns.add_arguments(parser, "; without it, events are generated")
    accepted.add_argument(parser)
    parser.add_argument(
        "--events", type=positive(int), metavar="N", help="default: the file's, or 200000"
    )
    event_times.add_argument(parser)
    parser.add_argument("--seed", type=int, default=1, help="of generated events (default: 1)")
    parser.add_argument(
        "--rate", type=float, metavar="R",
        help="events a second, 0 = as fast as possible (default: a part of what this machine"
        " carries, measured first)",
    )  # fmt: skip
    parser.add_argument(
        "--no-deep",
        action="store_true",
        help="neither torch nor a deep model: learn online only",
    )
    parser.add_argument(
        "--items", type=Path, metavar="FILE", help="titles and categories of the data's items"
    )
    parser.add_argument(
        "--item-columns", type=columns.names_parser((*ROLES, *PERHAPS)), default={},
        metavar="ROLE=NAME,...",
        help="columns of --items by name, or by number where there is no header: item=1,title=2",
    )  # fmt: skip
    parser.add_argument(
        "--encoding", default="utf-8", metavar="NAME", help="of --items (default: utf-8)"
    )
    parser.add_argument(
        "--no-console", action="store_false", dest="console", help="without the page to click in"
    )
    demo_feedback_options.add_arguments(parser)
    parser.add_argument("--keep", action="store_true", help="leave everything running at the end")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures to a file")
    parser.add_argument(
        "--config", type=Path, default=ROOT / "conf" / "local.yaml", metavar="FILE",
        help="configuration; the local broker's address is put in (default: conf/local.yaml)",
    )  # fmt: skip
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE")
    parser.add_argument("--run-dir", type=Path, default=PLACE, help="default: .run/demo")
    return parser


if __name__ == "__main__":
    run(main)
