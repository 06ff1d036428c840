"""Events into a running job, and an eye on what comes out of it."""

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from conf.schema import JobConfig
from scripts.tools.cluster.instance import Local
from scripts.tools.commands import control
from scripts.tools.commands.demo_console import DemoConsole
from scripts.tools.commands.demo_job import insist_on_running
from scripts.tools.commands.demo_view import View
from scripts.tools.commands.torch_setup import Torch
from scripts.tools.console import ToolError
from scripts.tools.data.behaviour import Block, Source
from scripts.tools.kafka.client import KafkaAddress
from scripts.tools.kafka.observer import Observer
from scripts.tools.kafka.produce import Pace
from scripts.tools.kafka.refusals import mostly_refused
from scripts.tools.kafka.sending import Sending

LOOK_SECONDS = 0.2
READY_SECONDS = 120
STALL_SECONDS = 60
TRAINING_SECONDS = 240
_PROBED, _LIVE_SHARE, _LONGEST_SECONDS = 3, 0.4, 100.0
"""Blocks that tell what the job carries, the share of it that is sent live, and how long that may
take."""
ROUNDS = 2
"""Rounds that the demonstration waits for; further ones are triggered by the events."""


@dataclass(frozen=True)
class Play:
    """Events into a running job, and an eye on what comes out."""

    local: Local
    job: str
    config: JobConfig
    sending: Sending
    watch: Observer
    view: View
    address: KafkaAddress
    deep: bool
    """Whether models are to be trained."""
    console: DemoConsole | None = None

    def run(self, events: Source, pace: Pace | None) -> float:
        """Send all events and wait until each has its fate and each user a recommendation.

        Parameters
        ----------
        events
        pace
            None: a part of what the job carries, measured first, so that nothing waits in a queue.

        Returns
        -------
        float
            Seconds from the first event to the end of the first block: the workers' start.

        Raises
        ------
        ToolError
            With the root cause, if the job fails or stands still.
        """
        blocks = events.blocks()
        begin = time.monotonic()
        ratings = self.config.learning.objective == "rating"  # whose model needs no torch
        with contextlib.ExitStack() as stack:
            torch = None
            if self.deep and not ratings:
                torch = stack.enter_context(Torch(self.view.say))
            return self._events(events, blocks, pace, begin, torch)

    def _events(
        self,
        events: Source,
        blocks: Iterator[Block],
        pace: Pace | None,
        begin: float,
        torch: Torch | None,
    ) -> float:
        # the first block wakes the workers; the others go to a job that is awake
        self.sending.start([next(blocks)], Pace())
        self._insist(self._accounted, READY_SECONDS)
        ready = time.monotonic() - begin
        self.view.say(f"first {self.sending.sent:,} events processed after {ready:.1f} s")
        if mostly_refused(self.watch.seen.metrics.totals()):
            self.view.say("most of them were refused; the summary will say why")
        pace = pace or self._live(blocks, events.events)
        self.watch.seen.fresh_since_ms = time.time_ns() // 1_000_000
        parts = _parts(blocks, events.events - self.sending.sent) if torch else [blocks]
        for number, part in enumerate(parts):
            self.sending.start(part, pace)
            self._insist(self._accounted, STALL_SECONDS)
            if torch is not None and number < ROUNDS:
                self._fine_tune(torch)
        self._wait(self._recommended, 5 + 3 * self.config.flink.checkpoint_interval / 1000)
        self._wait(self._measured, 5 + 2 * self.config.metrics.window / 1000)
        return ready

    def _live(self, blocks: Iterator[Block], events: int) -> Pace:
        """Let the job take some events as fast as it can; return a pace that leaves it room.

        All events are sent within some minutes, though, where that leaves none.
        """
        before, begin = self.sending.sent, time.monotonic()
        self.sending.start(itertools.islice(blocks, _PROBED), Pace())
        self._insist(self._accounted, STALL_SECONDS)
        carried = (self.sending.sent - before) / (time.monotonic() - begin)
        left = events - self.sending.sent
        rate = max(left / _LONGEST_SECONDS, _LIVE_SHARE * carried, 1.0)
        self.view.say(
            f"about {carried:,.0f} events a second are carried here; {rate:,.0f} a second are sent"
            " from now on, as live (--rate R for another rate)"
        )
        return Pace(rate)

    def _fine_tune(self, torch: Torch) -> None:
        """Wait until a round has ended; the stream waits for it."""
        if mostly_refused(self.watch.seen.metrics.totals()):
            return  # hardly anything to train from
        self.view.waits_for = "torch, which is being installed"
        if torch.ready(lambda: self._wait(lambda: True, 1)):
            self.view.waits_for = "a round of fine-tuning"
            self.view.say("a round of fine-tuning begins; the next events are sent after it")
            before = self._tuning.get("verdict")
            control.send(self.address, self.config, "fine_tune_now")

            def ended() -> bool:
                now = self._tuning
                return now.get("verdict") != before and now.get("status") != "training"

            # a retry after a failure has a verdict, too, and goes on
            done = self._wait(ended, TRAINING_SECONDS)
            verdict = self._tuning.get("verdict") if done else None
            self.view.say(verdict or "no round ended: see the logs")
        self.view.waits_for = ""

    @property
    def _tuning(self) -> Mapping[str, Any]:
        return self.watch.seen.metrics.fine_tune

    def _insist(self, done: Callable[[], bool], seconds: float) -> None:
        if not self._wait(done, seconds):
            cause = self.local.flink.rest.root_cause(self.job) or "the job did not fail"
            consumed = self.watch.seen.metrics.totals().consumed
            message = f"job {self.job}: expected {self.sending.sent:,} events accounted for, got"
            raise ToolError(f"{message} {consumed:,} and no progress for {seconds:.0f} s: {cause}")

    def _wait(self, done: Callable[[], bool], seconds: float) -> bool:
        """Look on until done (True), or until nothing has changed for some seconds (False)."""
        since, before = time.monotonic(), (-1, -1, -1, -1)
        while self.sending.active or not done():
            self.watch.look(LOOK_SECONDS)
            insist_on_running(self.local, self.job)
            seen = self.watch.seen
            if self.console is not None and seen.recommendations:
                self.console.announce()
            self.view.show(self.sending.sent, seen)
            tuning = seen.metrics.fine_tune
            told = tuning.get("step", 0) + tuning.get("model", 0) + tuning.get("events", 0)
            consumed = seen.metrics.totals().consumed
            now = (self.sending.sent, consumed, seen.recommendations, told)
            if now != before:
                since, before = time.monotonic(), now
            if time.monotonic() - since > seconds:
                return False
        return True

    def _accounted(self) -> bool:
        return self.watch.seen.metrics.totals().consumed >= self.sending.sent

    def _recommended(self) -> bool:
        enabled = self.config.recommend.enabled
        return not enabled or len(self.watch.seen.users) >= len(self.sending.users)

    def _measured(self) -> bool:
        metrics = self.watch.seen.metrics
        return metrics.counted("consumed") >= metrics.totals().consumed


def _parts(blocks: Iterator[Block], events: int) -> Iterator[Iterator[Block]]:
    """Yield the events in parts of equal size: a round follows each of the first ones."""
    size = -(-events // (ROUNDS + 1))

    def part() -> Iterator[Block]:
        sent = 0
        while sent < size and (block := next(blocks, None)) is not None:
            sent += len(block)
            yield block

    for _ in range(ROUNDS):
        yield part()
    yield blocks
