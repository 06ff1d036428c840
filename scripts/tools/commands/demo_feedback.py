"""The closed loop of `scripts/demo --feedback`: lists to users, their clicks to the job."""

import argparse
import time

from rich.table import Table

from conf.schema import JobConfig
from scripts.tools import results
from scripts.tools.commands import catalog
from scripts.tools.commands.build import build
from scripts.tools.commands.demo_audience import Audience
from scripts.tools.commands.demo_console import DemoConsole, wait_for_the_user
from scripts.tools.commands.demo_feedback_curve import Clicks, Curve
from scripts.tools.commands.demo_feedback_options import SECONDS
from scripts.tools.commands.demo_feedback_play import FeedbackPlay
from scripts.tools.commands.demo_local import config_of, running
from scripts.tools.commands.demo_summary import Summary
from scripts.tools.commands.demo_view import View, console
from scripts.tools.commands.submit import Submission, submit
from scripts.tools.console import ToolError
from scripts.tools.data.tastes import TasteParams
from scripts.tools.data.titles import described
from scripts.tools.kafka import topics
from scripts.tools.kafka.client import KafkaAddress
from scripts.tools.kafka.observer import observer
from scripts.tools.kafka.refusals import refusals
from scripts.tools.kafka.sender import live

TASTES = TasteParams(users=2_500, items=1_000, strength=1.0, appeal=1.0, base=-3.2)
_YARDSTICK = "exploration: 0, ignored_weight: 0"
_ARMS = ("model: {}", *(f"{one}: {{source: {one}, {_YARDSTICK}}}" for one in ("popular", "random")))
SETTINGS = (
    "feedback.enabled=true",
    "feedback.window=5s",
    "feedback.lateness=1s",
    "feedback.rewards={click: 1}",
    "feedback.ignored_weight=0.7",
    "recommend.exploration=0.05",
    f"recommend.arms={{{', '.join(_ARMS)}}}",
)
"""What differs from a job without feedback; `--set` comes after it."""


def play(options: argparse.Namespace) -> int:
    """Let users see lists and click for some time; show what came of it, and stop all."""
    begin = time.monotonic()
    results.insist_on_a_commit(options.json)
    given = [*SETTINGS, *options.overrides, "deep.enabled=false"]
    _insist(config_of(options.config, given))  # before anything starts
    build()
    with running(options.run_dir, keep=options.keep) as local:
        overrides = [*given, f"kafka.bootstrap_servers={local.brokers}"]
        config = config_of(options.config, overrides)
        address = KafkaAddress.of(config)
        topics.create(config, address)
        catalog.send(address, config.kafka.topics.catalog, described(TASTES.items))
        job = submit(local, Submission(config=options.config, overrides=overrides))
        started = time.monotonic() - begin
        audience = Audience(TASTES, options.seed)
        curve = Curve(list(config.recommend.arms), options.seconds or SECONDS)
        with (
            observer(address, config, audience.take, curve.take) as watch,
            live(address, config.kafka.topics.user_behavior) as sending,
            View(None) as view,
        ):
            page = None
            if options.console:
                page = DemoConsole(local, options.config, overrides, view.say)
            loop = FeedbackPlay(local, job, config, sending, watch, view, audience, curve, page)
            ready = loop.run(options.seconds or SECONDS)
            summary = Summary(
                watch.seen,
                sending.sent,
                frozenset(sending.users),
                watch.records_sent(),
                seconds=time.monotonic() - begin,
                started=started,
                ready=ready,
                refused=refusals(watch.seen.metrics.totals(), address, config),
            )
        summary.show()
        show(curve)
        _keep(options, summary, curve)
        faults = summary.tell_faults()
        print(f"logs: {local.run_dir / 'logs'}")
        if page is not None and not options.keep:
            wait_for_the_user(page.url)
    return 1 if faults else 0


def _insist(config: JobConfig) -> None:
    """Refuse overrides that leave nothing to show."""
    for key, there in (
        ("feedback.enabled", config.feedback.enabled),
        ("recommend.arms", bool(config.recommend.arms)),
    ):
        if not there:
            message = f"{key}: expected it on with --feedback, got it off"
            raise ToolError(f"{message}; leave it out of --set and --config", code=2)


def show(curve: Curve) -> None:
    """Print the table of arms."""
    table = Table("arm", title="click-through by arm", title_justify="left")
    for name in ("impressions decided", "clicks", "click-through", "last third"):
        table.add_column(name, justify="right")
    for arm in curve.arms:
        total = curve.total(arm)
        counts = (f"{total.impressions:,}", f"{total.clicks:,}")
        table.add_row(arm, *counts, _rate(total), _rate(curve.last_third(arm)))
    console().print(table)


def _keep(options: argparse.Namespace, summary: Summary, curve: Curve) -> None:
    """Write figures and picture where that was asked for."""
    if options.json:
        figures = [*curve.results(), *summary.results()]
        results.write(options.json, figures, curve=curve.as_mapping())
    if options.plot:
        from scripts.tools.commands.demo_feedback_plot import draw  # slow

        draw(options.plot, curve)


def _rate(clicks: Clicks) -> str:
    return "-" if clicks.rate is None else f"{clicks.rate:.4f}"
