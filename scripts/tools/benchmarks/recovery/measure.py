"""Recovery: seconds from the death of a Python worker until the job has caught up.

The job runs at half of what it can. One of its Python workers is killed by SIGKILL; the lag, of
events sent behind those accounted for in committed records, grows until the job has restarted from
its last checkpoint, and falls until it is what it was.
"""

import argparse
import statistics
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from scripts.tools.benchmarks.live import endless, steady
from scripts.tools.benchmarks.maximum import maximum
from scripts.tools.benchmarks.progress import Consumption
from scripts.tools.benchmarks.recovery.lag import Lags, caught_up
from scripts.tools.benchmarks.stage import Job, Stage, stage
from scripts.tools.benchmarks.terminal import progress_bar
from scripts.tools.benchmarks.throughput import KINDS, rated
from scripts.tools.benchmarks.watching import watching
from scripts.tools.benchmarks.workers import workers
from scripts.tools.console import ToolError, progress
from scripts.tools.data.behaviour import Generated
from scripts.tools.data.generator import GeneratorParams
from scripts.tools.kafka import accounting
from scripts.tools.kafka.client import consumer, offsets, read_all
from scripts.tools.results import Result

_LOOK_SECONDS = 0.25
_HOLD_SECONDS = 3.0
"""How long the lag must stay what it was."""
_LIMIT_SECONDS = 120.0
"""After so long without an end, a run has failed."""
_SETTLE_SECONDS = 60.0
_STRETCH_SECONDS = 5.0


@dataclass(frozen=True)
class Recovery:
    """One death."""

    seconds: float
    """Until the lag was what it was."""
    silence: float
    """Longest time without a committed record."""
    before: int
    """Largest lag before, events."""
    most: int
    """Largest lag after."""
    lags: Lags
    """By seconds since the death."""


class _Answer(msgspec.Struct):
    rec_id: str


def measure(options: argparse.Namespace) -> tuple[list[Result], list[Recovery]]:
    """Kill a worker of a new job as often as asked for; return figures and runs."""
    with stage(options.parallelism) as here:
        rate = options.rate or _maximum(here, options) / 2
        progress(f"{rate:,.0f} events a second")
        found = [_run(here, number, rate, options) for number in range(options.runs)]
    return results(found, rate), found


def results(found: list[Recovery], rate: float) -> list[Result]:
    """Return the figures, medians of all runs."""

    def figure(name: str, unit: str, of: Callable[[Recovery], float]) -> Result:
        runs = [of(one) for one in found]
        return Result(f"recovery.{name}", statistics.median(runs), unit, runs=runs)

    return [
        figure("worker_s", "s", lambda one: one.seconds),
        figure("worker_silence_s", "s", lambda one: one.silence),
        figure("lag_before", "events", lambda one: one.before),
        figure("lag_most", "events", lambda one: one.most),
        Result("recovery.rate", rate, "events/s"),
    ]


def _settings(options: argparse.Namespace, *more: str) -> list[str]:
    return [
        f"flink.parallelism={options.parallelism}",
        "kafka.delivery=exactly-once",
        *more,
        *KINDS[options.kind].settings,
        *options.overrides,
    ]


def _maximum(here: Stage, options: argparse.Namespace) -> float:
    return maximum(
        here, _settings(options), rated(Generated(options.events).blocks()),
        events=options.events, warm_up=options.warm_up, seconds=options.seconds,
    )  # fmt: skip


def _run(here: Stage, number: int, rate: float, options: argparse.Namespace) -> Recovery:
    topic = f"recovery-{number + 1}"
    with (
        here.job(topic, _settings(options, f"kafka.topics.user_behavior={topic}")) as job,
        watching(here, job, isolation="read_committed") as consumed,
    ):
        look = _Look(consumed, topic)
        events = rated(endless(GeneratorParams(seed=number + 1)))
        with steady(here.address, topic, rate, events), progress_bar() as bar:
            task = bar.add_task(f"recovery, run {number + 1} of {options.runs}: lag", total=None)
            look.on_lag = lambda lag: bar.update(task, completed=lag)
            found = _killed(here, look, options)
        _settle(look, topic)
        _check(here, job)
    return found


