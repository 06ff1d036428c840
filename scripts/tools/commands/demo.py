"""Broker, cluster, job, events and recommendations on this machine, in one go."""

import argparse
import contextlib
import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from conf.loader import ConfigError, load
from conf.parameters import event_policy, wants_deep
from conf.schema import JobConfig
from scripts.tools import results
from scripts.tools.cluster import loopback, ownership, processes
from scripts.tools.cluster.instance import Local, Ports
from scripts.tools.cluster.paths import ROOT, RUN_DIR
from scripts.tools.cluster.signals import interruptible, undisturbed
from scripts.tools.commands import catalog, demo_console
from scripts.tools.commands.build import build
from scripts.tools.commands.demo_console import DemoConsole, wait_for_the_user
from scripts.tools.commands.demo_play import Play
from scripts.tools.commands.demo_summary import Summary
from scripts.tools.commands.demo_view import View
from scripts.tools.commands.submit import Submission, fine_tuning, submit
from scripts.tools.console import ToolError, positive, progress, run
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
    options = _parser().parse_args()
    with interruptible():
        return _play(options)


def _play(options: argparse.Namespace) -> int:
    begin = time.monotonic()
    events = source(options.data, columns=options.columns, events=options.events, seed=options.seed)
    # before anything starts
    asked = _config(options.config, options.overrides)
    accepted.check(events, event_policy(asked), send_refused=options.send_refused)
    events = in_time(events, Window.of(asked), options.times)
    build()
    with _running(options.run_dir, keep=options.keep) as local:
        overrides = [f"fine_tune.steps={STEPS}", *fine_tuning(local), *options.overrides]
        overrides += [f"kafka.bootstrap_servers={local.brokers}"]
        overrides += ["deep.enabled=false"] if options.no_deep else []
        config = _config(options.config, overrides)
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
        faults = summary.faults()
        for fault in faults:
            progress(f"error: {fault}")
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


def _config(path: Path, overrides: Sequence[str]) -> JobConfig:
    try:
        return load(path, overrides)
    except ConfigError as error:
        raise ToolError(str(error), code=2) from None


@contextmanager
def _running(run_dir: Path, *, keep: bool) -> Iterator[Local]:
    """Give a fresh broker and cluster; at the end they are stopped, unless they shall be kept."""
    clear(run_dir)
    local = Local.plan(run_dir)
    if not _free(local.ports):
        local = Local.plan(run_dir, port_base=0)
    try:
        local.up(owned=True)
        yield local
    except BaseException:
        _stop(local)
        raise
    if keep:
        local.release()
        print(_GO_ON.format(url=local.rest_url, dir=_run_dir_option(run_dir)))
        if url := demo_console.address(run_dir):
            print(f"  {url}   the console")
    else:
        _stop(local)


def _stop(local: Local) -> None:
    with undisturbed():
        with contextlib.suppress(OSError):  # a terminal that was closed
            progress("stopping Flink and Kafka")
        local.down()


def clear(run_dir: Path) -> None:
    """Remove what a demonstration left that was cut off, and refuse to touch anything else.

    Raises
    ------
    ToolError
        Where something runs, or where topics or checkpoints were kept.
    """
    kept = [name for name in ("kafka", "checkpoints") if (run_dir / name).exists()]
    if ownership.is_orphaned(run_dir):  # nobody meant to keep that
        Local.plan(run_dir).down()
    elif processes.find(run_dir) or kept:
        message = f"{run_dir}: expected a folder of the demo's own, got what was kept or still runs"
        hint = f"scripts/local down{_run_dir_option(run_dir)} ends and deletes it, or pass another"
        raise ToolError(f"{message}; {hint} --run-dir")


def _free(ports: Ports) -> bool:
    return all(loopback.is_free(port) for port in asdict(ports).values())


def _run_dir_option(run_dir: Path) -> str:
    return "" if run_dir == RUN_DIR else f" --run-dir {shlex.quote(str(run_dir))}"


_GO_ON = """still running; go on with
  scripts/replay{dir} --rate 1000   more events
  scripts/status{dir}               where they went
  scripts/savepoint{dir} --stop     save the state and stop the job
  scripts/restore latest{dir}       go on from there
  scripts/local down{dir}           stop everything
  {url}   Flink's page"""


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