class _Look:
    """Takes a sample of the lag, as often as it is asked to."""

    def __init__(self, consumed: Consumption, topic: str) -> None:
        self._consumed, self._topic = consumed, topic
        self._begin = time.monotonic()
        self.lags = Lags()
        self.on_lag: Callable[[int], None] = lambda _lag: None

    @property
    def now(self) -> float:
        """Seconds since the first look."""
        return time.monotonic() - self._begin

    @property
    def lag(self) -> int:
        """The last one."""
        return self.lags.events[-1]

    @property
    def done(self) -> int:
        """Events accounted for."""
        return self._consumed.total

    def __call__(self) -> None:
        """Look."""
        self._consumed.poll(_LOOK_SECONDS)
        sent = sum(high - low for low, high in offsets(self._consumed.client, self._topic).values())
        self.lags.add(self.now, sent, self._consumed.total)
        self.on_lag(self.lag)

    def past(self, seconds: float) -> None:
        """Look for some seconds."""
        until = self.now + seconds
        while self.now < until:
            self()


def _killed(here: Stage, look: _Look, options: argparse.Namespace) -> Recovery:
    deadline = look.now + _LIMIT_SECONDS
    while look.done == 0:
        look()
        if look.now > deadline:
            raise ToolError(f"recovery: expected a first micro-batch in {_LIMIT_SECONDS:g} s")
    look.past(max(options.warm_up, 2 * _STRETCH_SECONDS))
    while look.lags.falling(_STRETCH_SECONDS) and look.now < deadline:
        look()  # what was sent while the job started is still being learnt
    begin = look.now
    look.past(options.before)
    before, lags = look.lags.largest(begin, look.now), look.lags
    _insist_on_pace(lags, begin, look.now)
    victim = workers(here.local)[0]
    victim.kill()
    killed = look.now
    while True:
        look()
        seconds = caught_up(
            lags.seconds, lags.events, killed=killed, before=before, hold=_HOLD_SECONDS
        )
        if seconds is not None:
            break
        if look.now > killed + _LIMIT_SECONDS:
            message = f"expected the lag back at {before:,} within {_LIMIT_SECONDS:g} s"
            raise ToolError(f"recovery: {message}, got {look.lag:,}; give a lower --rate")
    shifted = lags.shifted(killed)
    most = lags.largest(killed, look.now)
    return Recovery(seconds, lags.silence(killed) or 0.0, before, most, shifted)


def _insist_on_pace(lags: Lags, begin: float, end: float) -> None:
    """Refuse a job that falls behind before anything happens: it would never be back."""
    middle = (begin + end) / 2
    early, late = lags.largest(begin, middle), lags.largest(middle, end)
    if late > 2 * early + lags.rate(begin, end):
        message = f"expected a steady lag, got {early:,} events, then {late:,}"
        raise ToolError(f"recovery: {message}; give a lower --rate, or a longer --warm-up")


def _settle(look: _Look, topic: str) -> None:
    """Wait until every event that was sent is accounted for."""
    deadline = look.now + _SETTLE_SECONDS
    look()
    while look.lag > 0:
        look()
        if look.now > deadline:
            raise ToolError(f"{topic}: expected every event accounted for, got {look.lag:,} less")


def _check(here: Stage, job: Job) -> None:
    """Insist on a failure, and on exact counts in spite of it."""
    if here.local.flink.rest.root_cause(job.id) is None:
        message = "expected the job to fail where a worker is killed, it did not"
        raise ToolError(f"recovery: {message}; see the logs")
    topics = job.config.kafka.topics
    totals = accounting.read(here.address, topics.recommendation_metrics).totals()
    with consumer(here.address, [topics.user_behavior], isolation="read_committed") as client:
        wrong = totals.objections(offsets(client, topics.user_behavior))
    decode = msgspec.json.Decoder(_Answer).decode
    made = Counter(
        decode(message.value() or b"").rec_id
        for message in read_all(here.address, topics.recommendations)
    )
    repeated = sum(made.values()) - len(made)
    wrong += [f"{repeated:,} recommendations came twice"] if repeated else []
    if wrong or not made:
        raise ToolError(f"recovery: expected exact counts, got {'; '.join(wrong) or 'no lists'}")
